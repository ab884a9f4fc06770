// phi_t on the screen: where every vertex stands at time t.
//
// Only three numbers of each vertex are shown, so no frame does width x width work per vertex. A stage that moves along
// straight lines is four cached 3-vectors per vertex (its two ends, seen through the frames at both ends of the unit);
// the polar stage is one 3 x width matrix per frame, applied to the layer before.

import { clamp } from "./numbers.ts";
import { activate, flow as follow } from "./activations.ts";
import type { Field, Line, Program, ProgramLayer, Stage, Turn } from "./program.ts";
import type { Scene, ViewFrame } from "./scene.ts";

/** Rows of numbers, one row for each vertex. */
interface Rows {
  cells: Float64Array;
  columns: number;
}

/** Both ends of a straight motion through the first and the second frame of its unit: (N, 3) each. */
interface Chord {
  kind: "chord";
  start: [Float64Array, Float64Array];
  end: [Float64Array, Float64Array];
}

type Cached =
  | Chord
  | { kind: "turn"; stage: Turn; rows: Rows }
  | { kind: "field"; field: Field; points: Rows[]; every: number };

interface Unit {
  layer: ProgramLayer;
  stages: { stage: Stage; cached: Cached }[];
  first: Float64Array; // frames padded to the space of the unit, row by row: 3 x space
  second: Float64Array;
  centers: [Float64Array, Float64Array];
}

const MEMORY = 8e6;

/** The place of time `t` among units and stages. */
export interface Moment {
  unit: number; // 1-based
  share: number; // of the unit
  stage: number; // index among the ticks of the layer
}

export function moment(scene: Scene, t: number): Moment {
  const unit = Math.max(Math.min(Math.floor(t) + 1, scene.layers.length), 1);
  const share = t - (unit - 1);
  const ticks = scene.layers[unit - 1]?.ticks ?? [];
  const stage = ticks.findIndex((tick) => share <= tick + 1e-12);
  return { unit, share, stage: stage < 0 ? ticks.length : stage };
}

export class Flow {
  readonly scene: Scene;
  readonly #exact: Rows[] = [];
  readonly #units: Unit[] = [];

  readonly #memory: number;

  /** `memory` is how many numbers the checkpoints of one vector field may take. */
  constructor(scene: Scene, memory = MEMORY) {
    this.scene = scene;
    this.#memory = memory;
    this.#exact[0] = { cells: Float64Array.from(scene.vertices), columns: scene.input };
  }

  /** Write the (N, 3) positions at time `t` into `out`; time beyond the ends is clamped. */
  positions(t: number, out: Float32Array): void {
    const { scene } = this;
    const time = clamp(t, 0, scene.layers.length);
    const { unit, share } = moment(scene, time);
    if (scene.flow.kind === "sampled") {
      const [a, b] = scene.flow.positions.slice(unit - 1);
      mix(a, b ?? a, share, out, scene.count);
      return;
    }
    this.prepare(unit);
    const found = this.#units[unit];
    const { stage, cached } =
      found.stages.find((entry) => share <= entry.stage.to + 1e-12) ?? found.stages[found.stages.length - 1];
    const s = clamp((share - stage.from) / (stage.to - stage.from));
    const shift = this.#offset(found, share);
    if (cached.kind === "chord") drawChord(cached, share, s, shift, out, scene.count);
    else if (cached.kind === "turn") {
      const matrix = turned(between(found.first, found.second, share), cached.stage, s, found.layer.space);
      project(matrix, found.layer.space, cached.rows, shift, out, scene.count);
    } else {
      this.#drawField(found, cached, s, share, shift, out);
    }
  }

  /** Compute what unit `unit` needs, once: a full forward of its layer. */
  prepare(unit: number): void {
    if (this.scene.flow.kind === "layers") this.#units[unit] ??= this.#build(this.scene.flow, unit);
  }

  /** Layer `k` itself, h_k of every vertex; row after row. */
  layer(k: number): Float64Array {
    return this.#rows(k).cells;
  }

  #rows(k: number): Rows {
    const { flow } = this.scene;
    if (flow.kind === "sampled") throw new Error("recorded layers have positions only");
    return (this.#exact[k] ??= this.#output(flow.layers[k - 1], this.#before(flow.layers[k - 1])));
  }

  #before(layer: ProgramLayer): Rows {
    const { rows, space } = layer;
    const total = this.#rowsOf(rows, (out, at) => out.set(layer.bias, at));
    for (const term of layer.terms) {
      const h = this.#rows(term.layer);
      const turn = layer.stages.find((stage) => stage.kind === "linear") as Turn;
      const own = term.matrix
        ? this.#times(term.matrix, h.columns, rows, h)
        : this.#times(turned(identity(rows, space), turn, 1, space), space, rows, h);
      total.cells.forEach((value, i) => (total.cells[i] = value + own.cells[i]));
    }
    return total;
  }

  #output(layer: ProgramLayer, z: Rows): Rows {
    return this.#rowsOf(layer.width, (out, at, n) => activate(layer.activation, z.cells, n * z.columns, z.columns, out, at));
  }

  /** Rows that `write` fills one by one. */
  #rowsOf(width: number, write: (out: Float64Array, at: number, n: number) => void): Rows {
    const cells = new Float64Array(this.scene.count * width);
    for (let n = 0; n < this.scene.count; n++) write(cells, n * width, n);
    return { cells, columns: width };
  }

  /** A matrix (its rows `stride` apart) times every row of `y`. */
  #times(matrix: Float64Array, stride: number, rows: number, y: Rows): Rows {
    return this.#rowsOf(rows, (out, at, n) => {
      for (let i = 0; i < rows; i++) {
        let total = 0;
        for (let j = 0; j < y.columns; j++) total += matrix[i * stride + j] * y.cells[n * y.columns + j];
        out[at + i] = total;
      }
    });
  }

  /** The same rows in a wider space, or cut to a narrower one. */
  #padded(y: Rows, space: number): Rows {
    const kept = Math.min(y.columns, space);
    return this.#rowsOf(space, (out, at, n) => out.set(y.cells.subarray(n * y.columns, n * y.columns + kept), at));
  }

  #build(program: Program, number: number): Unit {
    const layer = program.layers[number - 1] ?? resting(this.scene.input);
    const frames = this.scene.view.frames;
    const [a, b] = [frames[number - 1], frames[number] ?? frames[0]].map((frame) => padded(frame, layer.space));
    const unit: Unit = { layer, stages: [], first: a.matrix, second: b.matrix, centers: [a.center, b.center] };
    let y = this.#rows(number - 1);
    let before: Chord | undefined;
    for (const stage of layer.stages) {
      let cached: Cached;
      if (stage.kind === "linear") {
        cached = { kind: "turn", stage, rows: y };
        y = this.#times(turned(identity(layer.space, layer.space), stage, 1, layer.space), layer.space, layer.space, y);
      } else if (stage.kind === "vector_field" && !oneStep(layer)) {
        const field = layer.activation as Field;
        const every = Math.max(1, Math.ceil((this.scene.count * layer.space * field.steps) / this.#memory));
        cached = { kind: "field", field, every, points: this.#checkpoints(field, y, layer.space, every) };
        y = this.#run(field, cached.points[cached.points.length - 1], (cached.points.length - 1) * every, 1);
      } else {
        const start = stage.kind === "line" ? this.#along(program, stage, stage.fromShare, layer.space) : y;
        const end =
          stage.kind === "line" ? this.#along(program, stage, stage.toShare, layer.space) : this.#end(layer, stage, y);
        const shared = before !== undefined && stage.kind !== "line" ? before.end : undefined;
        cached = { kind: "chord", start: shared ?? this.#seen(unit, start), end: this.#seen(unit, end) };
        y = end;
      }
      before = cached.kind === "chord" ? cached : undefined;
      unit.stages.push({ stage, cached });
    }
    return unit;
  }

  /** Where a straight stage ends. */
  #end(layer: ProgramLayer, stage: Stage, y: Rows): Rows {
    const { space, rows, activation } = layer;
    if (stage.kind === "straight") {
      return this.#padded(this.#before({ ...layer, terms: [layer.terms[0]], bias: new Float64Array(rows) }), space);
    }
    const found = this.#padded(y, space);
    if (stage.kind === "vector_field") return this.#run(activation as Field, found, 0, 1);
    return this.#rowsOf(space, (out, at) => {
      const own = found.cells.subarray(at, at + space);
      // a pool leaves nothing behind its windows
      if (activation.name !== "max_pool" || stage.kind === "translate") out.set(own, at);
      if (stage.kind === "activation") activate(activation, own, 0, rows, out, at);
      else for (let i = 0; i < rows; i++) out[at + i] += layer.bias[i];
    });
  }

  #along(program: Program, stage: Line, share: number, space: number): Rows {
    const end = stage.target === "output" ? this.#rows(stage.of) : this.#before(program.layers[stage.of - 1]);
    const [from, to] = [this.#padded(this.#rows(stage.start), space), this.#padded(end, space)];
    return { cells: between(from.cells, to.cells, share), columns: space };
  }

  #checkpoints(field: Field, y: Rows, space: number, every: number): Rows[] {
    const found = [this.#padded(y, space)];
    for (let step = every; step < field.steps; step += every) {
      found.push(this.#run(field, found[found.length - 1], step - every, step / field.steps));
    }
    return found;
  }

  #run(field: Field, y: Rows, step: number, s: number): Rows {
    return this.#rowsOf(y.columns, (out, at) => {
      const own = out.subarray(at, at + y.columns);
      own.set(y.cells.subarray(at, at + y.columns));
      follow(field, own, s, step / field.steps);
    });
  }

  #drawField(
    unit: Unit, cached: Cached & { kind: "field" }, s: number, share: number, shift: Float64Array, out: Float32Array,
  ): void {
    const { field, points, every } = cached;
    const at = Math.min(Math.floor((s * field.steps + 1e-12) / every), points.length - 1);
    const rows = this.#run(field, points[at], at * every, s);
    project(between(unit.first, unit.second, share), unit.layer.space, rows, shift, out, this.scene.count);
  }

  #seen(unit: Unit, y: Rows): [Float64Array, Float64Array] {
    const { count } = this.scene;
    const zero = new Float64Array(3);
    const first = new Float64Array(3 * count);
    project(unit.first, unit.layer.space, y, zero, first, count);
    if (unit.first.every((value, i) => value === unit.second[i])) return [first, first];
    const second = new Float64Array(3 * count);
    project(unit.second, unit.layer.space, y, zero, second, count);
    return [first, second];
  }

  /** -V(c) of the frame at a share of the unit. */
  #offset(unit: Unit, share: number): Float64Array {
    const matrix = between(unit.first, unit.second, share);
    const center = between(unit.centers[0], unit.centers[1], share);
    const w = center.length;
    return Float64Array.from([0, 1, 2], (row) => {
      let total = 0;
      for (let j = 0; j < w; j++) total -= matrix[row * w + j] * center[j];
      return total;
    });
  }
}

/** What stands in for a layer where there is none. */
function resting(width: number): ProgramLayer {
  const nothing = new Float64Array(0);
  return {
    width, position: width, rows: 0, space: width, terms: [], bias: nothing, activation: { name: "affine" },
    stages: [{ kind: "translate", from: 0, to: 1 }],
  };
}

function oneStep(layer: ProgramLayer): boolean {
  return layer.activation.name === "vector_field" && layer.activation.oneStep;
}

function drawChord(
  chord: Chord, share: number, s: number, shift: Float64Array, out: Float32Array, count: number,
): void {
  const [a0, b0] = chord.start;
  const [a1, b1] = chord.end;
  const [p, q, u, v] = [(1 - share) * (1 - s), share * (1 - s), (1 - share) * s, share * s];
  const [x, y, z] = shift;
  for (let i = 0, n = 3 * count; i < n; i += 3) {
    out[i] = p * a0[i] + q * b0[i] + u * a1[i] + v * b1[i] + x;
    out[i + 1] = p * a0[i + 1] + q * b0[i + 1] + u * a1[i + 1] + v * b1[i + 1] + y;
    out[i + 2] = p * a0[i + 2] + q * b0[i + 2] + u * a1[i + 2] + v * b1[i + 2] + z;
  }
}

/** out = matrix (3 x space) times the rows, plus a shift; rows narrower than the space are padded with zeros. */
function project(
  matrix: Float64Array, space: number, rows: Rows, shift: Float64Array, out: Float32Array | Float64Array, count: number,
): void {
  const { cells, columns } = rows;
  const [cx, cy, cz] = shift;
  for (let n = 0, at = 0; n < count; n++) {
    let x = cx;
    let y = cy;
    let z = cz;
    for (let j = 0; j < columns; j++, at++) {
      const h = cells[at];
      x += matrix[j] * h;
      y += matrix[space + j] * h;
      z += matrix[2 * space + j] * h;
    }
    out[3 * n] = x;
    out[3 * n + 1] = y;
    out[3 * n + 2] = z;
  }
}

/** left q R(s angles) q^T ((1 - s) I + s p), for `left` of any number of rows. */
function turned(left: Float64Array, stage: Turn, s: number, space: number): Float64Array {
  const { q, p, angles } = stage;
  const out = new Float64Array(left.length);
  const row = new Float64Array(space);
  const next = new Float64Array(space);
  for (let r = 0; r < left.length; r += space) {
    row.fill(0);
    for (let i = 0; i < space; i++) {
      for (let j = 0; j < space; j++) row[j] += left[r + i] * q[i * space + j];
    }
    for (let i = 0; i < angles.length; i++) {
      const [c, d] = [Math.cos(s * angles[i]), Math.sin(s * angles[i])];
      const [a, b] = [row[2 * i], row[2 * i + 1]];
      row[2 * i] = c * a + d * b;
      row[2 * i + 1] = c * b - d * a;
    }
    for (let i = 0; i < space; i++) {
      let total = 0;
      for (let j = 0; j < space; j++) total += row[j] * q[i * space + j];
      next[i] = total;
    }
    for (let j = 0; j < space; j++) {
      let total = 0;
      for (let i = 0; i < space; i++) total += next[i] * p[i * space + j];
      out[r + j] = (1 - s) * next[j] + s * total;
    }
  }
  return out;
}

/** The first rows of the identity. */
function identity(rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => Number(i % (columns + 1) === 0));
}

function padded({ matrix, center }: ViewFrame, space: number): ViewFrame {
  const width = center.length;
  const wide = (rows: Float64Array) =>
    Float64Array.from({ length: (rows.length / width) * space }, (_, i) =>
      i % space < width ? rows[Math.floor(i / space) * width + (i % space)] : 0,
    );
  return { matrix: wide(matrix), center: wide(center) };
}

function between(a: Float64Array, b: Float64Array, share: number): Float64Array {
  return a.map((value, i) => (1 - share) * value + share * b[i]);
}

function mix(a: Float32Array, b: Float32Array, share: number, out: Float32Array, count: number): void {
  for (let i = 0; i < 3 * count; i++) out[i] = (1 - share) * a[i] + share * b[i];
}
