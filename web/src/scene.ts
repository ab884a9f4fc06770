// The scene format, version 1: geometry in input space, the flow, and what may be said about them.

import { choice, fail, fields, list, real, reals, tensor, text, whole } from "./arrays.ts";
import type { Fields } from "./arrays.ts";
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

export type Kind = keyof typeof KINDS;
export type Role = (typeof ROLES)[number];
export type Status = (typeof STATUSES)[number];

export interface ViewFrame {
  matrix: Float64Array; // 3 x width
  center: Float64Array;
}

export interface Primitive {
  kind: Kind;
  name: string;
  role: Role;
  indices: Uint32Array; // `per` of them for each item
  per: 1 | 2 | 3;
  count: number;
  classes: Int8Array | null;
  ranks: Uint8Array | null; // count x layers
  codewords: Uint8Array | null; // count x bytes
}

/** What stands still: drawn at t = layer, fading around it. */
export interface Still {
  layer: number;
  kind: Kind;
  vertices: Float64Array;
  count: number;
  indices: Uint32Array;
  role: string;
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
  stretch: Float32Array[] | null; // one array for each layer, the input first
  bits: number[]; // of the codeword of each layer
  classes: string[];
  camera: { mode: "fixed" | "follow"; boxes: number[][] };
  certificates: Certificate[];
  statements: { text: string; status: Status }[];
  source: string;
}

/** Read and check a scene; a SceneError names what does not fit. */
export function readScene(value: unknown): Scene {
  const entries = fields(value, "scene");
  if (entries.format !== FORMAT) fail("scene.format", `must be "${FORMAT}"; got ${JSON.stringify(entries.format)}.`);
  const version = whole(entries.version, "scene.version", 1);
  if (version > VERSION) fail("scene", `has version ${version}, this viewer reads up to ${VERSION}. Update isotopy.`);
  const input = whole(entries.input, "input", 1);
  const vertices = tensor(entries.vertices, "vertices", [-1, input]);
  const count = vertices.shape[0];
  const flow = readFlow(entries.flow, input, count);
  const steps = flow.widths.length - 1;
  const layers = readLayers(entries.layers, flow.widths);
  const attributes = fields(entries.attributes ?? {}, "attributes");
  const bits = list(attributes.codeword_bits ?? [], "attributes.codeword_bits").map((n) =>
    whole(n, "attributes.codeword_bits", 0),
  );
  const classes = list(entries.classes ?? [], "classes").map((name) => text(name, "classes"));
  const found: Scene = {
    title: text(entries.title ?? "", "title"),
    input,
    count,
    vertices: Float64Array.from(vertices.data),
    layers,
    flow,
    view: readView(entries.view, flow),
    primitives: list(entries.primitives, "primitives").map((entry, i) =>
      readPrimitive(entry, `primitives[${i}]`, count, steps, bits),
    ),
    stills: list(entries.static ?? [], "static").map((entry, i) => readStill(entry, `static[${i}]`, flow)),
    logit: optional(attributes.logit, (v) => Float32Array.from(tensor(v, "attributes.logit", [count]).data)),
    predicted: optional(attributes.predicted, (v) => Int8Array.from(tensor(v, "attributes.predicted", [count]).data)),
    stretch: optional(attributes.stretch, (v) => {
      const { data } = tensor(v, "attributes.stretch", [steps + 1, count]);
      return Array.from({ length: steps + 1 }, (_, k) => Float32Array.from(data.subarray(k * count, (k + 1) * count)));
    }),
    bits,
    classes,
    camera: readCamera(entries.camera, steps),
    certificates: list(entries.certificates ?? [], "certificates").map((entry, i) =>
      readCertificate(entry, `certificates[${i}]`, steps),
    ),
    statements: list(entries.statements ?? [], "statements").map((entry, i) => {
      const statement = fields(entry, `statements[${i}]`);
      return {
        text: text(statement.text, `statements[${i}].text`),
        status: choice(statement.status, `statements[${i}].status`, STATUSES),
      };
    }),
    source: text(entries.source ?? "", "source"),
  };
  if (whole(entries.t_max, "t_max", 1) !== steps) fail("t_max", `must be ${steps}, the number of layers of the flow.`);
  return found;
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === undefined || value === null ? null : read(value);
}

function readLayers(value: unknown, widths: readonly number[]): Scene["layers"] {
  const found = list(value, "layers").map((entry, k) => {
    const layer = fields(entry, `layers[${k}]`);
    return {
      name: text(layer.name, `layers[${k}].name`),
      width: whole(layer.width, `layers[${k}].width`, 1),
      ticks: list(layer.ticks, `layers[${k}].ticks`).map((tick) => real(tick, `layers[${k}].ticks`)),
    };
  });
  const flowing = widths.slice(1);
  if (found.length !== flowing.length || found.some((layer, k) => layer.width !== flowing[k])) {
    fail("layers", `must have the widths of the flow, ${flowing.join(", ")}; got ${found.map((l) => l.width).join(", ")}.`);
  }
  return found;
}

function readView(value: unknown, flow: Program | Sampled): Scene["view"] {
  const view = fields(value, "view");
  const dimension = whole(view.dimension, "view.dimension", 1, 3) as 1 | 2 | 3;
  const frames = flow.kind === "sampled" ? [] : list(view.frames, "view.frames");
  if (flow.kind === "layers" && frames.length !== flow.widths.length) {
    fail("view.frames", `must hold ${flow.widths.length} frames, the input first; got ${frames.length}.`);
  }
  return {
    kind: choice(view.kind, "view.kind", ["axes", "pca", "mds"] as const),
    dimension,
    axes: list(view.axes ?? [], "view.axes").map((names) => list(names, "view.axes").map((n) => text(n, "view.axes"))),
    frames: frames.map((entry, k) => {
      const frame = fields(entry, `view.frames[${k}]`);
      return {
        matrix: reals(frame.matrix, `view.frames[${k}].matrix`, [3, flow.widths[k]]),
        center: reals(frame.center, `view.frames[${k}].center`, [flow.widths[k]]),
      };
    }),
    note: text(view.note ?? "", "view.note"),
  };
}

function readIndices(value: unknown, where: string, kind: Kind, count: number): { indices: Uint32Array; per: 1 | 2 | 3 } {
  const per = KINDS[kind];
  const { data } = tensor(value, `${where}.indices`, per === 1 ? [-1] : [-1, per]);
  for (const i of data) {
    if (!Number.isInteger(i) || i < 0 || i >= count) fail(`${where}.indices`, `must be from 0 to ${count - 1}; got ${i}.`);
  }
  return { indices: Uint32Array.from(data), per };
}

function readPrimitive(value: unknown, where: string, vertices: number, steps: number, bits: number[]): Primitive {
  const entries = fields(value, where);
  const kind = choice(entries.kind, `${where}.kind`, Object.keys(KINDS) as Kind[]);
  const { indices, per } = readIndices(entries.indices, where, kind, vertices);
  const count = indices.length / per;
  const values: Fields = fields(entries.value ?? {}, `${where}.value`);
  const bytes = Math.ceil(bits.reduce((sum, n) => sum + n, 0) / 8);
  return {
    kind,
    name: text(entries.name ?? "", `${where}.name`),
    role: choice(entries.role, `${where}.role`, ROLES),
    indices,
    per,
    count,
    classes: optional(entries.class, (v) => Int8Array.from(tensor(v, `${where}.class`, [count]).data)),
    ranks: optional(values.rank, (v) => Uint8Array.from(tensor(v, `${where}.value.rank`, [count, steps]).data)),
    codewords: optional(values.codewords, (v) =>
      Uint8Array.from(tensor(v, `${where}.value.codewords`, [count, bytes]).data),
    ),
  };
}

function readStill(value: unknown, where: string, flow: Program | Sampled): Still {
  const entries = fields(value, where);
  const layer = whole(entries.layer, `${where}.layer`, 0, flow.widths.length - 1);
  const kind = choice(entries.kind, `${where}.kind`, Object.keys(KINDS) as Kind[]);
  const width = flow.kind === "sampled" ? 3 : flow.widths[layer];
  const vertices = tensor(entries.vertices, `${where}.vertices`, [-1, width]);
  return {
    layer,
    kind,
    vertices: Float64Array.from(vertices.data),
    count: vertices.shape[0],
    indices: readIndices(entries.indices, where, kind, vertices.shape[0]).indices,
    role: text(entries.role ?? "", `${where}.role`),
    label: text(entries.label ?? "", `${where}.label`),
  };
}

function readCamera(value: unknown, steps: number): Scene["camera"] {
  const camera = fields(value, "camera");
  const boxes = list(camera.boxes, "camera.boxes").map((box) => list(box, "camera.boxes").map((n) => real(n, "camera.boxes")));
  if (boxes.length !== steps + 1 || boxes.some((box) => box.length !== 4 || box[3] <= 0)) {
    fail("camera.boxes", `must hold ${steps + 1} boxes (x, y, z, radius > 0), the input first.`);
  }
  return { mode: choice(camera.mode, "camera.mode", ["fixed", "follow"] as const), boxes };
}

function readCertificate(value: unknown, where: string, steps: number): Certificate {
  const entries = fields(value, where);
  return {
    layer: whole(entries.layer, `${where}.layer`, 1, steps),
    verdict: text(entries.verdict, `${where}.verdict`),
    sentence: text(entries.sentence ?? "", `${where}.sentence`),
    status: choice(entries.status, `${where}.status`, STATUSES),
    from: real(entries.from ?? 0, `${where}.from`),
    to: real(entries.to ?? 1, `${where}.to`),
  };
}
