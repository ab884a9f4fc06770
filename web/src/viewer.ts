// One viewer: a scene in an element, with its controls.

import { orbited, restingCamera, zoomed } from "./camera.ts";
import type { Camera } from "./camera.ts";
import { h } from "./dom.ts";
import { DARK, LIGHT } from "./palette.ts";
import type { Inks } from "./palette.ts";
import { panels } from "./panels.ts";
import type { Panels } from "./panels.ts";
import type { Scene } from "./scene.ts";
import { Stage, panned } from "./stage.ts";
import { OVERLAYS, Store, advance, available, clampTime, initialState, sentence, step } from "./state.ts";
import type { State } from "./state.ts";
import sheet from "./style.css";
import { transport } from "./transport.ts";
import type { Transport } from "./transport.ts";

const QUIET = 2000; // milliseconds between two sentences to a screen reader
const NARROW = 720; // pixels below which panels are closed at first

const KEYS = `Space|play or pause
← →|a hundredth of a layer, on the slider
Page Up, Down|next or last stage
[ ]|last or next stage
0 to 9|a layer
Home, End|input, output
g d b p r s|grid, data, boundary, polytopes, ranks, stretch
Arrows, + −|turn or move, zoom
, .|last or next point
v f|reset, follow
?|this list`;

/** What tests and scripts may ask of a viewer; the names are quoted, so that the build keeps them. */
export interface Report {
  "t": number;
  "layers": number;
  "playing": boolean;
  "renderer": string;
  "dark": boolean;
  "overlays": Record<string, boolean>;
  "available": string[];
  "camera": Record<string, number | string>;
  "point": number | null;
  "frames": number;
  "vertices": number;
  "text": string;
  "reduced": boolean;
}

export class Viewer {
  readonly host: HTMLElement;
  readonly #scene: Scene;
  readonly #store: Store<State>;
  readonly #stage: Stage;
  readonly #time: Transport | false;
  readonly #panels: Panels;
  readonly #root: ShadowRoot;
  readonly #frame: HTMLElement;
  readonly #live = h("p", { class: "unseen", "role": "status", "aria-live": "polite" });
  readonly #help: HTMLDialogElement;
  readonly #darkScheme = matchMedia("(prefers-color-scheme: dark)");
  readonly #lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #asked = 0; // the frame asked for, 0 for none
  #last = 0; // time of the last frame of a play
  #rested = 0;
  #spoken = "";
  #spokenAt = -QUIET;
  #speaking = 0;

  constructor(host: HTMLElement, scene: Scene) {
    this.host = host;
    this.#scene = scene;
    this.#store = new Store(initialState(scene));
    this.#stage = new Stage(scene, {
      camera: (change) => this.#store.set({ camera: change(this.#store.now.camera) }),
      point: (point) => this.#store.set({ point }),
      focused: () => this.#root.activeElement === this.#stage.element,
      redraw: () => this.#ask(),
    }, host.dataset.aa !== "0");
    this.#time = scene.layers.length > 0 && transport(scene, { seek: (t) => this.seek(t), toggle: () => this.toggle(), step: (way) => this.#step(way) });
    this.#help = h("dialog", { "aria-label": "Keys" },
      h("h2", {}, "Keys"),
      h("dl", {}, ...KEYS.split(/[|\n]/).map((words, i) => h(i % 2 ? "dd" : "dt", {}, words))),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    this.#panels = panels(scene, {
      overlay: (name) => this.#flip(name),
      mode: (mode) => this.#store.set({ camera: { ...this.#store.now.camera, mode } }),
      reset: () => this.#reset(),
      theme: () => this.#store.set({ theme: this.#inks().dark ? "light" : "dark" }),
      help: () => this.#help.showModal(),
    });
    this.#frame = h("div", { class: "viewer" }, this.#stage.element, this.#time && this.#time.element, this.#panels.element, this.#live, this.#help);
    this.#root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.#root.replaceChildren(h("style", {}, sheet), this.#frame);
    if (host.clientWidth < NARROW) {
      for (const panel of this.#frame.querySelectorAll<HTMLDetailsElement>(".panel:not(.now)")) panel.open = false;
    }
    this.#frame.addEventListener("keydown", (event) => this.#pressed(event));
    this.#store.listen((now, before) => {
      if (now.playing && !before.playing) this.#last = this.#rested = 0;
      this.#ask();
    });
    this.#darkScheme.addEventListener("change", () => this.#ask());
    this.#ask();
    this.#ahead(1);
    if (host.dataset.autoplay !== undefined && !this.#lessMotion.matches) this.#store.set({ playing: true });
  }

  report(): Report {
    const { t, playing, overlays, camera, point } = this.#store.now;
    const { mode, yaw, tilt, zoom, panX, panY } = camera;
    return {
      "t": t,
      "layers": this.#scene.layers.length,
      "playing": playing,
      "renderer": this.#stage.name,
      "dark": this.#inks().dark,
      "overlays": { ...overlays },
      "available": available(this.#scene),
      "camera": { "mode": mode, "yaw": yaw, "tilt": tilt, "zoom": zoom, "panX": panX, "panY": panY },
      "point": point,
      "frames": this.#stage.frames,
      "vertices": this.#scene.count,
      "text": sentence(this.#scene, t),
      "reduced": this.#lessMotion.matches,
    };
  }

  seek(t: number): void {
    this.#store.set({ t: clampTime(this.#scene, t), playing: false });
  }

  toggle(): void {
    const { t, playing } = this.#store.now;
    const end = this.#scene.layers.length;
    if (end > 0) this.#store.set({ playing: !playing, t: !playing && t >= end ? 0 : t });
  }

  #step(direction: 1 | -1): void {
    this.seek(step(this.#scene, this.#store.now.t, direction));
  }

  #flip(name: keyof State["overlays"]): void {
    const { overlays } = this.#store.now;
    if (available(this.#scene).includes(name)) this.#store.set({ overlays: { ...overlays, [name]: !overlays[name] } });
  }

  #reset(): void {
    this.#store.set({ camera: { ...restingCamera(this.#scene), mode: this.#store.now.camera.mode } });
  }

  #inks(): Inks {
    const { theme } = this.#store.now;
    return (theme === "auto" ? this.#darkScheme.matches : theme === "dark") ? DARK : LIGHT;
  }

  #ask(): void {
    this.#asked ||= requestAnimationFrame((at) => this.#draw(at));
  }

  #draw(at: number): void {
    this.#asked = 0;
    if (this.#store.now.playing) this.#play(at);
    const state = this.#store.now;
    const inks = this.#inks();
    this.#frame.dataset.theme = inks.dark ? "dark" : "light";
    this.host.dataset.theme = inks.dark ? "dark" : "light";
    const look = this.#stage.draw(state, inks);
    if (this.#time) this.#time.update(state.t, state.playing);
    this.#panels.update(state, inks, look.highestRank, this.#stage.stretchLimit);
    if (!state.playing) this.#speak();
    if (state.playing) this.#ask();
  }

  #play(at: number): void {
    // a tab that slept does not jump ahead
    const seconds = this.#last > 0 ? Math.min((at - this.#last) / 1000, 0.1) : 0;
    this.#last = at;
    const next = advance(this.#scene, this.#store.now.t, seconds, this.#lessMotion.matches, this.#rested);
    this.#rested = next.rested;
    this.#store.set({ t: next.t, playing: !next.ended });
  }

  /** Say where the picture is, at most once in two seconds, and the last state in the end. */
  #speak(): void {
    const words = sentence(this.#scene, this.#store.now.t);
    if (words === this.#spoken) return;
    const wait = this.#spokenAt + QUIET - performance.now();
    if (wait > 0) {
      this.#speaking ||= window.setTimeout(() => {
        this.#speaking = 0;
        this.#speak();
      }, wait);
      return;
    }
    this.#spoken = words;
    this.#spokenAt = performance.now();
    this.#live.textContent = words;
  }

  /** Layers are computed while nothing else happens, so that the slider never waits. */
  #ahead(unit: number): void {
    if (unit > this.#scene.layers.length) return;
    const next = () => {
      this.#stage.prepare(unit);
      this.#ahead(unit + 1);
    };
    if ("requestIdleCallback" in window) window.requestIdleCallback(next);
    else setTimeout(next, 30);
  }

  #pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#help.open) return;
    const target = event.composedPath()[0];
    const onStage = target === this.#stage.element;
    const onButton = target instanceof HTMLButtonElement || (target instanceof HTMLElement && target.tagName === "SUMMARY");
    if (this.#key(event.key, onStage, onButton, event.shiftKey)) event.preventDefault();
  }

  /** Whether the key meant something here. */
  #key(key: string, onStage: boolean, onButton: boolean, shift: boolean): boolean {
    const { camera, point } = this.#store.now;
    const solid = this.#scene.view.dimension === 3 && !shift;
    const turn = (change: Camera) => this.#store.set({ camera: change });
    const go = (direction: 1 | -1) => this.#step(direction);
    const pick = (direction: 1 | -1) => this.#store.set({ point: this.#stage.neighbor(point, direction) });
    const arrow = (dx: number, dy: number) =>
      turn(solid ? orbited(camera, dx * 0.12, dy * 0.12) : panned(camera, -dx, -dy, 0.08 / camera.zoom));
    const anywhere: Record<string, () => void> = {
      "[": () => go(-1),
      "]": () => go(1),
      "?": () => this.#help.showModal(),
      "v": () => this.#reset(),
      "f": () => turn({ ...camera, mode: camera.mode === "fixed" ? "follow" : "fixed" }),
      ".": () => pick(1),
      ",": () => pick(-1),
      "Escape": () => this.#store.set({ point: null }),
    };
    const there: Record<string, () => void> = {
      "Home": () => this.seek(0),
      "End": () => this.seek(this.#scene.layers.length),
      "PageUp": () => go(1),
      "PageDown": () => go(-1),
      "+": () => turn(zoomed(camera, 1.2)),
      "=": () => turn(zoomed(camera, 1.2)),
      "-": () => turn(zoomed(camera, 1 / 1.2)),
      "ArrowLeft": () => arrow(-1, 0),
      "ArrowRight": () => arrow(1, 0),
      "ArrowUp": () => arrow(0, -1),
      "ArrowDown": () => arrow(0, 1),
    };
    const overlay = OVERLAYS.find((name) => name[0] === key);
    const act = anywhere[key] ?? (onStage ? there[key] : undefined);
    if (act) act();
    else if (key === " " && !onButton) this.toggle();
    else if (/^\d$/.test(key)) this.seek(Math.min(Number(key), this.#scene.layers.length));
    else if (overlay) this.#flip(overlay);
    else return false;
    return true;
  }
}
