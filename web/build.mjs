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

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, "..", "src", "isotopy", "see", "assets");

/** `import sheet from "./style.css"` is the minified text of the sheet. */
const sheets = {
  name: "sheets",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** Shaders without comments, indents and spaces that mean nothing. */
const shaders = {
  name: "shaders",
  setup(build) {
    build.onLoad({ filter: /shaders\.ts$/ }, ({ path }) => {
      const tight = readFileSync(path, "utf8")
        .replace(/\/\/.*$/gm, "")
        .replace(/\s*\n\s*/g, "\n")
        .replace(/([;{},])\n/g, "$1")
        .replace(/ ?([-+*/=<>?:,&|(){};]) ?/g, "$1");
      return { contents: tight, loader: "ts" };
    });
  },
};

// What the page, the tests and the tables by name say: these names stay.
const SPOKEN = [
  ...["viewers", "state", "mount", "scan", "theme", "mounted", "autoplay", "aa"],
  ...["t", "layers", "playing", "renderer", "dark", "overlays", "available", "camera", "point", "frames", "vertices", "reduced"],
  ...["mode", "yaw", "tilt", "zoom", "panX", "panY", "text"],
  ...["grid", "data", "boundary", "polytopes", "ranks", "stretch", "surface", "tube", "region", "field", "frame", "still"],
  ...["points", "segments", "triangles", "proved", "computed", "observed"],
  ...["float64", "float32", "float16", "int32", "int8", "uint8", "uint16", "lattice"],
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
    format: "iife",
    legalComments: "none",
    target: ["es2022"],
    mangleProps: /^[a-z]\w{2,}$/i,
    reserveProps: kept(),
    plugins: [sheets, shaders],
  });
  return outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

/** sha256 of what the bundle is made of; a Python test reads it where there is no Node. */
export function manifest(viewer) {
  const hash = (data) => createHash("sha256").update(data).digest("hex");
  const names = readdirSync(join(here, "src")).sort().map((name) => `src/${name}`);
  const sources = [...names, "build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
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
      outdir: "build", outbase: folder, outExtension: { ".js": ".mjs" }, sourcemap: "inline", plugins: [sheets],
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
