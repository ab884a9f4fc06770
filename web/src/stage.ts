// The stage: canvas, marks of orientation over it, pointer and touch.

import { clamp } from "./numbers.ts";
import { axisDirections, ballOf, fixedFrame, followFrame, orbited, projection, scaleBar, toPixels, zoomed } from "./camera.ts";
import type { Camera, Frame, Projection } from "./camera.ts";
import { canvasRenderer } from "./canvas2d.ts";
import { h, number, s } from "./dom.ts";
import { Flow, moment } from "./flow.ts";
import { webglRenderer } from "./gl.ts";
import { boundaryOf, ride } from "./boundary.ts";
import type { Boundary } from "./boundary.ts";
import { drawnVertices, lookFor, marksOf } from "./marks.ts";
import type { Look, Mark, Renderer } from "./marks.ts";
import { swatch } from "./panels.ts";
import type { Inks } from "./palette.ts";
import type { Primitive, Scene } from "./scene.ts";
import { isData } from "./state.ts";
import type { State } from "./state.ts";
import { pointFacts } from "./words.ts";

const REACH = 16; // pixels from a point at which it answers

export interface StageActions {
  camera(change: (camera: Camera) => Camera): void;
  point(vertex: number | null): void;
  focused(): boolean;
  redraw(): void;
}

/** Everything that is drawn at one time. */
export class Stage {
  readonly element: HTMLElement;
  frames = 0; // drawn so far
  readonly #scene: Scene;
  readonly #actions: StageActions;
  readonly #flow: Flow;
  readonly #positions: Float32Array;
  readonly #scalars: Float32Array;
  readonly #hud = s("svg", { class: "hud", "aria-hidden": "true" });
  readonly #tip = h("div", { class: "tip", hidden: true });
  readonly #note = h("p", { class: "note", hidden: true });
  readonly #data: Primitive[];
  readonly #smooth: boolean;
  #canvas!: HTMLCanvasElement;
  #renderer!: Renderer;
  #size = { width: 0, height: 0 };
  #projection: Projection | undefined;
  #drawnTime = NaN;
  readonly #boundary: Boundary | null;
  readonly #marks: Mark[];
  readonly #fixed: Frame;
  readonly #balls: number[][][] = []; // of the stops of each unit
  #lost = 0;
  readonly stretchLimit: number;

  constructor(scene: Scene, actions: StageActions, smooth: boolean) {
    this.#scene = scene;
    this.#actions = actions;
    this.#smooth = smooth;
    this.#flow = new Flow(scene);
    this.#boundary = boundaryOf(scene);
    this.#marks = marksOf(scene, this.#boundary);
    const total = drawnVertices(scene, this.#boundary);
    this.#positions = new Float32Array(3 * total);
    this.#scalars = new Float32Array(3 * total);
    for (let i = 0; i < scene.count; i++) {
      this.#scalars[3 * i] = scene.logit ? scene.logit[i] : 0;
      this.#scalars[3 * i + 2] = scene.predicted ? scene.predicted[i] : 0;
    }
    this.#placeStills();
    this.stretchLimit = scene.stretchLimit;
    this.#fixed = fixedFrame(scene.camera.boxes);
    this.#data = scene.primitives.filter((entry) => entry.kind === "points" && entry.role === "data");
    const solid = scene.view.dimension === 3;
    this.element = h("div", {
      class: solid ? "stage solid" : "stage", tabindex: 0, "role": "application",
      "aria-label": `${scene.title || "Scene"}. Arrow keys ${solid ? "turn" : "move"} it, plus and minus zoom${scene.layers.length > 0 ? ", digits jump to a layer" : ""}.`,
    }, this.#hud, this.#tip, this.#note);
    this.#start(true);
    this.#listen();
    new ResizeObserver(([entry]) => this.#resized(entry.contentRect.width, entry.contentRect.height)).observe(this.element);
  }

  get name(): Renderer["name"] {
    return this.#renderer.name;
  }

  /** Compute a layer ahead of time. */
  prepare(unit: number): void {
    this.#flow.prepare(unit);
  }

  draw(state: State, inks: Inks): Look {
    const scene = this.#scene;
    const size = this.#size;
    const { look, key } = lookFor(scene, state.t, inks, state.overlays);
    if (size.width === 0) return look;
    const moved = state.t !== this.#drawnTime;
    if (moved) {
      this.#flow.positions(state.t, this.#positions);
      if (this.#boundary) ride(this.#boundary, this.#positions, scene.count);
      if (scene.stretches) this.#stretchAt(state.t);
      this.#drawnTime = state.t;
    }
    const frame = state.camera.mode === "fixed" || scene.layers.length === 0 ? this.#fixed : this.#following(state.t);
    this.#projection = projection(state.camera, frame, scene.view.dimension, size.width, size.height);
    this.#renderer.draw({
      positions: this.#positions,
      scalars: this.#scalars,
      scalarsChanged: moved && scene.stretches !== null,
      projection: this.#projection,
      t: state.t,
      look,
      lookKey: key,
      stretchLimit: this.stretchLimit,
    });
    this.frames++;
    this.#say(this.#renderer.note || (this.#outside() ? "All points are outside the frame; press f to follow." : ""));
    this.#drawHud(state, inks, look);
    return look;
  }

  /** The next or the last data point after a vertex, for the keyboard. */
  neighbor(vertex: number | null, direction: 1 | -1): number | null {
    const all = this.#data.flatMap((entry) => [...entry.indices]);
    if (all.length === 0) return null;
    const at = vertex === null ? -1 : all.indexOf(vertex);
    return all[(at + direction + all.length + (at < 0 && direction < 0 ? 1 : 0)) % all.length];
  }

  /** The frame of the data now: given at layers, found at the stops between them. */
  #following(t: number): Frame {
    const scene = this.#scene;
    const { unit, share } = moment(scene, t);
    const { boxes } = scene.camera;
    const { ticks } = scene.layers[unit - 1];
    const ids = this.#focus;
    const found = (this.#balls[unit] ??= ticks.map((tick) => {
      const places = new Float32Array(3 * scene.count);
      this.#flow.positions(unit - 1 + tick, places);
      return ballOf(places, ids, Math.min(boxes[unit - 1][3], boxes[unit][3]) / 50);
    }));
    return followFrame([0, ...ticks, 1], [boxes[unit - 1], ...found, boxes[unit]], share);
  }

  /** The vertices that the frame follows: those of the data, or all. */
  get #focus(): ArrayLike<number> {
    const own = this.#scene.primitives.filter(isData).flatMap((entry) => [...entry.indices]);
    return own.length > 0 ? own : Array.from({ length: this.#scene.count }, (_, i) => i);
  }

  #start(webgl: boolean): void {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const renderer = (webgl && this.#attempt(canvas)) || canvasRenderer(h("canvas", { "aria-hidden": "true" }), this.#scene, this.#marks);
    this.#canvas?.remove();
    this.#canvas = renderer.canvas;
    this.#renderer = renderer;
    this.element.prepend(renderer.canvas);
    if (renderer.name === "webgl2") this.#guard(canvas);
    if (this.#size.width > 0) renderer.resize(this.#size.width, this.#size.height, ratio());
  }

  #attempt(canvas: HTMLCanvasElement): Renderer | null {
    try {
      return webglRenderer(canvas, this.#scene, this.#marks, this.#positions.length / 3, this.#smooth);
    } catch (error) {
      console.warn(error); // a driver that cannot compile the shaders
      return null;
    }
  }

  /** A lost context comes back, or a 2-D canvas takes over. */
  #guard(canvas: HTMLCanvasElement): void {
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.#say("The graphics card was reset; waiting for it.");
      this.#lost = window.setTimeout(() => {
        this.#start(false);
        this.#actions.redraw();
      }, 1500);
    });
    canvas.addEventListener("webglcontextrestored", () => {
      if (canvas !== this.#canvas) return;
      clearTimeout(this.#lost);
      this.#start(true);
      this.#actions.redraw();
    });
  }

  #outside(): boolean {
    const { width, height } = this.#size;
    return this.#data.length > 0 && this.#data.every((entry) => entry.indices.every((vertex, i) => {
      if (i % Math.ceil(entry.count / 200) !== 0) return true;
      const at = this.#pixelOf(vertex);
      return !at || at[0] < 0 || at[1] < 0 || at[0] > width || at[1] > height;
    }));
  }

  #say(words: string): void {
    this.#note.textContent = words;
    this.#note.hidden = words === "";
  }

  #resized(width: number, height: number): void {
    if (width === 0 || height === 0) return;
    this.#size = { width, height };
    this.#renderer.resize(width, height, ratio());
    this.#actions.redraw();
  }

  #placeStills(): void {
    const scene = this.#scene;
    let at = 3 * (scene.count + (this.#boundary?.from.length ?? 0));
    for (const still of scene.stills) {
      if (scene.flow.kind === "sampled") {
        this.#positions.set(still.vertices, at);
        at += still.vertices.length;
        continue;
      }
      const { matrix, center } = scene.view.frames[still.layer];
      const width = center.length;
      for (let v = 0; v < still.count; v++) {
        for (let row = 0; row < 3; row++, at++) {
          let total = 0;
          for (let j = 0; j < width; j++) total += matrix[row * width + j] * (still.vertices[v * width + j] - center[j]);
          this.#positions[at] = total;
        }
      }
    }
  }

  #stretchAt(t: number): void {
    const all = this.#scene.stretches;
    if (!all) return;
    const k = Math.floor(t);
    const [a, b = a] = all.slice(k);
    for (let i = 0; i < a.length; i++) this.#scalars[3 * i + 1] = a[i] + (b[i] - a[i]) * (t - k);
  }

  #pixelOf(vertex: number): number[] | null {
    if (!this.#projection) return null;
    const p = this.#positions;
    const out = [0, 0, 0];
    toPixels(this.#projection, p[3 * vertex], p[3 * vertex + 1], p[3 * vertex + 2], out, 0);
    return out[2] > 0 ? out : null;
  }

  #nearest(x: number, y: number): number | null {
    let best = REACH * REACH;
    let found: number | null = null;
    let front = Infinity;
    for (const entry of this.#data) {
      for (const vertex of entry.indices) {
        const at = this.#pixelOf(vertex);
        if (!at) continue;
        const distance = (at[0] - x) ** 2 + (at[1] - y) ** 2;
        // of points under each other the one in front answers
        if (distance < best - 4 || (distance < best + 4 && at[2] < front)) {
          best = Math.min(best, distance);
          front = at[2];
          found = vertex;
        }
      }
    }
    return found;
  }

  #drawHud(state: State, inks: Inks, look: Look): void {
    const scene = this.#scene;
    const size = this.#size;
    const p = this.#projection;
    if (!p) return;
    const parts: SVGElement[] = [];
    const names = scene.view.axes[Math.round(state.t)] ?? [];
    const [x0, y0, arm] = [32, size.height - 26, 26];
    const solid = scene.view.dimension === 3;
    const axes = axisDirections(state.camera, scene.view.dimension);
    const origin = solid ? [x0 + 12, y0 - 12] : [x0, y0];
    axes.forEach(([dx, dy, dz], i) => {
      if (!names[i]) return;
      const [x, y] = [origin[0] + arm * dx, origin[1] + arm * dy];
      parts.push(s("line", { x1: origin[0], y1: origin[1], x2: x, y2: y, opacity: solid ? 0.7 + 0.3 * dz : 1 }));
      parts.push(s("text", { x: origin[0] + (arm + 9) * dx, y: origin[1] + (arm + 9) * dy + 3.5, "text-anchor": dx > 0.5 ? "start" : "middle" }, names[i]));
    });
    const bar = scaleBar(p.scale);
    const right = size.width - 20;
    parts.push(s("path", { d: `M${right - bar.pixels} ${y0 - 3}v6m0 -3h${bar.pixels}m0 -3v6` }));
    parts.push(s("text", { x: right - bar.pixels / 2, y: y0 - 8, "text-anchor": "middle" }, number(bar.length)));
    const at = state.point === null ? null : this.#pixelOf(state.point);
    if (at) parts.push(s("circle", { cx: at[0], cy: at[1], r: 9, class: "ring" }));
    this.#hud.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    this.#hud.replaceChildren(...parts);
    this.#showTip(state.point, at, inks, look);
  }

  #showTip(vertex: number | null, at: number[] | null, inks: Inks, look: Look): void {
    this.#tip.hidden = at === null;
    if (at === null || vertex === null) return;
    for (const entry of this.#data) {
      const i = entry.indices.indexOf(vertex);
      if (i < 0) continue;
      const facts = pointFacts(this.#scene, entry, i, look.unit);
      this.#tip.replaceChildren(
        h("strong", {}, facts.classIndex >= 0 && swatch(facts.classIndex, inks), facts.title),
        h("dl", {}, ...facts.rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      );
    }
    const { offsetWidth: w, offsetHeight: height } = this.#tip;
    const left = at[0] + 16 + w > this.#size.width ? at[0] - 16 - w : at[0] + 16;
    const top = clamp(at[1] - height / 2, 8, Math.max(this.#size.height - height - 8, 8));
    this.#tip.style.transform = `translate(${Math.max(Math.min(left, this.#size.width - w - 4), 4)}px, ${top}px)`;
  }

  #listen(): void {
    const { element } = this;
    const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void) =>
      element.addEventListener(name, act, { passive: false });
    const actions = this.#actions;
    const pointers = new Map<number, { x: number; y: number }>();
    const solid = this.#scene.view.dimension === 3;
    let moved = 0;
    const place = (event: PointerEvent | WheelEvent | MouseEvent) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    on("pointerdown", (event) => {
      if (event.target instanceof HTMLButtonElement) return;
      pointers.set(event.pointerId, place(event));
      moved = 0;
      element.setPointerCapture(event.pointerId);
    });
    on("pointermove", (event) => {
      const now = place(event);
      const last = pointers.get(event.pointerId);
      if (!last) {
        actions.point(this.#nearest(now.x, now.y));
        return;
      }
      const [dx, dy] = [now.x - last.x, now.y - last.y];
      moved += Math.abs(dx) + Math.abs(dy);
      if (pointers.size === 1) {
        const pan = !solid || event.shiftKey || (event.buttons & 6) !== 0;
        actions.camera((c) => (pan ? panned(c, dx, dy, this.#radii) : orbited(c, dx * 0.009, dy * 0.009)));
      } else if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1] ?? now;
        const before = Math.hypot(last.x - other.x, last.y - other.y);
        const after = Math.hypot(now.x - other.x, now.y - other.y);
        const middle = this.#fromCenter((now.x + other.x) / 2, (now.y + other.y) / 2);
        actions.camera((c) => zoomed(panned(c, dx / 2, dy / 2, this.#radii), before > 0 ? after / before : 1, ...middle));
      }
      pointers.set(event.pointerId, now);
    });
    const leave = (event: PointerEvent) => {
      const last = pointers.get(event.pointerId);
      pointers.delete(event.pointerId);
      // a tap asks for the point below it
      if (event.type === "pointerup" && last && moved < 6) actions.point(this.#nearest(last.x, last.y));
    };
    on("pointerup", leave);
    on("pointercancel", leave);
    on("pointerleave", (event) => {
      if (event.pointerType === "mouse" && pointers.size === 0) actions.point(null);
    });
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => {
      // the page keeps its scrolling until the reader has chosen the picture
      if (!event.ctrlKey && !actions.focused()) return;
      event.preventDefault();
      const { x, y } = place(event);
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016));
      actions.camera((c) => zoomed(c, factor, ...this.#fromCenter(x, y)));
    });
  }

  /** Radii of the frame in one pixel. */
  get #radii(): number {
    const p = this.#projection;
    return p ? 1 / (p.scale * p.radius) : 0;
  }

  #fromCenter(x: number, y: number): [number, number] {
    const k = this.#radii;
    return [(x - this.#size.width / 2) * k, (this.#size.height / 2 - y) * k];
  }
}

export function panned(camera: Camera, dx: number, dy: number, radii: number): Camera {
  return { ...camera, panX: camera.panX + dx * radii, panY: camera.panY - dy * radii };
}

function ratio(): number {
  return Math.min(window.devicePixelRatio || 1, 2);
}
