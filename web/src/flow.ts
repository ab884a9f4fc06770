// phi_t on the screen: where every vertex stands at time t.
//
// Only three numbers of each vertex are shown, so no frame does width x width work per vertex. A stage that moves along
// straight lines is four cached 3-vectors per vertex (its two ends, seen through the frames at both ends of the unit);
// the polar stage is one 3 x width matrix per frame, applied to the layer before.

import { activate, flow as follow } from "./activations.ts";
import type { Field, Line, Program, ProgramLayer, Stage, Turn } from "./program.ts";
import type { Scene, ViewFrame } from "./scene.ts";

/** Rows of numbers, one row for each vertex. */
interface Rows {
  data: Float64Array;
  width: number;
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
  const unit = Math.min(Math.floor(t), scene.layers.length - 1) + 1;
  const share = t - (unit - 1);
  const ticks = scene.layers[unit - 1].ticks;
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
    this.#exact[0] = { data: Float64Array.from(scene.vertices), width: scene.input };
  }

  /** Write the (N, 3) positions at time `t` into `out`; time beyond the ends is clamped. */
  positions(t: number, out: Float32Array): void {
    const { scene } = this;
    const time = Math.min(Math.max(t, 0), scene.layers.length);
    const { unit, share } = moment(scene, time);
    if (scene.flow.kind === "sampled") {
      mix(scene.flow.positions[unit - 1], scene.flow.positions[unit], share, out, scene.count);
      return;
    }
    this.prepare(unit);
    const found = this.#units[unit];
    const { stage, cached } =
      found.stages.find((entry) => share <= entry.stage.to + 1e-12) ?? found.stages[found.stages.length - 1];
    const s = Math.min(Math.max((share - stage.from) / (stage.to - stage.from), 0), 1);
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
    return this.#rows(k).data;
  }

  #rows(k: number): Rows {
    const { flow } = this.scene;
    if (flow.kind === "sampled") throw new Error("recorded layers have positions only");
    return (this.#exact[k] ??= this.#output(flow.layers[k - 1], this.#before(flow.layers[k - 1])));
  }

  #before(layer: ProgramLayer): Rows {
    const count = this.scene.count;
    const { rows } = layer;
    const data = new Float64Array(count * rows);
    for (let i = 0; i < data.length; i += rows) data.set(layer.bias, i);
    for (const term of layer.terms) {
      const h = this.#rows(term.layer);
      const matrix = term.matrix ?? corner(layer, rows, h.width);
      for (let n = 0; n < count; n++) {
        for (let i = 0; i < rows; i++) {
          let total = 0;
          for (let j = 0; j < h.width; j++) total += matrix[i * h.width + j] * h.data[n * h.width + j];
          data[n * rows + i] += total;
        }
      }
    }
    return { data, width: rows };
  }

  #output(layer: ProgramLayer, z: Rows): Rows {
    const count = this.scene.count;
    const data = new Float64Array(count * layer.width);
    for (let n = 0; n < count; n++) activate(layer.activation, z.data, n * z.width, z.width, data, n * layer.width);
    return { data, width: layer.width };
  }

  #build(program: Program, number: number): Unit {
    const layer = program.layers[number - 1];
    const frames = this.scene.view.frames;
    const [a, b] = [frames[number - 1], frames[number]].map((frame) => padded(frame, layer.space));
    const unit: Unit = { layer, stages: [], first: a.matrix, second: b.matrix, centers: [a.center, b.center] };
    let y = this.#rows(number - 1);
    let before: Chord | undefined;
    for (const stage of layer.stages) {
      let cached: Cached;
      if (stage.kind === "linear") {
        cached = { kind: "turn", stage, rows: y };
        y = this.#apply(turned(identity(layer.space), stage, 1, layer.space), layer.space, y);
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
    const { count } = this.scene;
    const { space, rows } = layer;
    if (stage.kind === "straight") {
      const term = layer.terms[0];
      const bare = { ...layer, terms: [term], bias: new Float64Array(rows) };
      return widened(this.#before(bare), space, count);
    }
    const found = widened(y, space, count);
    if (stage.kind === "translate") {
      for (let n = 0; n < count; n++) for (let i = 0; i < rows; i++) found.data[n * space + i] += layer.bias[i];
    } else if (stage.kind === "activation" && layer.activation.name === "max_pool") {
      const out = new Float64Array(count * space);
      for (let n = 0; n < count; n++) activate(layer.activation, found.data, n * space, rows, out, n * space);
      return { data: out, width: space };
    } else if (stage.kind === "activation") {
      for (let n = 0; n < count; n++) {
        activate(layer.activation, found.data, n * space, rows, found.data, n * space);
      }
    } else {
      return this.#run(layer.activation as Field, found, 0, 1);
    }
    return found;
  }

  #along(program: Program, stage: Line, share: number, space: number): Rows {
    const { count } = this.scene;
    const target = program.layers[stage.of - 1];
    const end = stage.target === "output" ? this.#rows(stage.of) : this.#before(target);
    const found = widened(this.#rows(stage.start), space, count);
    const goal = widened(end, space, count);
    for (let i = 0; i < found.data.length; i++) found.data[i] = (1 - share) * found.data[i] + share * goal.data[i];
    return found;
  }

  #apply(matrix: Float64Array, space: number, y: Rows): Rows {
    const { count } = this.scene;
    const data = new Float64Array(count * space);
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < space; i++) {
        let total = 0;
        for (let j = 0; j < y.width; j++) total += matrix[i * space + j] * y.data[n * y.width + j];
        data[n * space + i] = total;
      }
    }
    return { data, width: space };
  }

  #checkpoints(field: Field, y: Rows, space: number, every: number): Rows[] {
    const found = [widened(y, space, this.scene.count)];
    for (let step = every; step < field.steps; step += every) {
      found.push(this.#run(field, found[found.length - 1], step - every, step / field.steps));
    }
    return found;
  }

  #run(field: Field, y: Rows, step: number, s: number): Rows {
    const data = Float64Array.from(y.data);
    for (let i = 0; i < data.length; i += y.width) {
      follow(field, data.subarray(i, i + y.width), s, step / field.steps);
    }
    return { data, width: y.width };
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
    if (same(unit.first, unit.second)) return [first, first];
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

function oneStep(layer: ProgramLayer): boolean {
  return layer.activation.name === "vector_field" && layer.activation.oneStep;
}

function drawChord(
  chord: Chord, share: number, s: number, shift: Float64Array, out: Float32Array, count: number,
): void {
  const [a0, b0] = chord.start;
  const [a1, b1] = chord.end;
  if (a0 === b0 && a1 === b1) {
    for (let i = 0, n = 3 * count; i < n; i += 3) {
      out[i] = (1 - s) * a0[i] + s * a1[i] + shift[0];
      out[i + 1] = (1 - s) * a0[i + 1] + s * a1[i + 1] + shift[1];
      out[i + 2] = (1 - s) * a0[i + 2] + s * a1[i + 2] + shift[2];
    }
    return;
  }
  const [p, q, u, v] = [(1 - share) * (1 - s), share * (1 - s), (1 - share) * s, share * s];
  for (let i = 0, n = 3 * count; i < n; i += 3) {
    out[i] = p * a0[i] + q * b0[i] + u * a1[i] + v * b1[i] + shift[0];
    out[i + 1] = p * a0[i + 1] + q * b0[i + 1] + u * a1[i + 1] + v * b1[i + 1] + shift[1];
    out[i + 2] = p * a0[i + 2] + q * b0[i + 2] + u * a1[i + 2] + v * b1[i + 2] + shift[2];
  }
}

/** out = matrix (3 x space) times the rows, plus a shift; rows narrower than the space are padded with zeros. */
function project(
  matrix: Float64Array, space: number, rows: Rows, shift: Float64Array, out: Float32Array | Float64Array, count: number,
): void {
  const { data, width } = rows;
  const [cx, cy, cz] = shift;
  if (width === 2) {
    const [m0, m1, m2, m3, m4, m5] = [0, 1, space, space + 1, 2 * space, 2 * space + 1].map((i) => matrix[i]);
    for (let n = 0; n < count; n++) {
      const x = data[2 * n];
      const y = data[2 * n + 1];
      out[3 * n] = m0 * x + m1 * y + cx;
      out[3 * n + 1] = m2 * x + m3 * y + cy;
      out[3 * n + 2] = m4 * x + m5 * y + cz;
    }
    return;
  }
  for (let n = 0, at = 0; n < count; n++) {
    let x = cx;
    let y = cy;
    let z = cz;
    for (let j = 0; j < width; j++, at++) {
      const h = data[at];
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

/** The rows x columns corner of the end of a layer's linear stage. */
function corner(layer: ProgramLayer, rows: number, columns: number): Float64Array {
  const stage = layer.stages.find((entry) => entry.kind === "linear") as Turn;
  const whole = turned(identity(layer.space), stage, 1, layer.space);
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[i * columns + j] = whole[i * layer.space + j];
  }
  return out;
}

function identity(size: number): Float64Array {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) out[i * size + i] = 1;
  return out;
}

function widened(y: Rows, space: number, count: number): Rows {
  const data = new Float64Array(count * space);
  for (let n = 0; n < count; n++) {
    for (let j = 0; j < Math.min(y.width, space); j++) data[n * space + j] = y.data[n * y.width + j];
  }
  return { data, width: space };
}

function padded(frame: ViewFrame, space: number): { matrix: Float64Array; center: Float64Array } {
  const width = frame.center.length;
  const matrix = new Float64Array(3 * space);
  const center = new Float64Array(space);
  for (let j = 0; j < Math.min(width, space); j++) {
    center[j] = frame.center[j];
    for (let row = 0; row < 3; row++) matrix[row * space + j] = frame.matrix[row * width + j];
  }
  return { matrix, center };
}

function between(a: Float64Array, b: Float64Array, share: number): Float64Array {
  return a.map((value, i) => (1 - share) * value + share * b[i]);
}

function same(a: Float64Array, b: Float64Array): boolean {
  return a.every((value, i) => value === b[i]);
}

function mix(a: Float32Array, b: Float32Array, share: number, out: Float32Array, count: number): void {
  for (let i = 0; i < 3 * count; i++) out[i] = (1 - share) * a[i] + share * b[i];
}
