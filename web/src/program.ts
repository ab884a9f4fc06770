// Flow programs: how a network moves every vertex, as plain arrays.

import { choice, fail, fields, list, real, reals, tensor, text, whole } from "./arrays.ts";

export type Activation =
  | { name: "affine" | "relu" | "tanh" | "sigmoid" | "silu" }
  | { name: "leaky_relu"; slope: number }
  | { name: "softplus"; beta: number; threshold: number }
  | { name: "gelu"; approximate: "none" | "tanh" }
  | { name: "max_pool"; windows: Int32Array; window: number }
  | Field;

export interface Field {
  name: "vector_field";
  centers: Float64Array;
  vectors: Float64Array;
  widths: Float64Array;
  steps: number;
  oneStep: boolean;
}

/** One summand M h_j of a pre-activation; without a matrix it is the end of the layer's linear stage. */
export interface Term {
  layer: number;
  matrix?: Float64Array;
}

interface Span {
  from: number;
  to: number;
}

export interface Turn extends Span {
  kind: "linear";
  q: Float64Array;
  angles: Float64Array;
  p: Float64Array;
}

export interface Line extends Span {
  kind: "line";
  start: number;
  fromShare: number;
  toShare: number;
  target: "pre_activation" | "output";
  of: number;
}

export type Stage = Turn | Line | (Span & { kind: "straight" | "translate" | "activation" | "vector_field" });

export interface ProgramLayer {
  name: string;
  width: number;
  rows: number;
  space: number;
  permutation: number[];
  terms: Term[];
  bias: Float64Array;
  activation: Activation;
  stages: Stage[];
}

export interface Program {
  kind: "layers";
  widths: number[];
  layers: ProgramLayer[];
}

/** Recorded layers, already on the screen: (N, 3) positions joined by straight lines. */
export interface Sampled {
  kind: "sampled";
  widths: number[];
  positions: Float32Array[];
}

const KINDS = ["linear", "straight", "translate", "activation", "vector_field", "line"] as const;
const ACTIVATIONS = [
  "affine", "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "max_pool", "vector_field",
] as const;

export function readFlow(value: unknown, input: number, vertices: number): Program | Sampled {
  const entries = fields(value, "flow");
  if (choice(entries.kind, "flow.kind", ["layers", "sampled"] as const) === "sampled") {
    const widths = list(entries.widths, "flow.widths").map((n) => whole(n, "flow.widths", 1));
    const positions = list(entries.positions, "flow.positions").map((array, k) =>
      Float32Array.from(tensor(array, `flow.positions[${k}]`, [vertices, 3]).data),
    );
    if (positions.length !== widths.length || positions.length < 2) {
      fail("flow.positions", `must hold one array for each of ${widths.length} widths, at least 2.`);
    }
    return { kind: "sampled", widths, positions };
  }
  const widths = [input];
  const layers: ProgramLayer[] = [];
  for (const entry of list(entries.layers, "flow.layers")) {
    const layer = readLayer(entry, `flow.layers[${layers.length}]`, widths);
    layers.push(layer);
    widths.push(layer.width);
  }
  if (layers.length === 0) fail("flow.layers", "must hold at least one layer.");
  layers.forEach((layer, k) => {
    for (const stage of layer.stages) {
      if (stage.kind === "line" && stage.of > k + 1) fail(`flow.layers[${k}]`, "moves towards a later layer.");
    }
  });
  return { kind: "layers", widths, layers };
}

function readLayer(value: unknown, where: string, widths: readonly number[]): ProgramLayer {
  const entries = fields(value, where);
  const width = whole(entries.width, `${where}.width`, 1);
  const rows = whole(entries.rows, `${where}.rows`, 1);
  const before = widths[widths.length - 1];
  const space = whole(entries.space, `${where}.space`, Math.max(width, rows, before));
  const stages = readStages(entries.stages, `${where}.stages`, space, widths.length);
  const turned = stages.some((stage) => stage.kind === "linear");
  const map = fields(entries.map, `${where}.map`);
  const terms = list(map.terms, `${where}.map.terms`).map((term, i) =>
    readTerm(term, `${where}.map.terms[${i}]`, rows, widths, turned),
  );
  if (stages.some((stage) => stage.kind === "straight") && terms[0]?.matrix === undefined) {
    fail(`${where}.map.terms`, "must hold the matrix of the straight stage.");
  }
  const activation = readActivation(map.activation, `${where}.map.activation`, width, rows);
  return {
    name: text(entries.name, `${where}.name`),
    width,
    rows,
    space,
    permutation: list(entries.permutation, `${where}.permutation`).map((n) =>
      whole(n, `${where}.permutation`, 0, width - 1),
    ),
    terms,
    bias: reals(map.bias, `${where}.map.bias`, [rows]),
    activation,
    stages,
  };
}

function readTerm(value: unknown, where: string, rows: number, widths: readonly number[], turned: boolean): Term {
  const term = fields(value, where);
  const layer = whole(term.layer, `${where}.layer`, 0, widths.length - 1);
  if (term.matrix !== undefined && term.matrix !== null) {
    return { layer, matrix: reals(term.matrix, `${where}.matrix`, [rows, widths[layer]]) };
  }
  if (!turned || layer !== widths.length - 1) fail(where, "needs a matrix: its layer has no linear stage.");
  return { layer };
}

function readStages(value: unknown, where: string, space: number, unit: number): Stage[] {
  let end = 0;
  const found = list(value, where).map((entry, i): Stage => {
    const here = `${where}[${i}]`;
    const stage = fields(entry, here);
    const kind = choice(stage.kind, `${here}.kind`, KINDS);
    const from = real(stage.from, `${here}.from`);
    const to = real(stage.to, `${here}.to`);
    if (Math.abs(from - end) > 1e-9 || to <= from) fail(here, "must start where the one before ends, and end later.");
    end = to;
    if (kind === "linear") {
      const square = [space, space];
      return {
        kind, from, to,
        q: reals(stage.q, `${here}.q`, square),
        angles: reals(stage.angles, `${here}.angles`, [space >> 1]),
        p: reals(stage.p, `${here}.p`, square),
      };
    }
    if (kind === "line") {
      return {
        kind, from, to,
        start: whole(stage.start, `${here}.start`, 0, unit - 1),
        fromShare: real(stage.from_share, `${here}.from_share`),
        toShare: real(stage.to_share, `${here}.to_share`),
        target: choice(stage.target, `${here}.target`, ["pre_activation", "output"] as const),
        of: whole(stage.of, `${here}.of`, 1),
      };
    }
    return { kind, from, to };
  });
  if (Math.abs(end - 1) > 1e-9) fail(where, `must end at 1; got ${end}.`);
  return found;
}

function readActivation(value: unknown, where: string, width: number, rows: number): Activation {
  const entries = fields(value, where);
  const name = choice(entries.name, `${where}.name`, ACTIVATIONS);
  switch (name) {
    case "leaky_relu":
      return { name, slope: real(entries.slope, `${where}.slope`) };
    case "softplus":
      return { name, beta: real(entries.beta, `${where}.beta`), threshold: real(entries.threshold, `${where}.threshold`) };
    case "gelu":
      return { name, approximate: choice(entries.approximate, `${where}.approximate`, ["none", "tanh"] as const) };
    case "max_pool": {
      const windows = tensor(entries.windows, `${where}.windows`, [width, -1]);
      const found = Int32Array.from(windows.data);
      if (found.some((i) => i < -1 || i >= rows)) fail(`${where}.windows`, `must index ${rows} rows, or be -1.`);
      return { name, windows: found, window: windows.shape[1] };
    }
    case "vector_field": {
      const widths = reals(entries.widths, `${where}.widths`, [-1]);
      const shape = [widths.length, width];
      return {
        name,
        widths,
        centers: reals(entries.centers, `${where}.centers`, shape),
        vectors: reals(entries.vectors, `${where}.vectors`, shape),
        steps: whole(entries.steps, `${where}.steps`, 1, 100000),
        oneStep: entries.one_step === true,
      };
    }
    default:
      return { name };
  }
}
