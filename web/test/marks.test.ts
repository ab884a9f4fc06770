import assert from "node:assert/strict";
import { test } from "node:test";
import { marksOf, lookFor, opacity, tintOf } from "../src/marks.ts";
import type { Mark } from "../src/marks.ts";
import { LIGHT } from "../src/palette.ts";
import { readScene } from "../src/scene.ts";
import { OVERLAYS } from "../src/state.ts";
import type { Overlay } from "../src/state.ts";
import { golden } from "./golden.ts";

const scene = readScene(golden("square_swap").scene);

const shown = (...names: Overlay[]) =>
  lookFor(scene, 0, LIGHT, Object.fromEntries(OVERLAYS.map((name) => [name, names.includes(name)])) as Record<Overlay, boolean>).look;

const mark = (role: Mark["role"], kind: Mark["kind"]): Mark => {
  const found = marksOf({ ...scene, primitives: [{ ...scene.primitives[0], role: role as "grid", kind }] }, null);
  return found.find((own) => own.role === role) as Mark;
};

test("regions belong to the boundary; stretch tints them as it tints the lattice", () => {
  const region = mark("region", "triangles");
  for (const [names, tint, seen] of [
    [["boundary"], "none", LIGHT.tint], [["data"], "none", 0], [["stretch"], "stretch", 0.72], [["stretch", "boundary"], "stretch", 0.72],
  ] as [Overlay[], string, number][]) {
    assert.deepEqual([tintOf(region, shown(...names)), opacity(region, shown(...names), 0)], [tint, seen], names.join());
  }
});

test("cells of the lattice show the sides of the boundary or the stretch, and nothing else", () => {
  const cells = mark("grid", "triangles");
  for (const [names, tint, seen] of [
    [["boundary"], "sides", LIGHT.tint], [["grid"], "none", 0], [["stretch"], "stretch", 0.72],
  ] as [Overlay[], string, number][]) {
    assert.deepEqual([tintOf(cells, shown(...names)), opacity(cells, shown(...names), 0)], [tint, seen], names.join());
  }
  assert.equal(tintOf(mark("grid", "segments"), shown("boundary")), "none");
  assert.equal(tintOf(mark("surface", "triangles"), shown("stretch")), "stretch");
  assert.equal(tintOf(mark("data", "points"), shown("stretch")), "none");
});

test("what stands still fades within half a layer", () => {
  const still = marksOf(scene, null).find((own) => own.role === "still") as Mark;
  assert.deepEqual([1.4, 1.75, 2].map((t) => opacity(still, shown("boundary"), t)), [0, 0.5, 1]);
  assert.equal(opacity(still, shown("data"), 2), 0);
});
