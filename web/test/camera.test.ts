import assert from "node:assert/strict";
import { test } from "node:test";
import { boundaryOf, ride } from "../src/boundary.ts";
import {
  ballOf, fixedFrame, followFrame, orbited, projection, restingCamera, scaleBar, toPixels, zoomed,
} from "../src/camera.ts";
import type { Camera } from "../src/camera.ts";
import { colorsOf, lookFor, marksOf, opacity } from "../src/marks.ts";
import { DARK, LIGHT } from "../src/palette.ts";
import { readScene } from "../src/scene.ts";
import { initialState } from "../src/state.ts";
import { golden } from "./golden.ts";

const still: Camera = { mode: "fixed", yaw: 0, tilt: 0, zoom: 1, panX: 0, panY: 0 };
const unit = { center: [0, 0, 0] as const, radius: 1 };
const close = (a: number, b: number, by = 1e-4) => assert.ok(Math.abs(a - b) < by, `${a}, not ${b}`);

function pixel(camera: Camera, point: number[], dimension = 3, frame = unit): number[] {
  const out = [0, 0, 0];
  toPixels(projection(camera, frame as never, dimension, 400, 300), point[0], point[1], point[2], out, 0);
  return out;
}

test("the center of the frame is the middle of the stage", () => {
  for (const dimension of [1, 2, 3]) {
    const frame = { center: [3, -2, 1] as const, radius: 5 };
    const [x, y] = pixel({ ...still, yaw: 1, tilt: 0.7 }, [3, -2, dimension === 3 ? 1 : 0], dimension, frame as never);
    close(x, 200);
    close(y, 150);
  }
});

test("a ball of the frame's radius fits, with a margin", () => {
  const [x, y] = pixel(still, [0, 1, 0], 2);
  close(x, 200);
  close(y, 150 - 150 / 1.1);
});

test("turned by nothing, solid scenes look like flat ones at the center plane", () => {
  for (const point of [[0.5, 0.2, 0], [-0.4, 0.9, 0]]) {
    const [flat, solid] = [pixel(still, point, 2), pixel(still, point, 3)];
    close(flat[0], solid[0]);
    close(flat[1], solid[1]);
  }
});

test("the third axis is upright when the plane is seen from its side", () => {
  const side = { ...still, tilt: Math.PI / 2 };
  const [x, y] = pixel(side, [0, 0, 0.5]);
  close(x, 200);
  close(y, 150 - (0.5 * 150) / 1.1);
  // and what is nearer is larger: w is smaller
  assert.ok(pixel(side, [0, -0.5, 0])[2] < pixel(side, [0, 0.5, 0])[2]);
});

test("depth grows away from the eye and stays in the clip range", () => {
  const p = projection(restingCamera(readScene(golden("wide_pca").scene)), unit, 3, 400, 300);
  const depth = (at: number) => {
    const eye = p.depth.slice(0, 3).map((v) => v * at);
    const m = p.matrix;
    const z = m[2] * eye[0] + m[6] * eye[1] + m[10] * eye[2] + m[14];
    const w = m[3] * eye[0] + m[7] * eye[1] + m[11] * eye[2] + m[15];
    return z / w;
  };
  const depths = [4, 2, 1, 0, -1, -2, -20].map(depth);
  for (let i = 1; i < depths.length; i++) assert.ok(depths[i] > depths[i - 1]);
  assert.ok(depths[0] > -1 && depths[depths.length - 1] < 1);
});

test("zoom keeps the point it is made around", () => {
  const before = { ...still, panX: 0.2, panY: -0.1 };
  const after = zoomed(before, 2.5, 0.3, 0.4);
  // places on the screen, in radii at zoom 1: zoom x (point + pan)
  const point = { x: 0.3 - before.panX, y: 0.4 - before.panY };
  close((point.x + after.panX) * after.zoom, (point.x + before.panX) * before.zoom);
  close((point.y + after.panY) * after.zoom, (point.y + before.panY) * before.zoom);
  assert.equal(zoomed(still, 1e9).zoom, 200);
});

test("orbits stop at the poles and wrap around", () => {
  assert.equal(orbited(still, 0, 9).tilt, 0);
  assert.equal(orbited(still, 0, -9).tilt, Math.PI);
  assert.ok(Math.abs(orbited(still, 7, 0).yaw) <= Math.PI);
});

test("scale bars are round numbers near their wanted length", () => {
  for (const scale of [1e-4, 0.3, 7, 212, 1e6]) {
    const { length, pixels } = scaleBar(scale);
    close(pixels, length * scale);
    assert.ok(pixels <= 90 && pixels > 30);
    assert.match(Number(length.toPrecision(9)).toExponential(), /^[125]e/);
  }
});

test("a fixed frame holds all boxes, a following one goes from stop to stop", () => {
  const boxes = [[0, 0, 0, 1], [4, 0, 0, 2]];
  const { center, radius } = fixedFrame(boxes);
  for (const [x, y, z, r] of boxes) assert.ok(Math.hypot(x - center[0], y - center[1], z - center[2]) + r <= radius + 1e-9);
  const stops = [0, 0.5, 1];
  const balls = [[0, 0, 0, 1], [1, 0, 0, 3], [1, 0, 0, 1]];
  assert.deepEqual([0, 0.25, 0.5, 1].map((share) => followFrame(stops, balls, share).radius), [1, 2, 3, 1]);
  assert.deepEqual(ballOf(Float32Array.of(0, 0, 0, 2, 0, 0), [0, 1], 0.1), [1, 0, 0, 1]);
  assert.equal(ballOf(Float32Array.of(5, 5, 5), [0], 0.1)[3], 0.1);
});

test("the boundary is where the interpolated logit is 0, and rides on its edges", () => {
  const { scene: json } = golden("square_swap");
  const scene = readScene(json);
  const logit = Float32Array.from({ length: scene.count }, (_, i) => scene.vertices[2 * i] - 0.1); // x = 0.1
  assert.notEqual(logit[1] > 0, logit[2] > 0, "the edge of two triangles is crossed");
  const indices = Uint32Array.of(0, 1, 2, 2, 1, 3, 4, 5, 6);
  const grid = { ...scene.primitives[0], kind: "triangles" as const, role: "grid" as const, per: 3 as const, indices, count: 3 };
  const made = boundaryOf({ ...scene, logit, primitives: [grid] });
  assert.ok(made);
  const crossed = [0, 3, 6].filter((at) => new Set([0, 1, 2].map((k) => logit[indices[at + k]] > 0)).size === 2);
  assert.equal(made.segments.length, 2 * crossed.length);
  const total = scene.count + made.from.length;
  const positions = new Float32Array(3 * total);
  for (let i = 0; i < scene.count; i++) positions.set([scene.vertices[2 * i], scene.vertices[2 * i + 1], 0], 3 * i);
  ride(made, positions, scene.count);
  for (let i = scene.count; i < total; i++) close(positions[3 * i], 0.1, 1e-6);
  // an edge of two triangles is cut once
  const keys = new Set([...made.from].map((a, i) => [a, made.to[i]].sort().join()));
  assert.equal(keys.size, made.from.length);
});

test("marks lie in order, hide with their overlay, and stills fade", () => {
  const scene = readScene(golden("square_swap").scene);
  const marks = marksOf(scene, null);
  assert.deepEqual(marks.map((mark) => mark.role), ["grid", "still", "data"]);
  const { overlays } = initialState(scene);
  const { look } = lookFor(scene, 0.5, LIGHT, overlays);
  const [grid, readout, data] = marks;
  assert.ok(opacity(grid, look, 0) > 0);
  assert.equal(opacity(grid, { ...look, overlays: { ...overlays, grid: false } }, 0), 0);
  assert.deepEqual([1, 1.5, 1.75, 2].map((t) => opacity(readout, look, t)), [0, 0, 0.5, 1]);
  assert.deepEqual([...readout.ids], [24, 25]);
  const { fill, edge } = colorsOf(data, look);
  assert.deepEqual([...fill.subarray(0, 3)], [213, 94, 0]);
  assert.equal(edge[3], 0); // a disc
  assert.equal(edge[4 * 23 + 3], 1); // a square
  assert.notEqual(lookFor(scene, 0.5, DARK, overlays).key, lookFor(scene, 0.5, LIGHT, overlays).key);
});
