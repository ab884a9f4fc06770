// How long a frame takes on the CPU: 10,000 points and a grid of 64 x 64, layers of tanh. Numbers, no verdicts.
//
//   node bench.mjs [width ...]

import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
await esbuild.build({
  absWorkingDir: here, entryPoints: ["src/flow.ts"], bundle: true, platform: "node", format: "esm", outfile: "build/flow.bench.mjs",
});
const { Flow } = await import(pathToFileURL(join(here, "build", "flow.bench.mjs")));

let seed = 1;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
const matrix = (rows, columns) => Float64Array.from({ length: rows * columns }, random);
const COUNT = 10_000 + 64 * 64;

function scene(width, depth = 3) {
  const q = Float64Array.from({ length: width * width }, (_, i) => Number(i % (width + 1) === 0));
  const layer = (number) => ({
    width, rows: width, space: width, terms: [{ layer: number - 1 }], bias: matrix(width, 1),
    activation: { name: "tanh" },
    stages: [
      { kind: "linear", from: 0, to: 1 / 3, q, angles: matrix(width >> 1, 1), p: matrix(width, width) },
      { kind: "translate", from: 1 / 3, to: 2 / 3 },
      { kind: "activation", from: 2 / 3, to: 1 },
    ],
  });
  const numbers = Array.from({ length: depth }, (_, i) => i + 1);
  const frame = { matrix: matrix(3, width), center: matrix(width, 1) };
  return {
    input: width, count: COUNT, vertices: matrix(COUNT, width),
    layers: numbers.map((k) => ({ name: `${k}`, width, ticks: [1 / 3, 2 / 3] })),
    flow: { kind: "layers", widths: Array(depth + 1).fill(width), layers: numbers.map(layer) },
    view: { frames: Array.from({ length: depth + 1 }, () => frame) },
  };
}

/** Median milliseconds of CPU time of one call. */
function measured(call, times) {
  const found = Array.from({ length: times }, (_, i) => {
    const start = process.cpuUsage();
    call(i);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  });
  return found.sort((a, b) => a - b)[times >> 1];
}

console.log(`${COUNT} vertices, Node ${process.version}, milliseconds of CPU time, median`);
console.log("width  first frame of a layer  linear third  shift third  activation third");
for (const width of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [2, 8, 32, 128]) {
  const flow = new Flow(scene(width));
  const out = new Float32Array(3 * COUNT);
  flow.prepare(1);
  const forward = measured(() => flow.prepare(2), 1);
  const thirds = [0, 1, 2].map((third) => {
    const frame = (i) => flow.positions(1 + (third + ((i * 7) % 100) / 100) / 3, out);
    measured(frame, 30);
    return measured(frame, 101);
  });
  console.log([width, forward, ...thirds].map((value) => value.toFixed(value >= 10 || value === width ? 0 : 2).padStart(10)).join("  "));
}
