import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { de } from "../src/de.ts";

const folder = new URL("../src/", import.meta.url);
const sources = readdirSync(folder)
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => readFileSync(new URL(name, folder), "utf8"));

/** Texts that are looked up: `t("…")`, and literals that reach `t` by a variable are marked `tr("…")`. */
function used(): Set<string> {
  const found = new Set<string>();
  for (const source of sources) {
    for (const match of source.matchAll(/\bt(?:r)?\(\s*"((?:[^"\\]|\\.)*)"/g)) found.add(JSON.parse(`"${match[1]}"`));
  }
  return found;
}

test("every text has a German one", () => {
  assert.deepEqual(
    [...used()].filter((text) => !(text in de)),
    [],
  );
});

test("German texts have the same values to fill in", () => {
  const values = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [english, german] of Object.entries(de)) assert.deepEqual(values(german), values(english), english);
});
