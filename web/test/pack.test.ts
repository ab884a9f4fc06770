import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packed } from "../pack.mjs";
import { unpacked } from "../src/unpack.ts";

const source = (name: string) => readFileSync(join(import.meta.dirname, "..", "src", name), "utf8").replaceAll("\n", " ");

for (const text of ["", "abc", "abcabcabcabcabcabcabc", "xyxyxyxyxyxyxyxyxyxyxyx".repeat(9), source("style.css"), source("shaders.glsl")]) {
  test(`${text.slice(0, 12)}... is the same after packing`, () => {
    assert.equal(unpacked(packed(text)), text);
    assert.ok(packed(text).length <= text.length);
  });
}
