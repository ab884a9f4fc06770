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

const TYPES = {
  "float64": Float64Array, "float32": Float32Array, "float16": Uint16Array, "int32": Int32Array, "int8": Int8Array,
  "uint8": Uint8Array, "uint16": Uint16Array,
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
  list<T>(key: string, read: (item: Reader, index: number, count: number) => T, optional = false): T[] {
    const value = this.#entries[key] ?? (optional ? [] : undefined);
    if (!Array.isArray(value)) this.#fail(key, "a list", value);
    const path = [this.path, key].filter(Boolean).join(".");
    return value.map((entry, i) => read(new Reader({ "": entry }, `${path}[${i}]`), i, value.length));
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
    if (value % 1 !== 0 || value < low || value > high) {
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
    const dtype = array.choice("dtype", Object.keys(TYPES) as (keyof typeof TYPES)[]);
    const found = array.list("shape", (axis) => axis.whole("", 0));
    if (found.length !== shape.length || shape.some((n, axis) => n >= 0 && n !== found[axis])) {
      const wanted = shape.map((n) => (n < 0 ? "any" : n)).join(", ");
      this.wrong(key, `must have shape (${wanted}); got (${found.join(", ")})`);
    }
    const count = found.reduce((product, n) => product * n, 1);
    const size = TYPES[dtype].BYTES_PER_ELEMENT;
    const bytes = decoded(array, count);
    if (bytes.length !== count * size) {
      this.wrong(key, `must hold ${count} numbers of ${size} bytes; got ${bytes.length} bytes`);
    }
    // browsers are little-endian, as the format is
    const raw = new TYPES[dtype](bytes.buffer as ArrayBuffer);
    const data = dtype === "float16" ? Float32Array.from(raw, half) : raw;
    const bad = data.findIndex((value) => !Number.isFinite(value));
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

function decoded(array: Reader, count: number): Uint8Array {
  const text = array.text("data");
  let bytes: Uint8Array;
  try {
    bytes = bytesOf(text);
  } catch {
    return array.wrong("data", "is not base64");
  }
  if (!array.has("packed")) return bytes;
  array.choice("packed", ["deflate"]);
  const found = unpacked.get(text);
  if (!found) return array.wrong("data", "is damaged: it cannot be unpacked");
  // the first byte of all numbers, then the second, ...
  const size = found.length / count;
  return found.map((_, i) => found[(i % size) * count + Math.floor(i / size)]);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

const unpacked = new Map<string, Uint8Array>();

/** Unpack all packed arrays of a scene; browsers do it in a stream, so it comes before the reading. */
export async function unpack(value: unknown): Promise<void> {
  if (typeof value !== "object" || value === null) return;
  const { "packed": packed, "data": data } = value as Fields;
  if (packed === undefined || typeof data !== "string") {
    await Promise.all(Object.values(value).map(unpack));
    return;
  }
  try {
    const stream = new Blob([bytesOf(data)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    unpacked.set(data, new Uint8Array(await new Response(stream).arrayBuffer()));
  } catch {
    // the reading will say which array it is
  }
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
