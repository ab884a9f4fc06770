// Activation functions and vector fields, in float64.

import type { Activation, Field } from "./program.ts";

/** The activation of numbers [from, from + rows) of `z`, written to `out` from `to` on. */
export function activate(
  activation: Activation, z: Float64Array, from: number, rows: number, out: Float64Array, to: number,
): void {
  if (activation.name === "max_pool") {
    const { windows, window } = activation;
    for (let i = 0; i < windows.length / window; i++) {
      let best = -Infinity;
      for (let j = 0; j < window; j++) {
        const at = windows[i * window + j];
        if (at >= 0) best = Math.max(best, z[from + at]);
      }
      out[to + i] = best;
    }
  } else if (activation.name === "vector_field") {
    const y = z.slice(from, from + rows);
    flow(activation, y, 1);
    out.set(y, to);
  } else {
    const f = pointwise(activation);
    for (let i = 0; i < rows; i++) out[to + i] = f(z[from + i]);
  }
}

export function pointwise(activation: Activation): (z: number) => number {
  switch (activation.name) {
    case "affine":
      return (z) => z;
    case "relu":
      return (z) => (z > 0 ? z : 0);
    case "leaky_relu": {
      const { slope } = activation;
      return (z) => (z > 0 ? z : slope * z);
    }
    case "tanh":
      return Math.tanh;
    case "sigmoid":
      return (z) => 1 / (1 + Math.exp(-z));
    case "silu":
      return (z) => z / (1 + Math.exp(-z));
    case "softplus": {
      const { beta, threshold } = activation;
      return (z) => (beta * z > threshold ? z : Math.log1p(Math.exp(beta * z)) / beta);
    }
    case "gelu":
      return activation.approximate === "tanh"
        ? (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)))
        : (z) => 0.5 * z * erfc(-z * Math.SQRT1_2);
    default:
      throw new Error(`${activation.name} is not pointwise`);
  }
}

/** The complementary error function to about 15 digits. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  const gauss = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; term > 1e-17 * total; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return 1 - 2 * gauss * total;
  }
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return gauss / fraction;
}

/** F(y) = sum_i v_i f_i(y) / (1 + sum_i f_i(y)), f_i a Gaussian around center i. */
export function velocity(field: Field, y: Float64Array, out: Float64Array): void {
  const { centers, vectors, widths } = field;
  const d = y.length;
  let bottom = 1;
  out.fill(0);
  for (let i = 0; i < widths.length; i++) {
    let square = 0;
    for (let k = 0; k < d; k++) square += (y[k] - centers[i * d + k]) ** 2;
    const f = Math.exp(-square / (2 * widths[i] * widths[i]));
    bottom += f;
    for (let k = 0; k < d; k++) out[k] += f * vectors[i * d + k];
  }
  for (let k = 0; k < d; k++) out[k] /= bottom;
}

/** Move `y` from time `start` to time `s` of its unit: whole Runge-Kutta steps, then a shorter one. */
export function flow(field: Field, y: Float64Array, s: number, start = 0): void {
  const d = y.length;
  if (field.oneStep) {
    const v = new Float64Array(d);
    velocity(field, y, v);
    for (let k = 0; k < d; k++) y[k] += s * v[k];
    return;
  }
  const whole = Math.floor(s * field.steps + 1e-12);
  for (let step = Math.round(start * field.steps); step < whole; step++) rungeKutta(field, y, 1 / field.steps);
  const rest = s - whole / field.steps;
  if (rest > 1e-15) rungeKutta(field, y, rest);
}

// Reused from step to step: thousands of vertices take thousands of steps in one frame.
let slopes: Float64Array[] = [];

function rungeKutta(field: Field, y: Float64Array, h: number): void {
  const d = y.length;
  if (slopes[0]?.length !== d) slopes = [0, 1, 2, 3, 4].map(() => new Float64Array(d));
  const [k1, k2, k3, k4, z] = slopes;
  velocity(field, y, k1);
  for (let i = 0; i < d; i++) z[i] = y[i] + (h / 2) * k1[i];
  velocity(field, z, k2);
  for (let i = 0; i < d; i++) z[i] = y[i] + (h / 2) * k2[i];
  velocity(field, z, k3);
  for (let i = 0; i < d; i++) z[i] = y[i] + h * k3[i];
  velocity(field, z, k4);
  for (let i = 0; i < d; i++) y[i] += (h / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}
