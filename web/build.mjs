// Builds the dashboard's files: one page, one script, one style sheet, named by their content.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/hydria/dashboard/assets");

// The first load of a page, compressed (bytes).
const LARGEST = 300_000;

const built = await build({
  entryPoints: [join(here, "src/main.tsx"), join(here, "src/style.css")],
  bundle: true,
  minify: true,
  write: false,
  outdir: out,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
let page = readFileSync(join(here, "src/index.html"), "utf8");
let total = 0;
for (const file of built.outputFiles) {
  const [, stem, ending] = /(\w+)\.(js|css)$/.exec(file.path);
  const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 12);
  const name = `${stem}-${hash}.${ending}`;
  writeFileSync(join(out, name), file.contents);
  page = page.replace(`${stem}.${ending}`, name);
  total += gzipSync(file.contents, { level: 9 }).length;
}
for (const name of readdirSync(join(here, "static"))) {
  writeFileSync(join(out, name), readFileSync(join(here, "static", name)));
}
writeFileSync(join(out, "index.html"), page);
console.log(`dashboard: ${(total / 1000).toFixed(1)} kB compressed`);
if (total > LARGEST) {
  console.error(`error: the first load is above ${LARGEST / 1000} kB. Leave something out or load it later.`);
  process.exit(1);
}
