import assert from "node:assert/strict";
import { test } from "node:test";
import { age, parse, short, since } from "../src/format.ts";

test("numbers have three digits at most", () => {
  const shown = [0, 0.001, 0.04, 0.5, 9.94, 9.96, 12.4, 999.4, 999.6, 1500, 2_400_000].map(short);
  assert.deepEqual(shown, ["0", "<0.01", "0.04", "0.5", "9.9", "10", "12", "999", "1k", "1.5k", "2.4M"]);
});

test("an age is in the largest fitting unit", () => {
  assert.deepEqual([5, 89, 120, 7200, 200_000].map(age), ["5 s", "89 s", "2 min", "2 h", "2 d"]);
});

test("times without a zone are UTC", () => {
  assert.equal(parse("2026-01-01T00:00:00"), Date.UTC(2026, 0, 1));
  assert.equal(parse("2026-01-01T01:00:00+01:00"), Date.UTC(2026, 0, 1));
  assert.equal(since("2026-01-01T00:00:00", Date.UTC(2026, 0, 1, 0, 1)), 60);
});
