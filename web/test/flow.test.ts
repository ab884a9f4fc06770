import assert from "node:assert/strict";
import { test } from "node:test";
import { erfc } from "../src/activations.ts";
import { Flow, moment } from "../src/flow.ts";
import { readScene } from "../src/scene.ts";
import { golden, names } from "./golden.ts";

// Positions are float32 numbers: relative to their size, six digits hold.
const TOLERANCE = 1e-6;

assert.ok(names.length >= 10);

for (const name of names) {
  test(`${name}: the browser agrees with the slow evaluator`, () => {
    const { scene: json, t, positions } = golden(name);
    const scene = readScene(json);
    const flow = new Flow(scene);
    const out = new Float32Array(3 * scene.count);
    t.forEach((time, row) => {
      flow.positions(time, out);
      for (let i = 0; i < out.length; i++) {
        const wanted = positions[row * out.length + i];
        const error = Math.abs(out[i] - wanted);
        assert.ok(error <= TOLERANCE * Math.max(1, Math.abs(wanted)), `t = ${time}: ${out[i]}, not ${wanted}`);
      }
    });
  });

  test(`${name}: nothing jumps where units and stages meet`, () => {
    const scene = readScene(golden(name).scene);
    const flow = new Flow(scene);
    const [before, after] = [new Float32Array(3 * scene.count), new Float32Array(3 * scene.count)];
    scene.layers.forEach((layer, k) => {
      for (const tick of [...layer.ticks, 1]) {
        flow.positions(k + tick - 1e-9, before);
        flow.positions(k + tick + 1e-9, after);
        const jump = Math.max(...before.map((value, i) => Math.abs(value - after[i]) / Math.max(1, Math.abs(value))));
        assert.ok(jump < 1e-5, `a jump of ${jump} at t = ${k + tick}`);
      }
    });
  });
}

test("a vector field keeps its path when few checkpoints fit the memory", () => {
  const { scene: json, t, positions } = golden("vector_field");
  const scene = readScene(json);
  for (const memory of [1, 100, 240]) {
    const flow = new Flow(scene, memory);
    const out = new Float32Array(3 * scene.count);
    t.forEach((time, row) => {
      flow.positions(time, out);
      for (let i = 0; i < out.length; i++) assert.ok(Math.abs(out[i] - positions[row * out.length + i]) < 2 * TOLERANCE);
    });
  }
});

test("moments name unit and stage", () => {
  const scene = readScene(golden("square_swap").scene);
  assert.deepEqual([0, 0.2, 0.5, 0.9, 1, 1.5, 2].map((t) => moment(scene, t).stage), [0, 0, 1, 2, 0, 1, 2]);
  assert.deepEqual([0, 0.99, 1, 1.01, 2].map((t) => moment(scene, t).unit), [1, 1, 2, 2, 2]);
});

test("layers are those of the maps", () => {
  const scene = readScene(golden("interval").scene);
  const h = new Flow(scene).layer(1);
  const x = scene.vertices[3];
  assert.ok(Math.abs(h[6] - Math.tanh(1.5 * x + 0.2)) < 1e-12);
  assert.ok(Math.abs(h[7] - Math.tanh(-2 * x + 0.4)) < 1e-12);
});

test("erfc has fifteen digits", () => {
  // Abramowitz and Stegun, table 7.1, and their continuation
  const known: [number, number][] = [
    [0, 1], [0.5, 0.4795001221869535], [1, 0.15729920705028513], [2, 0.004677734981047266],
    [3, 2.209049699858544e-5], [5, 1.5374597944280347e-12], [-1, 1.8427007929497148],
  ];
  for (const [x, y] of known) assert.ok(Math.abs(erfc(x) - y) <= 2e-16 + 1e-12 * y, `erfc(${x}) = ${erfc(x)}`);
});
