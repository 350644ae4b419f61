import assert from "node:assert/strict";
import { test } from "node:test";
import { lineOf, ticks } from "../src/lines.ts";

test("the marks of an axis are round and reach the highest value", () => {
  for (const highest of [0.003, 0.7, 1, 9, 73, 762, 1234567]) {
    const marks = ticks(highest);
    assert.ok((marks[marks.length - 1] ?? 0) >= highest, `${highest}: ${marks}`);
    assert.ok(marks.length >= 3 && marks.length <= 5, `${highest}: ${marks}`);
  }
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(762), [0, 500, 1000]);
});

test("a line is broken where a value is missing", () => {
  const path = lineOf(
    [1, null, 2, 3],
    (index) => index,
    (value) => value,
  );
  assert.equal(path, "M0.0,1.0M2.0,2.0L3.0,3.0");
});
