import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { packed } from "../pack.mjs";
import { unpacked } from "../src/unpack.ts";

const sources = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
const source = (name: string) => readFileSync(join(sources, name), "utf8").replaceAll("\n", " ");

for (const text of ["", "abc", "abcabcabcabcabcabcabc", "xyxyxyxyxyxyxyxyxyxyxyx".repeat(9), source("style.css"), source("shaders.glsl")]) {
  test(`${text.slice(0, 12)}... is the same after packing`, () => {
    assert.equal(unpacked(packed(text)), text);
    assert.ok(packed(text).length <= text.length);
  });
}
