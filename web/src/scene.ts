// The scene format, version 1: geometry in input space, the flow, and what may be said about them.

import { Reader } from "./arrays.ts";
import { readFlow } from "./program.ts";
import type { Program, Sampled } from "./program.ts";

export { SceneError } from "./arrays.ts";

const FORMAT = "isotopy scene";
const VERSION = 1;
const KINDS = { points: 1, segments: 2, triangles: 3 } as const;
const ROLES = [
  "data", "grid", "boundary", "polytopes", "ranks", "surface", "tube", "region", "field", "frame",
] as const;
const STATUSES = ["proved", "computed", "observed"] as const;
const SAID = [...STATUSES, "nothing known"] as const;

export type Kind = keyof typeof KINDS;
export type Role = (typeof ROLES)[number];
export type Status = (typeof SAID)[number];

export interface ViewFrame {
  matrix: Float64Array; // 3 x length of the position
  center: Float64Array;
}

export interface Primitive {
  kind: Kind;
  role: Role;
  indices: Uint32Array; // `per` of them for each item
  per: 1 | 2 | 3;
  count: number;
  classes: Int8Array | null;
  rankOf: Uint8Array | null; // count x layers
  codewords: Uint8Array | null; // count x bytes
}

/** What stands still: drawn at t = layer, fading around it. */
export interface Still {
  layer: number;
  kind: Kind;
  vertices: Float64Array;
  count: number;
  indices: Uint32Array;
  label: string;
}

export interface Certificate {
  layer: number;
  verdict: string;
  sentence: string;
  status: Status;
  from: number;
  to: number;
}

export interface Scene {
  title: string;
  input: number;
  count: number; // vertices
  vertices: Float32Array | Float64Array; // count x input
  layers: { name: string; width: number; ticks: number[] }[];
  flow: Program | Sampled;
  view: { kind: "axes" | "pca" | "mds"; dimension: 1 | 2 | 3; axes: string[][]; frames: ViewFrame[]; note: string };
  primitives: Primitive[];
  stills: Still[];
  logit: Float32Array | null;
  predicted: Int8Array | null;
  stretches: Float32Array[] | null; // one array for each layer, the input first
  stretchLimit: number; // at the ends of the scale
  bits: number[]; // of the codeword of each layer
  classes: string[];
  camera: { mode: "fixed" | "follow"; boxes: number[][] };
  certificates: Certificate[];
  statements: { text: string; status: Status }[];
}

/** Read and check a scene; a SceneError names what does not fit. */
export function readScene(value: unknown): Scene {
  const about = new Reader(value, "scene");
  about.choice("format", [FORMAT]);
  const version = about.whole("version", 1);
  if (version > VERSION) about.wrong("", `has version ${version}, this viewer reads up to ${VERSION}. Update isotopy`);
  const scene = new Reader(value, "");
  const input = scene.whole("input", 1);
  const vertices = scene.tensor("vertices", [-1, input]);
  const count = vertices.shape[0];
  const flow = readFlow(scene.object("flow"), input, count);
  const steps = flow.widths.length - 1;
  const attributes = scene.object("attributes");
  const bits = attributes.list("codeword_bits", (n) => n.whole("", 0), true);
  const stretch = attributes.optional("stretch", [steps + 1, count], Float32Array);
  if (scene.whole("t_max", 0) !== steps) scene.wrong("t_max", `must be ${steps}, the number of layers of the flow`);
  return {
    title: scene.text("title", ""),
    input,
    count,
    vertices: Float64Array.from(vertices.data),
    layers: readLayers(scene, flow.widths),
    flow,
    view: readView(scene.object("view"), flow),
    primitives: scene.list("primitives", (entry) => readPrimitive(entry.inner, count, steps, bits)),
    stills: scene.list("static", (entry) => readStill(entry.inner, flow), true),
    logit: attributes.optional("logit", [count], Float32Array),
    predicted: attributes.optional("predicted", [count], Int8Array),
    stretches: stretch && Array.from({ length: steps + 1 }, (_, k) => stretch.subarray(k * count, (k + 1) * count)),
    stretchLimit: attributes.real("stretch_limit", 1),
    bits,
    classes: scene.list("classes", (name) => name.text(), true),
    camera: readCamera(scene.object("camera"), steps),
    certificates: scene.list("certificates", (entry) => readCertificate(entry.inner, steps), true),
    statements: scene.list("statements", ({ inner }) => ({ text: inner.text("text"), status: inner.choice("status", SAID) }), true),
  };
}

function readLayers(scene: Reader, widths: readonly number[]): Scene["layers"] {
  const found = scene.list("layers", ({ inner }) => ({
    name: inner.text("name"), width: inner.whole("width", 1), ticks: inner.list("ticks", (tick) => tick.real()),
  }));
  const [own, flowing] = [found.map((layer) => layer.width).join(", "), widths.slice(1).join(", ")];
  if (own !== flowing) scene.wrong("layers", `must have the widths of the flow, ${flowing}; got ${own}`);
  return found;
}

function readView(view: Reader, flow: Program | Sampled): Scene["view"] {
  const frames = flow.kind === "sampled" ? [] : view.list("frames", ({ inner }, k): ViewFrame => {
    const width = flow.shown[k] ?? -1;
    return { matrix: inner.reals("matrix", [3, width]), center: inner.reals("center", [width]) };
  });
  if (flow.kind === "layers" && frames.length !== flow.widths.length) {
    view.wrong("frames", `must hold ${flow.widths.length} frames, the input first; got ${frames.length}`);
  }
  return {
    kind: view.choice("kind", ["axes", "pca", "mds"] as const),
    dimension: view.whole("dimension", 1, 3) as 1 | 2 | 3,
    axes: view.list("axes", (names) => names.list("", (name) => name.text()), true),
    frames,
    note: view.text("note", ""),
  };
}

function readIndices(entry: Reader, per: number, count: number): Uint32Array {
  const { data } = entry.tensor("indices", per === 1 ? [-1] : [-1, per]);
  const bad = data.find((i) => i < 0 || i >= count);
  if (bad !== undefined) entry.wrong("indices", `must be from 0 to ${count - 1}; got ${bad}`);
  return Uint32Array.from(data);
}

function readPrimitive(entry: Reader, vertices: number, steps: number, bits: number[]): Primitive {
  const kind = entry.choice("kind", Object.keys(KINDS) as Kind[]);
  const per = KINDS[kind];
  const indices = readIndices(entry, per, vertices);
  const count = indices.length / per;
  const values = entry.object("value");
  const bytes = Math.ceil(bits.reduce((sum, n) => sum + n, 0) / 8);
  return {
    kind,
    role: entry.choice("role", ROLES),
    indices,
    per,
    count,
    classes: entry.optional("class", [count], Int8Array),
    rankOf: steps > 0 ? values.optional("rank", [count, steps], Uint8Array) : null,
    codewords: values.optional("codewords", [count, bytes], Uint8Array),
  };
}

function readStill(entry: Reader, flow: Program | Sampled): Still {
  const layer = entry.whole("layer", 0, flow.widths.length - 1);
  const kind = entry.choice("kind", Object.keys(KINDS) as Kind[]);
  const { data, shape } = entry.tensor("vertices", [-1, flow.shown[layer]]);
  return {
    layer,
    kind,
    vertices: Float64Array.from(data),
    count: shape[0],
    indices: readIndices(entry, KINDS[kind], shape[0]),
    label: entry.text("label", ""),
  };
}

function readCamera(camera: Reader, steps: number): Scene["camera"] {
  const boxes = camera.list("boxes", (box) => box.list("", (n) => n.real()));
  if (boxes.length !== steps + 1 || boxes.some((box) => box.length !== 4 || box[3] <= 0)) {
    camera.wrong("boxes", `must hold ${steps + 1} boxes (x, y, z, radius > 0), the input first`);
  }
  return { mode: camera.choice("mode", ["fixed", "follow"] as const), boxes };
}

function readCertificate(entry: Reader, steps: number): Certificate {
  return {
    layer: entry.whole("layer", 1, steps),
    verdict: entry.text("verdict"),
    sentence: entry.text("sentence", ""),
    status: entry.choice("status", STATUSES),
    from: entry.real("from", 0),
    to: entry.real("to", 1),
  };
}
