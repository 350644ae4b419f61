import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf, IDLE, inSight, type Rates, type Row, rowOf, select } from "../src/rows.ts";

function row(name: string, more: Partial<Row> = {}): Row {
  const wire = [name, name, "p", "10.0.0.1", "ACTIVE", "ONLINE", true, 1, "2026-01-01T00:00:00", 1, 2, 2, 0];
  return { ...rowOf(wire), ...more };
}

const names = (rows: Row[]): string[] => rows.map((one) => one.name);
const idle = (): Rates => IDLE;

test("the fields of the wire get their names", () => {
  assert.equal(row("a").vip, "10.0.0.1");
  assert.equal(row("a").membersUp, 2);
});

test("the worse of the two statuses decides", () => {
  assert.equal(healthOf("ERROR", "ONLINE"), "bad");
  assert.equal(healthOf("ACTIVE", "ERROR"), "bad");
  assert.equal(healthOf("PENDING_UPDATE", "ONLINE"), "pending");
  assert.equal(healthOf("PENDING_UPDATE", "DEGRADED"), "warn");
  assert.equal(healthOf("ACTIVE", "OFFLINE"), "off");
  assert.equal(healthOf("ACTIVE", "NO_MONITOR"), "ok");
});

test("trouble comes first, then names", () => {
  const rows = [row("c"), row("b", { operating: "ERROR" }), row("a")];
  assert.deepEqual(names(select(rows, { text: "", health: "", sort: "status", descending: false }, idle)), [
    "b",
    "a",
    "c",
  ]);
});

test("every word of the filter must match", () => {
  const rows = [row("shop"), row("shop-api", { vip: "10.9.9.9" }), row("mail")];
  const wanted = { text: "SHOP 10.9", health: "", sort: "name", descending: false } as const;
  assert.deepEqual(names(select(rows, wanted, idle)), ["shop-api"]);
});

test("rates sort in both directions", () => {
  const rates = (id: string): Rates => [id === "b" ? 5 : 1, 0, 0, 0, 0];
  const rows = [row("a"), row("b")];
  const wanted = { text: "", health: "", sort: "requests" } as const;
  assert.deepEqual(names(select(rows, { ...wanted, descending: true }, rates)), ["b", "a"]);
  assert.deepEqual(names(select(rows, { ...wanted, descending: false }, rates)), ["a", "b"]);
});

test("only the rows in sight are drawn, and some more", () => {
  assert.deepEqual(inSight(0, 560, 56, 10_000), [0, 16]);
  assert.deepEqual(inSight(56_000, 560, 56, 10_000), [994, 22]);
  assert.deepEqual(inSight(0, 560, 56, 3), [0, 3]);
  assert.deepEqual(inSight(9999, 560, 56, 3), [3, 0]);
});
