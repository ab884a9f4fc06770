// Build the viewer into the Python package, or the tests into build/.
//
//   node build.mjs           write src/isotopy/see/assets/viewer.js and manifest.json
//   node build.mjs --check   build in memory and compare with what is there, byte by byte
//   node build.mjs --tests   bundle test/*.test.ts for `node --test`

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { packed } from "./pack.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, "..", "src", "isotopy", "see", "assets");

/** The style sheet and the shaders are text, minified and packed. */
const texts = {
  name: "texts",
  setup(build) {
    build.onLoad({ filter: /\.(css|glsl)$/ }, async ({ path }) => {
      const text = readFileSync(path, "utf8");
      const tight = path.endsWith(".css") ? await style(text) : shader(text);
      const words = JSON.stringify(packed(tight));
      return { contents: `import { unpacked } from "./unpack.ts";\nexport default unpacked(${words});`, loader: "ts" };
    });
  },
};

/** The style sheet, minified; its own properties (not --at, which a script sets) have letters for names. */
async function style(text) {
  const { code } = await esbuild.transform(text, { loader: "css", minify: true });
  const own = [...new Set(code.match(/--(?!at\b)[a-z]+/g))];
  return code.trim().replace(/--(?!at\b)[a-z]+/g, (name) => `--${String.fromCharCode(97 + own.indexOf(name))}`);
}

/** Shaders without comments, indents and spaces that mean nothing. */
function shader(text) {
  return text
    .replace(/\/\/.*$/gm, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(/ ?([-+*/=<>?:,&|(){};]) ?/g, "$1")
    .trim();
}

// Long names that come often, and what they are called inside the bundle.
const ALIASES = {
  $d: "Float64Array", $f: "Float32Array", $u: "Uint32Array", $b: "Uint8Array", $m: "Math", $o: "Object", $a: "Array", $n: "Number",
};

// What the page, the tests and the tables by name say: these names stay.
const SPOKEN = [
  ...["isotopy", "viewers", "state", "mount", "scan", "seek", "theme", "mounted", "autoplay", "aa"],
  ...["grid", "data", "boundary", "polytopes", "ranks", "stretch", "surface", "tube", "region", "field", "frame", "still"],
  ...["class", "tabindex", "viewBox", "style", "type", "title", "method", "open", "hidden", "click", "input", "keydown"],
  ...["play", "pause", "reset", "paper"],
  ...["points", "segments", "triangles", "proved", "computed", "observed"],
];

// What a browser declares somewhere, but not on anything that the viewer touches: these are ours.
const OURS = [
  ...["kind", "count", "layers", "layer", "space", "list", "view", "matrix", "real", "vertices", "indices", "activation"],
  ...["overlays", "camera", "playing", "dark", "object", "optional", "ticks", "zoom", "point", "rows"],
  ...["text", "element", "mark", "first", "second", "certificates", "statements", "label", "widths", "status", "steps", "edge"],
  ...["cells", "columns", "role", "share", "logit", "order", "unit", "update", "draw", "say", "choice", "whole"],
];

/** Names of our own properties may be shortened; those that the language or the browser declares may not. */
function kept() {
  const library = join(here, "node_modules", "typescript", "lib");
  const names = new Set(SPOKEN);
  for (const file of readdirSync(library).sort()) {
    if (!/^lib\.(es|dom|decorators).*\.d\.ts$/.test(file)) continue;
    const text = readFileSync(join(library, file), "utf8");
    for (const [, name] of text.matchAll(/\b([A-Za-z_]\w*)\b["']?\??\s*[:(<]/g)) names.add(name);
  }
  for (const name of OURS) names.delete(name);
  return new RegExp(`^(${[...names].join("|")})$`);
}

export async function bundle() {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: here,
    entryPoints: ["src/main.ts"],
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    format: "esm",
    define: Object.fromEntries(Object.entries(ALIASES).map(([alias, name]) => [name, alias])),
    legalComments: "none",
    target: ["es2022"],
    mangleProps: /^[a-z]\w{2,}$/i,
    reserveProps: kept(),
    plugins: [texts],
  });
  const aliases = Object.entries(ALIASES).map((pair) => pair.join("=")).join();
  const code = `"use strict";(()=>{const ${aliases};${outputFiles[0].text.trim()}})();\n`;
  return code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

/** sha256 of what the bundle is made of; a Python test reads it where there is no Node. */
export function manifest(viewer) {
  const hash = (data) => createHash("sha256").update(data).digest("hex");
  const names = readdirSync(join(here, "src")).sort().map((name) => `src/${name}`);
  const sources = [...names, "build.mjs", "pack.mjs", "package.json", "package-lock.json", "tsconfig.json"];
  return {
    esbuild: esbuild.version,
    outputs: { "viewer.js": hash(viewer) },
    sources: Object.fromEntries(sources.map((name) => [name, hash(readFileSync(join(here, name)))])),
  };
}

async function main(argument) {
  if (argument === "--tests" || argument === "--bench") {
    const folder = argument === "--tests" ? "test" : ".";
    const ending = argument === "--tests" ? ".test.ts" : ".bench.ts";
    const entryPoints = readdirSync(join(here, folder)).filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
    await esbuild.build({
      absWorkingDir: here, entryPoints, bundle: true, platform: "node", format: "esm",
      outdir: "build", outbase: folder, outExtension: { ".js": ".mjs" }, sourcemap: "inline", plugins: [texts],
    });
    return;
  }
  const viewer = await bundle();
  const files = { "viewer.js": viewer, "manifest.json": `${JSON.stringify(manifest(viewer), null, 1)}\n` };
  if (argument === "--check") {
    const stale = Object.keys(files).filter((name) => readFileSync(join(assets, name), "utf8") !== files[name]);
    if (stale.length > 0) {
      console.error(`${stale.join(" and ")} in src/isotopy/see/assets is not what web/ builds; run make web`);
      process.exit(1);
    }
    console.log("the committed viewer is what web/ builds");
    return;
  }
  mkdirSync(assets, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(assets, name), content);
  console.log(`viewer.js: ${(Buffer.byteLength(viewer) / 1024).toFixed(1)} KiB`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]);
