import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../src/style.css", import.meta.url), "utf8");

/** Return the colours of a theme: the first or the second value of each pair. */
function colours(which: 1 | 2): Record<string, string> {
  const pairs = css.matchAll(/--([\w-]+):\s*light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g);
  return Object.fromEntries([...pairs].map((match) => [match[1], match[which + 1]]));
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((place) => {
    const value = Number.parseInt(hex.slice(place, place + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Return the contrast of two colours (WCAG 2.2). */
function contrast(one = "", other = ""): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const THEMES = { light: colours(1), dark: colours(2) };

for (const [theme, colour] of Object.entries(THEMES)) {
  test(`texts are readable in the ${theme} theme (AA)`, () => {
    const pairs = [
      ...["bg", "surface", "raised", "hover"].flatMap((ground) => [
        ["text", ground],
        ["muted", ground],
      ]),
      ...["surface", "accent-soft"].map((ground) => ["accent", ground]),
      ["accent-text", "accent"],
      ...["ok", "warn", "bad", "pending", "off"].flatMap((name) => [
        [name, `${name}-soft`],
        [name, "surface"],
      ]),
      ...["warn-soft", "bad-soft", "pending-soft"].map((ground) => ["text", ground]),
    ];
    const poor = pairs.filter(([one = "", other = ""]) => contrast(colour[one], colour[other]) < 4.5);
    assert.deepEqual(poor, []);
  });

  test(`lines and borders are seen in the ${theme} theme (AA)`, () => {
    const lines = ["line-strong", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    const poor = lines.filter((name) => contrast(colour[name], colour.surface) < 3);
    assert.deepEqual(poor, []);
  });
}

test("every pair of colours is found", () => {
  assert.equal(Object.keys(THEMES.light).length, css.match(/light-dark\(#/g)?.length);
});
