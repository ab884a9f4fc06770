// Flow programs: how a network moves every vertex, as plain arrays.

import type { Reader } from "./arrays.ts";

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
  width: number;
  position: number; // length of what is shown at the end: the width, but inside a block that moves as one
  rows: number;
  space: number;
  terms: Term[];
  bias: Float64Array;
  activation: Activation;
  stages: Stage[];
}

export interface Program {
  kind: "layers";
  widths: number[];
  shown: number[]; // length of the position at each whole time
  layers: ProgramLayer[];
}

/** Recorded layers, already on the screen: (N, 3) positions joined by straight lines. */
export interface Sampled {
  kind: "sampled";
  widths: number[];
  shown: number[];
  positions: Float32Array[];
}

const KINDS = ["linear", "straight", "translate", "activation", "vector_field", "line"] as const;
const ACTIVATIONS = [
  "affine", "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "max_pool", "vector_field",
] as const;

export function readFlow(flow: Reader, input: number, vertices: number): Program | Sampled {
  if (flow.choice("kind", ["layers", "sampled"] as const) === "sampled") {
    const widths = flow.list("widths", (n) => n.whole("", 1));
    const positions = flow.list("positions", (array) => Float32Array.from(array.tensor("", [vertices, 3]).data));
    if (positions.length !== widths.length || positions.length < 1) {
      flow.wrong("positions", `must hold one array for each of ${widths.length} widths, at least 1`);
    }
    return { kind: "sampled", widths, shown: widths.map(() => 3), positions };
  }
  const widths = [input];
  const layers = flow.list("layers", (entry, _, all) => {
    const layer = readLayer(entry.inner, widths, all);
    widths.push(layer.width);
    return layer;
  });
  return { kind: "layers", widths, shown: [input, ...layers.map((layer) => layer.position)], layers };
}

function readLayer(entry: Reader, widths: readonly number[], all: number): ProgramLayer {
  const width = entry.whole("width", 1);
  const rows = entry.whole("rows", 1);
  const before = widths[widths.length - 1];
  const space = entry.whole("space", 1);
  const stages = readStages(entry, space, widths.length, all);
  const lines = stages.filter((stage) => stage.kind === "line").length;
  if (space < Math.max(lines < stages.length ? rows : 1, stages[0].kind === "line" ? 1 : before)) {
    entry.wrong("space", `is too small: ${space}`);
  }
  const turned = stages.some((stage) => stage.kind === "linear");
  const map = entry.object("map");
  const terms = map.list("terms", (term) => readTerm(term.inner, rows, widths, turned));
  if (stages.some((stage) => stage.kind === "straight") && !terms[0]?.matrix) {
    map.wrong("terms", "must hold the matrix of the straight stage");
  }
  return {
    width,
    position: entry.has("position") ? entry.whole("position", 1, space) : width,
    rows,
    space,
    terms,
    bias: map.reals("bias", [rows]),
    activation: readActivation(map.object("activation"), width, rows),
    stages,
  };
}

function readTerm(term: Reader, rows: number, widths: readonly number[], turned: boolean): Term {
  const layer = term.whole("layer", 0, widths.length - 1);
  if (term.has("matrix")) return { layer, matrix: term.reals("matrix", [rows, widths[layer]]) };
  if (!turned || layer !== widths.length - 1) term.wrong("", "needs a matrix: its layer has no linear stage");
  return { layer };
}

function readStages(layer: Reader, space: number, unit: number, all: number): Stage[] {
  let end = 0;
  const found = layer.list("stages", (entry): Stage => {
    const stage = entry.inner;
    const kind = stage.choice("kind", KINDS);
    const from = stage.real("from");
    const to = stage.real("to");
    if (Math.abs(from - end) > 1e-9 || to <= from) stage.wrong("", "must start where the one before ends, and end later");
    end = to;
    if (kind === "linear") {
      const square = [space, space];
      const [q, angles, p] = [stage.reals("q", square), stage.reals("angles", [space >> 1]), stage.reals("p", square)];
      return { kind, from, to, q, angles, p };
    }
    if (kind === "line") {
      return {
        kind, from, to,
        start: stage.whole("start", 0, unit - 1),
        fromShare: stage.real("from_share"),
        toShare: stage.real("to_share"),
        target: stage.choice("target", ["pre_activation", "output"] as const),
        of: stage.whole("of", 1, all),
      };
    }
    return { kind, from, to };
  });
  if (Math.abs(end - 1) > 1e-9) layer.wrong("stages", `must end at 1; got ${end}`);
  return found;
}

function readActivation(entry: Reader, width: number, rows: number): Activation {
  const name = entry.choice("name", ACTIVATIONS);
  switch (name) {
    case "leaky_relu":
      return { name, slope: entry.real("slope") };
    case "softplus":
      return { name, beta: entry.real("beta"), threshold: entry.real("threshold") };
    case "gelu":
      return { name, approximate: entry.choice("approximate", ["none", "tanh"] as const) };
    case "max_pool": {
      const { data, shape } = entry.tensor("windows", [width, -1]);
      if (data.some((i) => i < -1 || i >= rows)) entry.wrong("windows", `must index ${rows} rows, or be -1`);
      return { name, windows: Int32Array.from(data), window: shape[1] };
    }
    case "vector_field": {
      const widths = entry.reals("widths", [-1]);
      const shape = [widths.length, width];
      const [centers, vectors] = [entry.reals("centers", shape), entry.reals("vectors", shape)];
      return { name, widths, centers, vectors, steps: entry.whole("steps", 1, 100000), oneStep: entry.is("one_step") };
    }
    default:
      return { name };
  }
}
