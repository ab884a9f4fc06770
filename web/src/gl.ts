// The WebGL2 renderer. Positions live in one texture; everything drawn refers to vertices by number, so a frame uploads
// one array and nothing else.

import { LINES, POINTS, TRIANGLES } from "./shaders.ts";
import { classColor, stretchRamp } from "./palette.ts";
import type { Color } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { colorsOf, marksOf, opacity, tintOf } from "./marks.ts";
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
export function webglRenderer(canvas: HTMLCanvasElement, scene: Scene, smooth: boolean): Renderer | null {
  const gl = canvas.getContext("webgl2", {
    alpha: true, antialias: smooth && scene.view.dimension === 3, powerPreference: "low-power",
  });
  return gl && !gl.isContextLost() ? new WebGLRenderer(gl, scene) : null;
}

class WebGLRenderer implements Renderer {
  readonly name = "webgl2";
  readonly note = "";
  readonly #gl: WebGL2RenderingContext;
  readonly #scene: Scene;
  readonly #programs: Record<"points" | "segments" | "triangles", Program>;
  readonly #drawn: Drawn[];
  readonly #positions: WebGLTexture;
  readonly #scalars: WebGLTexture;
  readonly #rows: number;
  readonly #staging: Float32Array;
  #scalarsReady = false;
  #lookKey = "";
  #ratio = 1;

  constructor(gl: WebGL2RenderingContext, scene: Scene) {
    this.#gl = gl;
    this.#scene = scene;
    this.#programs = {
      points: compiled(gl, POINTS), segments: compiled(gl, LINES), triangles: compiled(gl, TRIANGLES),
    };
    const total = scene.count + scene.stills.reduce((sum, still) => sum + still.count, 0);
    this.#rows = Math.max(1, Math.ceil(total / SIDE));
    this.#staging = new Float32Array(3 * SIDE * this.#rows);
    this.#positions = this.#texture();
    this.#scalars = this.#texture();
    this.#drawn = marksOf(scene).filter((mark) => mark.count > 0).map((mark) => this.#buffers(mark));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  resize(width: number, height: number, ratio: number): void {
    const { canvas } = this.#gl;
    this.#ratio = ratio;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
  }

  draw(picture: Picture): void {
    const gl = this.#gl;
    if (gl.isContextLost()) return;
    if (picture.lookKey !== this.#lookKey) {
      for (const entry of this.#drawn) this.#paint(entry, picture);
      this.#lookKey = picture.lookKey;
    }
    this.#upload(this.#positions, picture.positions);
    if (picture.scalarsChanged || !this.#scalarsReady) {
      this.#upload(this.#scalars, picture.scalars);
      this.#scalarsReady = true;
    }
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#positions);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.#scalars);
    const solid = this.#scene.view.dimension === 3;
    if (solid) gl.enable(gl.DEPTH_TEST);
    else gl.disable(gl.DEPTH_TEST);
    // in 3-D what shines through is drawn after what does not
    const passes = solid ? [this.#drawn.filter((d) => !through(d, picture)), this.#drawn.filter((d) => through(d, picture))] : [this.#drawn];
    for (const pass of passes) for (const entry of pass) this.#drawOne(entry, picture, solid);
    gl.bindVertexArray(null);
  }

  dispose(): void {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #drawOne(entry: Drawn, picture: Picture, solid: boolean): void {
    const gl = this.#gl;
    const { mark } = entry;
    const { look } = picture;
    let alpha = opacity(mark, look, picture.t);
    if (alpha <= 0) return;
    const { program, uniform } = this.#programs[mark.kind];
    const tint = tintOf(mark, look);
    if (tint === "sides") alpha = look.inks.tint;
    else if (tint === "stretch" && mark.kind === "triangles" && mark.role === "grid") alpha = 0.72;
    gl.useProgram(program);
    gl.uniform1i(uniform("positions"), 0);
    gl.uniform1i(uniform("scalars"), 1);
    gl.uniformMatrix4fv(uniform("camera"), false, picture.projection.matrix);
    gl.uniform4fv(uniform("toEye"), picture.projection.depth);
    gl.uniform2f(uniform("size"), gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform3fv(uniform("paper"), unit(look.inks.paper));
    gl.uniform1f(uniform("opacity"), alpha);
    gl.uniform1f(uniform("haze"), solid ? 0.55 : 0);
    gl.uniform1f(uniform("radius"), (mark.width / 2) * this.#ratio);
    gl.uniform3fv(uniform("ramp"), stretchRamp(look.inks).flatMap(unit));
    gl.uniform1f(uniform("limit"), picture.stretchLimit);
    const hard = solid && (mark.kind === "points" || mark.role === "data" || mark.lit);
    gl.depthMask(hard || (solid && alpha >= 1));
    gl.uniform1i(uniform("solid"), hard ? 1 : 0);
    gl.bindVertexArray(entry.array);
    if (mark.kind === "points") gl.drawArrays(gl.POINTS, 0, entry.count);
    else if (mark.kind === "segments") {
      gl.uniform1i(uniform("stretched"), tint === "stretch" ? 1 : 0);
      gl.drawElements(gl.TRIANGLES, entry.count, gl.UNSIGNED_INT, 0);
    } else {
      const kind = tint === "stretch" ? 2 : tint === "none" ? 0 : this.#scene.logit ? 1 : 3;
      gl.uniform1i(uniform("tint"), kind);
      gl.uniform1i(uniform("lit"), mark.lit ? 1 : 0);
      gl.uniform3fv(uniform("light"), eyeLight(picture));
      gl.uniform3fv(uniform("classes"), [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => unit(classColor(i, look.inks))));
      gl.uniform3fv(uniform("ink"), unit(look.inks.ink));
      gl.uniform1f(uniform("line"), 0.9 * this.#ratio);
      gl.drawArrays(gl.TRIANGLES, 0, entry.count);
    }
  }

  #texture(): WebGLTexture {
    const gl = this.#gl;
    const found = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, found);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGB32F, SIDE, this.#rows);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    }
    return found;
  }

  #upload(texture: WebGLTexture, data: Float32Array): void {
    const gl = this.#gl;
    this.#staging.set(data);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, SIDE, this.#rows, gl.RGB, gl.FLOAT, this.#staging);
  }

  #buffers(mark: Mark): Drawn {
    const gl = this.#gl;
    const { attribute } = this.#programs[mark.kind];
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

  #paint(entry: Drawn, picture: Picture): void {
    const gl = this.#gl;
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
  return entry.mark.kind === "triangles" && (opacity(entry.mark, picture.look, picture.t) < 1 || entry.mark.role === "grid");
}

/** Light from the eye, a little from above. */
function eyeLight(picture: Picture): number[] {
  const [x, y, z] = picture.projection.depth;
  const m = picture.projection.matrix;
  const up = [m[1], m[5], m[9]];
  const long = Math.hypot(...up) || 1;
  const eye = Math.hypot(x, y, z) || 1;
  const found = [x, y, z].map((v, i) => v / eye + (0.45 * up[i]) / long);
  const size = Math.hypot(...found);
  return found.map((v) => v / size);
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

function compiled(gl: WebGL2RenderingContext, source: { vertex: string; fragment: string }): Program {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, source.vertex], [gl.FRAGMENT_SHADER, source.fragment]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("the graphics context is lost");
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(program)?.map((shader) => gl.getShaderInfoLog(shader)).join("\n");
    throw new Error(`shaders do not link: ${gl.getProgramInfoLog(program)} ${logs}`);
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
