import assert from "node:assert/strict";
import { test } from "node:test";
import { readScene } from "../src/scene.ts";
import {
  OVERLAYS, Store, advance, available, certificateAt, clampTime, initialState, sentence, stageNames, step, stops,
} from "../src/state.ts";
import { codeword, pointFacts, tone } from "../src/words.ts";
import { golden } from "./golden.ts";

const scene = readScene(golden("square_swap").scene);
const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);

test("stops are the ends of all stages", () => {
  assert.deepEqual(stops(scene).map((t) => +t.toFixed(4)), [0, 0.3333, 0.6667, 1, 1.3333, 1.6667, 2]);
});

test("steps go from stop to stop and stay inside", () => {
  let t = 0;
  const walked = [];
  for (let i = 0; i < 7; i++) walked.push((t = step(scene, t, 1)));
  assert.deepEqual(walked.map((v) => +v.toFixed(2)), [0.33, 0.67, 1, 1.33, 1.67, 2, 2]);
  close(step(scene, 0.5, -1), 1 / 3);
  close(step(scene, 1 / 3 + 1e-9, -1), 0);
  close(step(scene, 0, -1), 0);
});

test("time stays in its range, whatever is asked", () => {
  assert.deepEqual([-1, 0.5, 9, NaN, Infinity].map((t) => clampTime(scene, t)), [0, 0.5, 2, 0, 0]);
});

test("play ends at the last layer; with reduced motion it rests on layers", () => {
  close(advance(scene, 0, 1.2, false, 0).t, 0.5);
  assert.deepEqual(advance(scene, 1.99, 1, false, 0), { t: 2, rested: 0, ended: true });
  const seen = new Set<number>();
  let now = { t: 0.4, rested: 0, ended: false };
  for (let i = 0; i < 100 && !now.ended; i++) {
    now = advance(scene, now.t, 0.1, true, now.rested);
    seen.add(now.t);
  }
  assert.deepEqual([...seen], [0.4, 1, 2]);
});

test("overlays are those that the scene has something for", () => {
  assert.deepEqual(available(scene), ["grid", "data", "boundary", "ranks", "stretch"]);
  const { overlays } = initialState(scene);
  assert.deepEqual(OVERLAYS.filter((name) => overlays[name]), ["grid", "data", "boundary"]);
  assert.deepEqual(available(readScene(golden("sampled").scene)), ["grid", "data"]);
});

test("stages have the essay's names", () => {
  assert.deepEqual(stageNames(scene, 1), ["linear", "shift", "tanh"]);
  assert.deepEqual(stageNames(readScene(golden("vector_field").scene), 1), ["field"]);
  assert.deepEqual(stageNames(readScene(golden("residual").scene), 2), ["line 1", "line 2", "tanh"]);
  assert.deepEqual(stageNames(readScene(golden("residual").scene), 3), ["line"]);
  assert.deepEqual(stageNames(readScene(golden("sampled").scene), 1), ["recorded"]);
  assert.deepEqual(stageNames(readScene(golden("max_pool").scene), 3), ["linear", "shift", "rest"]);
});

test("sentences say where and what is certified", () => {
  assert.equal(sentence(scene, 0), "Input.");
  assert.equal(
    sentence(scene, 0.5),
    "Layer 1 of 2, shift. isotopy, computed: An isotopy after swapping neurons 1 and 2.",
  );
  assert.equal(sentence(scene, 2), "After layer 2 of 2.");
});

test("without layers time stands still", () => {
  const still = readScene(golden("still").scene);
  assert.deepEqual(stops(still), [0]);
  assert.deepEqual([step(still, 0, 1), step(still, 0, -1), clampTime(still, 3)], [0, 0, 0]);
  for (const reduced of [false, true]) assert.deepEqual(advance(still, 0, 9, reduced, 0), { t: 0, rested: 0, ended: true });
  assert.equal(sentence(still, 0), "Input.");
  assert.deepEqual(available(still), ["grid", "data", "boundary"]);
  assert.deepEqual(pointFacts(still, still.primitives[0], 0, 1).rows.map(([name]) => name), ["input"]);
  assert.deepEqual(still.statements.map((entry) => entry.status), ["nothing known"]);
});

test("the part of a layer that holds now is told from the others", () => {
  const badge = { layer: 1, sentence: "", status: "computed" as const };
  const parts = {
    ...scene,
    certificates: [
      { ...badge, verdict: "isotopy", from: 0, to: 2 / 3 }, { ...badge, verdict: "collapse", from: 2 / 3, to: 1 },
    ],
  };
  assert.deepEqual([0, 0.1, 2 / 3, 0.7, 1, 1.1].map((t) => certificateAt(parts, t)?.verdict), [
    undefined, "isotopy", "isotopy", "collapse", "collapse", undefined,
  ]);
});

test("verdicts have three tones", () => {
  assert.equal(tone("isotopy after swapping neurons 1, 2"), "kept");
  assert.equal(tone("embedding in a larger space"), "kept");
  for (const words of ["fold at s = 0.91", "collapse", "isotopy, then collapses at the end"]) assert.equal(tone(words), "lost");
  for (const words of ["projection", "interpolated, not an isotopy", "observed"]) assert.equal(tone(words), "open");
});

test("codewords are unpacked lowest bit first, one layer after the other", () => {
  const packed = Uint8Array.of(0b10110101, 0b1, 0b00000010, 0b0);
  const wide = { ...scene, bits: [4, 5], primitives: [{ ...scene.primitives[0], codewords: packed, count: 2 }] };
  assert.equal(codeword(wide, packed, 0, 1), "1010\u2009".trim());
  assert.equal(codeword(wide, packed, 0, 2), "1101\u20091");
  assert.equal(codeword(wide, packed, 1, 1), "0100");
});

test("points tell their input, rank, codeword, logit and prediction", () => {
  const facts = pointFacts(scene, scene.primitives[0], 3, 2);
  assert.equal(facts.title, "A");
  assert.deepEqual(facts.rows.map(([name]) => name), ["input", "rank, layer 2", "codeword, layer 2", "logit", "predicted"]);
});

test("a store tells of changes only", () => {
  const store = new Store({ a: 1, b: 2 });
  const heard: number[] = [];
  store.listen((now, before) => heard.push(before.a, now.a));
  store.set({ a: 1 });
  store.set({ a: 5 });
  assert.deepEqual(heard, [1, 5]);
});
