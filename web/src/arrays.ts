// Reading scenes: every value is asked for by its key, so that an error can say where it is.

export type Numbers = Float64Array | Float32Array | Int32Array | Int8Array | Uint8Array | Uint16Array | Uint32Array;

export interface Tensor {
  readonly data: Numbers;
  readonly shape: readonly number[];
}

/** A scene that cannot be read; the message says what is wrong and where. */
export class SceneError extends Error {
  override name = "SceneError";
}

export type Fields = Record<string, unknown>;

const SIZES: Record<string, number> = {
  float64: 8, float32: 4, float16: 2, int32: 4, int8: 1, uint8: 1, uint16: 2,
};

/** An object of the scene, with the path to it. */
export class Reader {
  readonly path: string;
  readonly #entries: Fields;

  constructor(value: unknown, path: string) {
    this.path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#fail("", "an object", value);
    this.#entries = value as Fields;
  }

  /** Say what is wrong with this object or with what it holds under `key`. */
  wrong(key: string, what: string): never {
    const where = [this.path, key].filter(Boolean).join(".");
    throw new SceneError(`${where} ${what}.`);
  }

  #fail(key: string, wanted: string, got: unknown): never {
    this.wrong(key, `must be ${wanted}; got ${JSON.stringify(got)?.slice(0, 60)}`);
  }

  has(key: string): boolean {
    return this.#entries[key] !== undefined && this.#entries[key] !== null;
  }

  object(key: string): Reader {
    return new Reader(this.#entries[key] ?? {}, [this.path, key].filter(Boolean).join("."));
  }

  /** The entries of a list, one after the other; a list that may be left out is empty. */
  list<T>(key: string, read: (item: Reader, index: number) => T, optional = false): T[] {
    const value = this.#entries[key] ?? (optional ? [] : undefined);
    if (!Array.isArray(value)) this.#fail(key, "a list", value);
    const path = [this.path, key].filter(Boolean).join(".");
    return value.map((entry, i) => read(new Reader({ "": entry }, `${path}[${i}]`), i));
  }

  /** An entry of a list as an object. */
  get inner(): Reader {
    return new Reader(this.#entries[""], this.path);
  }

  text(key = "", otherwise?: string): string {
    const value = this.#entries[key] ?? otherwise;
    return typeof value === "string" ? value : this.#fail(key, "a text", value);
  }

  real(key = "", otherwise?: number): number {
    const value = this.#entries[key] ?? otherwise;
    return typeof value === "number" && Number.isFinite(value) ? value : this.#fail(key, "a number", value);
  }

  whole(key: string, low: number, high = 2 ** 31 - 1): number {
    const value = this.real(key);
    if (!Number.isInteger(value) || value < low || value > high) {
      this.#fail(key, `a whole number from ${low} to ${high}`, value);
    }
    return value;
  }

  is(key: string): boolean {
    return this.#entries[key] === true;
  }

  choice<T extends string>(key: string, allowed: readonly T[]): T {
    const value = this.#entries[key] as T;
    return allowed.includes(value) ? value : this.#fail(key, `one of ${allowed.join(", ")}`, value);
  }

  /** An array; `shape` gives what each axis must be, -1 for anything. */
  tensor(key: string, shape: readonly number[]): Tensor {
    const array = this.object(key);
    if (array.has("lattice")) return lattice(array, shape[1]);
    const dtype = array.choice("dtype", Object.keys(SIZES));
    const found = array.list("shape", (axis) => axis.whole("", 0));
    if (found.length !== shape.length || shape.some((n, axis) => n >= 0 && n !== found[axis])) {
      const wanted = shape.map((n) => (n < 0 ? "any" : n)).join(", ");
      this.wrong(key, `must have shape (${wanted}); got (${found.join(", ")})`);
    }
    const count = found.reduce((product, n) => product * n, 1);
    const size = SIZES[dtype];
    const bytes = decoded(array, count, size);
    if (bytes.length !== count * size) {
      this.wrong(key, `must hold ${count} numbers of ${size} bytes; got ${bytes.length} bytes`);
    }
    const data = numbers(bytes, dtype);
    const bad = dtype.startsWith("float") ? data.findIndex((value) => !Number.isFinite(value)) : -1;
    if (bad >= 0) this.wrong(key, `must be finite; number ${bad} is ${data[bad]}`);
    return { data, shape: found };
  }

  /** The same, as float64 numbers. */
  reals(key: string, shape: readonly number[]): Float64Array {
    return Float64Array.from(this.tensor(key, shape).data);
  }

  /** The same where it may be left out. */
  optional<T>(key: string, shape: readonly number[], made: { from(data: ArrayLike<number>): T }): T | null {
    return this.has(key) ? made.from(this.tensor(key, shape).data) : null;
  }
}

function decoded(array: Reader, count: number, size: number): Uint8Array {
  const text = array.text("data");
  let bytes: Uint8Array;
  try {
    const binary = atob(text);
    bytes = Uint8Array.from({ length: binary.length }, (_, i) => binary.charCodeAt(i));
  } catch {
    return array.wrong("data", "is not base64");
  }
  if (!array.has("packed")) return bytes;
  array.choice("packed", ["deflate"]);
  try {
    bytes = inflated(bytes, count * size);
  } catch {
    return array.wrong("data", "is damaged: it cannot be unpacked");
  }
  // the first byte of all numbers, then the second, ...
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < count; i++) for (let k = 0; k < size; k++) out[i * size + k] = bytes[k * count + i];
  return out;
}

function numbers(bytes: Uint8Array, dtype: string): Numbers {
  if (dtype === "uint8") return bytes;
  const buffer = bytes.buffer as ArrayBuffer;
  if (dtype === "int8") return new Int8Array(buffer);
  const view = new DataView(buffer);
  const read: Record<string, (at: number) => number> = {
    float64: (at) => view.getFloat64(at, true),
    float32: (at) => view.getFloat32(at, true),
    float16: (at) => half(view.getUint16(at, true)),
    int32: (at) => view.getInt32(at, true),
    uint16: (at) => view.getUint16(at, true),
  };
  const size = SIZES[dtype];
  const out = dtype === "float64" ? new Float64Array(bytes.length / 8)
    : dtype === "int32" ? new Int32Array(bytes.length / 4)
    : dtype === "uint16" ? new Uint16Array(bytes.length / 2) : new Float32Array(bytes.length / size);
  for (let i = 0; i < out.length; i++) out[i] = read[dtype](size * i);
  return out;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 25) * (1024 + fraction) : sign * 2 ** -24 * fraction;
}

/** Indices that need no list: consecutive points, or the edges or triangles of a grid of rows and columns. */
function lattice(array: Reader, per: number | undefined): Tensor {
  const [first, rows, columns] = array.list("lattice", (item) => item.whole("", 0, 2 ** 24));
  if (!(rows * columns < 2 ** 26)) array.wrong("lattice", "must be three numbers: first, rows, columns");
  const out: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const at = first + r * columns + c;
      const [right, below] = [c + 1 < columns, r + 1 < rows];
      if (per === undefined) out.push(at);
      else if (per === 2) {
        if (right) out.push(at, at + 1);
        if (below) out.push(at, at + columns);
      } else if (right && below) out.push(at, at + 1, at + columns + 1, at, at + columns + 1, at + columns);
    }
  }
  return { data: Uint32Array.from(out), shape: per === undefined ? [out.length] : [out.length / per, per] };
}

/** Raw DEFLATE (RFC 1951) of data whose size is known. */
export function inflated(input: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  let bit = 0; // position in the input, in bits
  const bits = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, bit++) value |= ((input[bit >> 3] >> (bit & 7)) & 1) << i;
    if (bit > 8 * input.length) throw new Error("ends early");
    return value;
  };
  const symbol = (code: Code): number => {
    let [value, first, index] = [0, 0, 0];
    for (let length = 1; length < 16; length++) {
      value |= bits(1);
      const count = code.counts[length];
      if (value - count < first) return code.symbols[index + value - first];
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw new Error("no such code");
  };
  for (let last = 0; !last; ) {
    last = bits(1);
    const type = bits(2);
    if (type === 3) throw new Error("no such block");
    if (type === 0) {
      const start = ((bit + 7) >> 3) + 4;
      const length = input[start - 4] | (input[start - 3] << 8);
      out.set(input.subarray(start, start + length), at);
      at += length;
      bit = 8 * (start + length);
      continue;
    }
    const [literals, distances] = type === 1 ? [coded(FIXED), coded(new Array(30).fill(5))] : tables(bits, symbol);
    for (;;) {
      const found = symbol(literals);
      if (found === 256) break;
      if (found < 256) {
        if (at >= size) throw new Error("too long");
        out[at++] = found;
        continue;
      }
      const length = LENGTHS[found - 257] + bits(LENGTH_BITS[found - 257]);
      const far = symbol(distances);
      const distance = DISTANCES[far] + bits(far < 4 ? 0 : (far >> 1) - 1);
      if (distance > at || at + length > size) throw new Error("points outside");
      for (let i = 0; i < length; i++, at++) out[at] = out[at - distance];
    }
  }
  if (at !== size) throw new Error("too short");
  return out;
}

interface Code {
  counts: number[];
  symbols: number[];
}

function coded(lengths: number[]): Code {
  const counts = new Array<number>(16).fill(0);
  const symbols: number[] = [];
  for (let length = 1; length < 16; length++) {
    lengths.forEach((own, i) => {
      if (own !== length) return;
      counts[length]++;
      symbols.push(i);
    });
  }
  return { counts, symbols };
}

function tables(bits: (count: number) => number, symbol: (code: Code) => number): [Code, Code] {
  const [literals, distances, count] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
  const own = new Array<number>(19).fill(0);
  for (let i = 0; i < count; i++) own[ORDER[i]] = bits(3);
  const code = coded(own);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const found = symbol(code);
    if (found < 16) lengths.push(found);
    else {
      const value = found === 16 ? lengths[lengths.length - 1] : 0;
      const times = found === 16 ? 3 + bits(2) : found === 17 ? 3 + bits(3) : 11 + bits(7);
      for (let i = 0; i < times; i++) lengths.push(value);
    }
  }
  return [coded(lengths.slice(0, literals)), coded(lengths.slice(literals))];
}

const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const FIXED = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
const LENGTH_BITS = Array.from({ length: 29 }, (_, i) => (i < 8 || i === 28 ? 0 : (i >> 2) - 1));
const LENGTHS = LENGTH_BITS.map((_, i) => (i === 28 ? 258 : 3 + LENGTH_BITS.slice(0, i).reduce((sum, n) => sum + 2 ** n, 0)));
const DISTANCES = Array.from({ length: 30 }, (_, i) => (i < 4 ? i + 1 : 2 ** ((i >> 1) - 1) * (2 + (i & 1)) + 1));
