import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader, unpack } from "../src/arrays.ts";
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

/** Node before 20.12 unpacks no raw streams; every browser that draws with WebGL2 does. */
const old = (() => {
  try {
    new DecompressionStream("deflate-raw");
    return false;
  } catch {
    return "this Node cannot unpack raw streams";
  }
})();

const packed = (data: Uint8Array, dtype: string, shape: number[]) => ({
  dtype, shape, packed: "deflate", data: Buffer.from(data).toString("base64"),
});

test("bytes of packed numbers are joined again", { skip: old }, async () => {
  const values = Float64Array.of(1.5, -2.25, 1e300);
  const bytes = new Uint8Array(values.buffer);
  const grouped = bytes.map((_, i) => bytes[(i % 3) * 8 + Math.floor(i / 3)]);
  const array = packed(deflateRawSync(grouped), "float64", [3]);
  await unpack({ somewhere: [{ deep: array }] });
  assert.deepEqual(tensor(array, "x", [3]).data, values);
});

test("damaged packed arrays are named, whatever is damaged", { skip: old }, async () => {
  const whole = deflateRawSync(Uint8Array.from({ length: 600 }, (_, i) => (i * i) % 251));
  for (const cut of [0, 1, 10, whole.length - 1]) {
    const array = packed(whole.subarray(0, cut), "int8", [600]);
    await unpack(array);
    assert.throws(() => tensor(array, "x", [600]), /x\.data is damaged: it cannot be unpacked/);
  }
  const longer = packed(whole, "int8", [601]);
  await unpack(longer);
  assert.throws(() => tensor(longer, "x", [601]), /x must hold 601 numbers of 1 bytes; got 600/);
  assert.throws(() => tensor({ ...longer, packed: "zip" }, "x", [601]), /packed must be one of deflate/);
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
  ["no room", /flow\.layers\[0\]\.space is too small: 2/, (s) => (s.flow.layers[0].rows = 3)],
  ["no matrix", /terms\[0\] needs a matrix: its layer/, (s) => (s.flow.layers[0].stages[0].kind = "translate")],
  ["frames missing", /view\.frames must hold 3 frames/, (s) => s.view.frames.pop()],
  ["a point as a box", /camera\.boxes must hold 3 boxes/, (s) => (s.camera.boxes[0][3] = 0)],
  ["a promise too much", /statements\[0\]\.status must be one of proved, computed, observed, nothing known/, (s) => (s.statements[0].status = "sure")],
  ["a certificate of nothing", /certificates\[0\]\.status must be one of proved, computed, observed;/, (s) => (s.certificates[0].status = "nothing known")],
  ["a depth below none", /t_max must be a whole number from 0/, (s) => (s.t_max = -1)],
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
