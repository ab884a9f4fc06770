import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader, inflated } from "../src/arrays.ts";
import { deflateRawSync } from "node:zlib";
import type { Fields } from "../src/arrays.ts";
import { SceneError, readScene } from "../src/scene.ts";
import { golden, names } from "./golden.ts";

const tensor = (value: unknown, key: string, shape: number[]) => new Reader({ [key]: value }, "").tensor(key, shape);

const array = (dtype: string, shape: number[], bytes: number[]) => ({
  dtype, shape, data: Buffer.from(bytes).toString("base64"),
});

for (const name of names) {
  test(`${name} can be read`, () => {
    const scene = readScene(golden(name).scene);
    assert.equal(scene.layers.length, scene.flow.widths.length - 1);
    assert.equal(scene.primitives[0].count, scene.count);
  });
}

test("every float16 pattern is decoded", () => {
  // 1, -2, 65504, 2^-24, 1/3 (nearest), -0
  const bytes = [0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x55, 0x35, 0x00, 0x80];
  assert.deepEqual(
    [...tensor(array("float16", [6], bytes), "x", [6]).data],
    [1, -2, 65504, 2 ** -24, 0.333251953125, -0],
  );
});

test("integers are little-endian", () => {
  assert.deepEqual([...tensor(array("int32", [2], [1, 0, 0, 0, 254, 255, 255, 255]), "x", [2]).data], [1, -2]);
  assert.deepEqual([...tensor(array("uint16", [1, 1], [1, 2]), "x", [-1, 1]).data], [513]);
});

test("packed arrays are unpacked: every kind of block, runs and far copies", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const cases = [
    new Uint8Array(0), new Uint8Array(1), new Uint8Array(70000).fill(7),
    Uint8Array.from({ length: 90000 }, () => 256 * random()),
    Uint8Array.from({ length: 50000 }, () => 20 * random() ** 3),
    Uint8Array.from({ length: 60000 }, (_, i) => (i % 29000) * 7),
  ];
  for (const bytes of cases) {
    for (const options of [{ level: 9 }, { level: 1 }, { level: 0 }, { strategy: 4 }]) {
      assert.deepEqual(inflated(deflateRawSync(bytes, options), bytes.length), bytes);
    }
  }
});

test("damaged packed arrays are named, whatever is damaged", () => {
  const packed = deflateRawSync(Uint8Array.from({ length: 600 }, (_, i) => (i * i) % 251));
  const about = (bytes: Uint8Array) => ({
    dtype: "int8", shape: [600], packed: "deflate", data: Buffer.from(bytes).toString("base64"),
  });
  assert.equal(tensor(about(packed), "x", [600]).data.length, 600);
  for (const cut of [0, 1, 10, packed.length - 1]) {
    assert.throws(() => tensor(about(packed.subarray(0, cut)), "x", [600]), /x\.data is damaged: it cannot be unpacked/);
  }
  assert.throws(() => tensor({ ...about(packed), shape: [601] }, "x", [601]), /cannot be unpacked/);
  assert.throws(() => tensor({ ...about(packed), packed: "zip" }, "x", [600]), /packed must be one of deflate/);
});

test("bytes of packed numbers are joined again", () => {
  const values = Float64Array.of(1.5, -2.25, 1e300);
  const bytes = new Uint8Array(values.buffer);
  const grouped = bytes.map((_, i) => bytes[(i % 3) * 8 + Math.floor(i / 3)]);
  const data = deflateRawSync(grouped).toString("base64");
  assert.deepEqual(tensor({ dtype: "float64", shape: [3], packed: "deflate", data }, "x", [3]).data, values);
});

test("lattices stand for their lists of indices", () => {
  assert.deepEqual([...tensor({ lattice: [3, 1, 4] }, "x", [-1]).data], [3, 4, 5, 6]);
  const edges = tensor({ lattice: [10, 2, 3] }, "x", [-1, 2]);
  assert.deepEqual([...edges.data], [10, 11, 10, 13, 11, 12, 11, 14, 12, 15, 13, 14, 14, 15]);
  const cells = tensor({ lattice: [0, 2, 2] }, "x", [-1, 3]);
  assert.deepEqual([[...cells.data], cells.shape], [[0, 1, 3, 0, 3, 2], [2, 3]]);
  assert.throws(() => tensor({ lattice: [0, 2] }, "x", [-1]), /x\.lattice must be three numbers/);
});

function changed(change: (scene: Fields) => void, name = "square_swap"): Fields {
  const { scene } = golden(name);
  change(scene);
  return scene;
}

type Any = any; // eslint-free: tests reach into JSON

const WRONG: [string, RegExp, (scene: Any) => void][] = [
  ["another format", /scene\.format must be/, (s) => (s.format = "png")],
  ["a later version", /has version 2, this viewer reads up to 1\. Update/, (s) => (s.version = 2)],
  ["bytes missing", /vertices must hold 48 numbers of 4 bytes; got 188/, (s) => (s.vertices.data = s.vertices.data.slice(0, -5) + "=")],
  ["no base64", /vertices\.data is not base64/, (s) => (s.vertices.data = "%%%")],
  ["another dtype", /vertices\.dtype must be one of/, (s) => (s.vertices.dtype = "complex64")],
  ["a wrong width", /vertices must have shape \(any, 2\); got \(16, 3\)/, (s) => (s.vertices.shape = [16, 3])],
  ["an index out of range", /primitives\[0\]\.indices must be from 0 to 23; got 24/, (s) => (s.primitives[0].indices = array("int32", [24], [24, ...Array(95).fill(0)]))],
  ["nan", /vertices must be finite; number 0 is NaN/, (s) => (s.vertices = array("float32", [24, 2], Array.from({ length: 48 }, (_, i) => (i ? [0, 0, 0, 0] : [0, 0, 192, 127])).flat()))],
  ["a role of another time", /primitives\[0\]\.role must be one of/, (s) => (s.primitives[0].role = "fog")],
  ["a flow of another depth", /layers must have the widths of the flow, 2, 2; got 2/, (s) => s.layers.pop()],
  ["a stage that begins late", /stages\[1\] must start where the one before ends/, (s) => (s.flow.layers[0].stages[1].from = 0.5)],
  ["an activation unknown", /activation\.name must be one of/, (s) => (s.flow.layers[0].map.activation.name = "sin")],
  ["no matrix", /terms\[0\] needs a matrix: its layer/, (s) => (s.flow.layers[0].stages[0].kind = "translate")],
  ["frames missing", /view\.frames must hold 3 frames/, (s) => s.view.frames.pop()],
  ["a point as a box", /camera\.boxes must hold 3 boxes/, (s) => (s.camera.boxes[0][3] = 0)],
  ["a promise too much", /statements\[0\]\.status must be one of proved, computed, observed/, (s) => (s.statements[0].status = "sure")],
  ["no object", /scene must be an object/, (s) => s],
];

for (const [name, message, change] of WRONG) {
  test(`${name} is named`, () => {
    const scene = name === "no object" ? [] : changed(change);
    assert.throws(() => readScene(scene), (error) => error instanceof SceneError && message.test(error.message));
  });
}

test("unknown keys are ignored", () => {
  assert.equal(readScene(changed((s) => (s.mood = "quiet"))).title, golden("square_swap").scene.title);
});
