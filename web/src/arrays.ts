// Arrays of the scene format: {dtype, shape, data: base64 of little-endian C-order bytes}.

export type Numbers =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export interface Tensor {
  readonly data: Numbers;
  readonly shape: readonly number[];
}

/** A scene that cannot be read; the message says what is wrong and where. */
export class SceneError extends Error {
  override name = "SceneError";
}

export function fail(where: string, what: string): never {
  throw new SceneError(`${where} ${what}`);
}

export type Fields = Record<string, unknown>;

export function fields(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(where, "must be an object.");
  return value as Fields;
}

export function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) fail(where, "must be a list.");
  return value;
}

export function text(value: unknown, where: string): string {
  if (typeof value !== "string") fail(where, `must be a text; got ${JSON.stringify(value)}.`);
  return value;
}

export function real(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) fail(where, `must be a number; got ${JSON.stringify(value)}.`);
  return value;
}

export function whole(value: unknown, where: string, low: number, high = 2 ** 31 - 1): number {
  const found = real(value, where);
  if (!Number.isInteger(found) || found < low || found > high) {
    fail(where, `must be a whole number from ${low} to ${high}; got ${found}.`);
  }
  return found;
}

export function choice<T extends string>(value: unknown, where: string, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) fail(where, `must be one of ${allowed.join(", ")}; got ${JSON.stringify(value)}.`);
  return value as T;
}

const SIZES: Record<string, number> = {
  float64: 8, float32: 4, float16: 2, int32: 4, int8: 1, uint8: 1, uint16: 2,
};

/** Decode an array; `shape` gives what each axis must be, -1 for anything. */
export function tensor(value: unknown, where: string, shape: readonly number[]): Tensor {
  const entries = fields(value, where);
  const dtype = text(entries.dtype, `${where}.dtype`);
  const size = SIZES[dtype];
  if (size === undefined) fail(`${where}.dtype`, `must be one of ${Object.keys(SIZES).join(", ")}; got "${dtype}".`);
  const found = list(entries.shape, `${where}.shape`).map((n) => whole(n, `${where}.shape`, 0));
  if (found.length !== shape.length || shape.some((n, axis) => n >= 0 && n !== found[axis])) {
    const wanted = shape.map((n) => (n < 0 ? "any" : n)).join(", ");
    fail(where, `must have shape (${wanted}); got (${found.join(", ")}).`);
  }
  const bytes = decoded(text(entries.data, `${where}.data`), where);
  const count = found.reduce((product, n) => product * n, 1);
  if (bytes.length !== count * size) {
    fail(where, `must hold ${count} numbers of ${size} bytes; got ${bytes.length} bytes.`);
  }
  return { data: numbers(bytes, dtype, where), shape: found };
}

/** The same, as float64 numbers that may be written to. */
export function reals(value: unknown, where: string, shape: readonly number[]): Float64Array {
  return Float64Array.from(tensor(value, where, shape).data);
}

function decoded(base64: string, where: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(base64);
  } catch {
    return fail(`${where}.data`, "is not base64.");
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function numbers(bytes: Uint8Array, dtype: string, where: string): Numbers {
  const buffer = bytes.buffer as ArrayBuffer;
  if (dtype === "int8") return new Int8Array(buffer);
  if (dtype === "uint8") return bytes;
  const view = new DataView(buffer);
  if (dtype === "int32") return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
  if (dtype === "uint16") return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
  const found =
    dtype === "float64" ? new Float64Array(bytes.length / 8) : new Float32Array(bytes.length / SIZES[dtype]);
  for (let i = 0; i < found.length; i++) {
    if (dtype === "float64") found[i] = view.getFloat64(8 * i, true);
    else if (dtype === "float32") found[i] = view.getFloat32(4 * i, true);
    else found[i] = half(view.getUint16(2 * i, true));
    if (!Number.isFinite(found[i])) fail(where, `must be finite; number ${i} is ${found[i]}.`);
  }
  return found;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}
