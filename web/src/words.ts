// Words about points and verdicts.

import { number } from "./dom.ts";
import type { Primitive, Scene } from "./scene.ts";

/** Whether a verdict promises that nothing is lost, says that something is, or neither. */
export function tone(verdict: string): "kept" | "lost" | "open" {
  if (/collaps|fold|singular|not inject|overlap/i.test(verdict)) return "lost";
  if (/^(ambient )?isotopy|^embedding|^homeomorph|^diffeomorph/i.test(verdict)) return "kept";
  return "open";
}

export interface PointFacts {
  title: string; // the class
  classIndex: number;
  rows: [string, string][];
}

/** What there is to say of item `i` of a data primitive. */
export function pointFacts(scene: Scene, entry: Primitive, i: number, unit: number): PointFacts {
  const vertex = entry.indices[i];
  const classIndex = entry.classes ? entry.classes[i] : -1;
  const shown = Array.from(scene.vertices.subarray(vertex * scene.input, (vertex + 1) * scene.input));
  const coordinates = shown.slice(0, 4).map((value) => number(value)).join(", ") + (shown.length > 4 ? ", …" : "");
  const rows: [string, string][] = [["input", scene.input === 1 ? coordinates : `(${coordinates})`]];
  if (entry.rankOf) rows.push([`rank, layer ${unit}`, String(entry.rankOf[i * scene.layers.length + unit - 1])]);
  if (entry.codewords && scene.bits[unit - 1] > 0) {
    rows.push([`codeword, layer ${unit}`, codeword(scene, entry.codewords, i, unit)]);
  }
  if (scene.logit) rows.push(["logit", number(scene.logit[vertex])]);
  if (scene.predicted) {
    const guess = scene.predicted[vertex];
    rows.push(["predicted", scene.classes[guess] ?? String(guess)]);
  }
  const title = classIndex < 0 ? "Point" : (scene.classes[classIndex] ?? `Class ${classIndex}`);
  return { title, classIndex, rows };
}

/** The bits of one layer; they are packed one layer after the other, the lowest bit first. */
export function codeword(scene: Scene, packed: Uint8Array, i: number, unit: number): string {
  const bytes = packed.length / Math.max(scene.primitives.find((entry) => entry.codewords === packed)?.count ?? 1, 1);
  const first = scene.bits.slice(0, unit - 1).reduce((sum, n) => sum + n, 0);
  const count = scene.bits[unit - 1] ?? 0;
  let out = "";
  for (let bit = first; bit < first + Math.min(count, 24); bit++) {
    out += (packed[i * bytes + (bit >> 3)] >> (bit & 7)) & 1;
    if ((bit - first) % 4 === 3 && bit + 1 < first + count) out += "\u2009";
  }
  return count > 24 ? `${out}…` : out;
}
