// The golden files, written by the slow evaluator in Python.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Reader } from "../src/arrays.ts";
import type { Fields } from "../src/arrays.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "tests", "see", "golden");

export interface Golden {
  name: string;
  scene: Fields;
  t: number[];
  positions: Float64Array; // times x vertices x 3
}

export const names = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -5))
  .sort();

export function golden(name: string): Golden {
  const found = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  return { name, scene: found.scene, t: found.t, positions: new Reader(found, "golden").reals("positions", [found.t.length, -1, 3]) };
}
