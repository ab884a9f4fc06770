// The WebGL2 renderer. Positions live in one texture; everything drawn refers to vertices by number, so a frame uploads
// one array and nothing else.

import { shaders } from "./shaders.ts";
import { classColor, stretchRamp } from "./palette.ts";
import type { Color } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { HAZE, colorsOf, opacity, tintOf } from "./marks.ts";
import type { Mark, Picture, Renderer } from "./marks.ts";

const SIDE = 1024; // of the texture of positions

interface Program {
  program: WebGLProgram;
  uniform: (name: string) => WebGLUniformLocation | null;
  attribute: (name: string) => number;
}

interface Drawn {
  mark: Mark;
  array: WebGLVertexArrayObject;
  fill: WebGLBuffer;
  edge: WebGLBuffer | null;
  copies: number; // of the color of an item: one for each of its vertices
  count: number; // of vertices or indices
}

/** null where the browser has no WebGL2. */
export function webglRenderer(canvas: HTMLCanvasElement, scene: Scene, marks: Mark[], vertices: number, smooth: boolean): Renderer | null {
  const gl = canvas.getContext("webgl2", { antialias: smooth && scene.view.dimension === 3 });
  return gl && !gl.isContextLost() ? rendererOn(gl, canvas, scene, marks, vertices) : null;
}

function rendererOn(gl: WebGL2RenderingContext, canvas: HTMLCanvasElement, scene: Scene, marks: Mark[], vertices: number): Renderer {
  const solid = scene.view.dimension === 3;
  const programs = { points: compiled(gl, "points"), segments: compiled(gl, "segments"), triangles: compiled(gl, "triangles") };
  const rows = Math.max(1, Math.ceil(vertices / SIDE));
  const staging = new Float32Array(3 * SIDE * rows);
  const positions = texture();
  const scalars = texture();
  const drawn = marks.filter((mark) => mark.count > 0).map(buffers);
  let scalarsReady = false;
  let paintedKey = "";
  let dots = 1; // of the screen in a CSS pixel
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return { name: "webgl2", note: "", canvas, resize, draw };

  function resize(width: number, height: number, ratio: number): void {
    dots = ratio;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
  }

  function draw(picture: Picture): void {
    if (gl.isContextLost()) return;
    if (picture.lookKey !== paintedKey) {
      for (const entry of drawn) paint(entry, picture);
      paintedKey = picture.lookKey;
    }
    upload(positions, picture.positions);
    if (picture.scalarsChanged || !scalarsReady) {
      upload(scalars, picture.scalars);
      scalarsReady = true;
    }
    const { width, height } = canvas;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, positions);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, scalars);
    if (solid) gl.enable(gl.DEPTH_TEST);
    else gl.disable(gl.DEPTH_TEST);
    // in 3-D what shines through is drawn after what does not
    const passes = solid ? [drawn.filter((d) => !through(d, picture)), drawn.filter((d) => through(d, picture))] : [drawn];
    for (const pass of passes) for (const entry of pass) drawOne(entry, picture);
    gl.bindVertexArray(null);
  }

  function drawOne(entry: Drawn, picture: Picture): void {
    const { mark } = entry;
    const { look } = picture;
    const alpha = opacity(mark, look, picture.t);
    if (alpha <= 0) return;
    const { program, uniform } = programs[mark.kind];
    const tint = tintOf(mark, look);
    gl.useProgram(program);
    const hard = solid && (mark.kind === "points" || mark.role === "data" || mark.lit);
    gl.depthMask(hard || (solid && alpha >= 1));
    gl.uniform1i(uniform("positions"), 0);
    gl.uniform1i(uniform("scalars"), 1);
    gl.uniform1i(uniform("tint"), tint === "stretch" ? 2 : tint === "none" ? 0 : scene.logit ? 1 : 3);
    gl.uniform1i(uniform("lit"), Number(mark.lit));
    gl.uniform1i(uniform("solid"), Number(hard));
    gl.uniformMatrix4fv(uniform("camera"), false, picture.projection.matrix);
    gl.uniform4fv(uniform("toEye"), picture.projection.depth);
    gl.uniform2f(uniform("size"), canvas.width, canvas.height);
    for (const [name, value] of [
      ["opacity", alpha], ["haze", solid ? HAZE : 0], ["radius", (mark.width / 2) * dots], ["limit", picture.stretchLimit],
    ] as const) gl.uniform1f(uniform(name), value);
    for (const [name, value] of [
      ["paper", unit(look.inks.paper)], ["ramp", stretchRamp(look.inks).flatMap(unit)], ["light", eyeLight(picture)],
      ["classes", Array.from({ length: 8 }, (_, i) => unit(classColor(i, look.inks))).flat()],
    ] as const) gl.uniform3fv(uniform(name), value);
    gl.bindVertexArray(entry.array);
    if (mark.kind === "segments") gl.drawElements(gl.TRIANGLES, entry.count, gl.UNSIGNED_INT, 0);
    else gl.drawArrays(mark.kind === "points" ? gl.POINTS : gl.TRIANGLES, 0, entry.count);
  }

  function texture(): WebGLTexture {
    const found = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, found);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGB32F, SIDE, rows);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    }
    return found;
  }

  function upload(texture: WebGLTexture, data: Float32Array): void {
    staging.set(data);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, SIDE, rows, gl.RGB, gl.FLOAT, staging);
  }

  function buffers(mark: Mark): Drawn {
    const { attribute } = programs[mark.kind];
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const copies = mark.kind === "segments" ? 4 : mark.per;
    const ids = mark.kind === "segments" ? repeatedPairs(mark.ids) : mark.ids;
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, ids, gl.STATIC_DRAW);
    const at = attribute(mark.kind === "segments" ? "ends" : "id");
    gl.enableVertexAttribArray(at);
    gl.vertexAttribIPointer(at, mark.kind === "segments" ? 2 : 1, gl.UNSIGNED_INT, 0, 0);
    if (mark.kind === "segments") {
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, quads(mark.count), gl.STATIC_DRAW);
    }
    const color = (name: string): WebGLBuffer => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, 4 * copies * mark.count, gl.DYNAMIC_DRAW);
      const place = attribute(name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, true, 0, 0);
      return buffer;
    };
    const fill = color("fill");
    const edge = mark.kind === "points" ? color("edge") : null;
    gl.bindVertexArray(null);
    const count = mark.kind === "segments" ? 6 * mark.count : mark.per * mark.count;
    return { mark, array, fill, edge, copies, count };
  }

  function paint(entry: Drawn, picture: Picture): void {
    const { fill, edge } = colorsOf(entry.mark, picture.look);
    gl.bindBuffer(gl.ARRAY_BUFFER, entry.fill);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, repeated(fill, entry.copies));
    if (entry.edge) {
      gl.bindBuffer(gl.ARRAY_BUFFER, entry.edge);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, edge);
    }
  }
}

function through(entry: Drawn, picture: Picture): boolean {
  return entry.mark.kind === "triangles" && opacity(entry.mark, picture.look, picture.t) < 1;
}

/** Light from the eye, a little from above; the shader makes it as long as it must be. */
function eyeLight({ projection: { depth, matrix, radius, scale, height } }: Picture): number[] {
  const up = (0.45 * height) / (2 * scale * radius);
  return [0, 1, 2].map((i) => depth[i] + up * matrix[4 * i + 1]);
}

function unit(color: Color): number[] {
  return color.map((v) => v / 255);
}

function repeated(colors: Uint8Array, copies: number): Uint8Array {
  if (copies === 1) return colors;
  const from = new Uint32Array(colors.buffer);
  const out = new Uint32Array(from.length * copies);
  for (let i = 0; i < from.length; i++) out.fill(from[i], i * copies, (i + 1) * copies);
  return new Uint8Array(out.buffer);
}

function repeatedPairs(ids: Uint32Array): Uint32Array {
  const out = new Uint32Array(4 * ids.length);
  for (let i = 0; i < ids.length; i += 2) {
    for (let corner = 0; corner < 4; corner++) out.set([ids[i], ids[i + 1]], 4 * i + 2 * corner);
  }
  return out;
}

function quads(count: number): Uint32Array {
  const out = new Uint32Array(6 * count);
  for (let i = 0; i < count; i++) out.set([0, 1, 2, 2, 1, 3].map((corner) => 4 * i + corner), 6 * i);
  return out;
}

function compiled(gl: WebGL2RenderingContext, kind: Mark["kind"]): Program {
  const program = gl.createProgram();
  shaders(kind).forEach((text, i) => {
    const shader = gl.createShader(i ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
    if (!shader) throw new Error("the graphics context is lost");
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  });
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(program)?.map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`${gl.getProgramInfoLog(program)} ${logs}`);
  }
  const places = new Map<string, WebGLUniformLocation | null>();
  return {
    program,
    uniform(name) {
      if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
      return places.get(name) ?? null;
    },
    attribute: (name) => gl.getAttribLocation(program, name),
  };
}
