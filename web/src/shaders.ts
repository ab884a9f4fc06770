// The shaders as the compiler wants them.

import source from "./shaders.glsl";

const parts = new Map(source.split("@").slice(1).map((part) => {
  const name = part.split(/\s/, 1)[0];
  return [name, part.slice(name.length)] as const;
}));

/** Vertex and fragment shader of the program for one kind of mark. */
export function shaders(kind: "points" | "segments" | "triangles"): [string, string] {
  const [vertex, fragment] = (["vertex", "fragment"] as const).map(
    (stage) => `#version 300 es\nprecision highp float;${parts.get(stage)}${parts.get(`${kind}.${stage}`)}`,
  );
  return [vertex, fragment];
}
