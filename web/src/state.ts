// What the reader chose, and how time moves: pure, so that it runs without a browser.

import { clamp } from "./numbers.ts";
import type { Camera } from "./camera.ts";
import { restingCamera } from "./camera.ts";
import { moment } from "./flow.ts";
import type { Primitive, Scene } from "./scene.ts";

export const OVERLAYS = ["grid", "data", "boundary", "polytopes", "ranks", "stretch"] as const;
export type Overlay = (typeof OVERLAYS)[number];

export interface State {
  t: number;
  playing: boolean;
  overlays: Record<Overlay, boolean>;
  camera: Camera;
  theme: "auto" | "light" | "dark";
  point: number | null; // vertex under the pointer, or picked by keyboard
}

/** A value that tells its listeners when it changes. */
export class Store<T extends object> {
  #value: T;
  readonly #listeners = new Set<(now: T, before: T) => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get now(): T {
    return this.#value;
  }

  set(change: Partial<T>): void {
    const before = this.#value;
    if (Object.entries(change).every(([key, value]) => Object.is(before[key as keyof T], value))) return;
    this.#value = { ...before, ...change };
    for (const listener of this.#listeners) listener(this.#value, before);
  }

  listen(listener: (now: T, before: T) => void): void {
    this.#listeners.add(listener);
  }
}

export function initialState(scene: Scene): State {
  const has = available(scene);
  const filled = scene.primitives.some((entry) => entry.role === "ranks" || entry.role === "polytopes");
  return {
    t: 0,
    playing: false,
    // ranks of cells are a map; ranks of points would hide their classes, and stretch the sides of the boundary
    overlays: Object.fromEntries(
      OVERLAYS.map((name) => [name, has.includes(name) && (name === "ranks" ? filled : name !== "stretch")]),
    ) as State["overlays"],
    camera: restingCamera(scene),
    theme: "auto",
    point: null,
  };
}

/** The overlays that this scene has something to show for. */
export function available(scene: Scene): Overlay[] {
  const roles = new Set(scene.primitives.map((entry) => entry.role));
  const has: Record<Overlay, boolean> = {
    grid: scene.primitives.some((entry) => entry.role === "grid" && entry.kind === "segments"),
    data: scene.primitives.some(isData),
    boundary: roles.has("boundary") || roles.has("region") || (scene.logit !== null && roles.has("grid")) || scene.stills.length > 0,
    polytopes: roles.has("polytopes"),
    ranks: scene.primitives.some((entry) => entry.rankOf !== null),
    stretch: scene.stretches !== null && (roles.has("grid") || roles.has("surface")),
  };
  return OVERLAYS.filter((name) => has[name]);
}

export function isData(entry: Primitive): boolean {
  return entry.role === "data" || entry.role === "surface" || entry.role === "tube";
}

/** Every time at which a stage starts or ends. */
export function stops(scene: Scene): number[] {
  return [...scene.layers.flatMap((layer, k) => [k, ...layer.ticks.map((tick) => k + tick)]), scene.layers.length];
}

/** The next or the last stop after `t`. */
export function step(scene: Scene, t: number, direction: 1 | -1): number {
  const all = stops(scene);
  const found = direction > 0 ? all.find((stop) => stop > t + 1e-6) : all.findLast((stop) => stop < t - 1e-6);
  return found ?? (direction > 0 ? all[all.length - 1] : 0);
}

export function clampTime(scene: Scene, t: number): number {
  return clamp(Number.isFinite(t) ? t : 0, 0, scene.layers.length);
}

export const SECONDS_PER_LAYER = 2.4;
const JUMP_SECONDS = 1.4; // between layers where motion is reduced

/** Time after `seconds` of play; with reduced motion it rests on layers, `rested` seconds so far. */
export function advance(
  scene: Scene, t: number, seconds: number, reduced: boolean, rested: number,
): { t: number; rested: number; ended: boolean } {
  const end = scene.layers.length;
  if (!reduced) {
    const next = clampTime(scene, t + seconds / SECONDS_PER_LAYER);
    return { t: next, rested: 0, ended: next >= end };
  }
  if (rested + seconds < JUMP_SECONDS) return { t, rested: rested + seconds, ended: false };
  const next = Math.min(Math.floor(t + 1e-6) + 1, end);
  return { t: next, rested: 0, ended: next >= end };
}

/** The words for the stages of a layer, in their order. */
export function stageNames(scene: Scene, unit: number): string[] {
  const { flow } = scene;
  if (flow.kind === "sampled") return ["recorded"];
  const { stages, activation } = flow.layers[unit - 1];
  return stages.map((stage, i) => {
    if (stage.kind === "linear" || stage.kind === "straight") return "linear";
    if (stage.kind === "translate") return "shift";
    if (stage.kind === "vector_field") return "field";
    if (stage.kind === "activation") return activation.name === "affine" ? "rest" : activation.name.replaceAll("_", " ");
    return stages.length === 1 ? "line" : `line ${i + 1}`;
  });
}

/** Where in the network the picture is, in words. */
export function whereabouts(scene: Scene, t: number): string {
  const of = `of ${scene.layers.length}`;
  const { unit, stage } = moment(scene, t);
  return t <= 0 ? "Input" : t % 1 === 0 ? `After layer ${t} ${of}` : `Layer ${unit} ${of}, ${stageNames(scene, unit)[stage]}`;
}

/** One sentence for a screen reader: where the picture is, and what is certified there. */
export function sentence(scene: Scene, t: number): string {
  const where = whereabouts(scene, t);
  const badge = certificateAt(scene, t);
  return badge ? `${where}. ${badge.verdict}, ${badge.status}: ${badge.sentence}` : `${where}.`;
}

/** What is certified of the layer at time `t`: the part of it that holds then, if parts are told apart. */
export function certificateAt(scene: Scene, t: number): Scene["certificates"][number] | undefined {
  if (t <= 0) return undefined;
  const unit = Math.max(Math.ceil(t - 1e-9), 1);
  const share = t - (unit - 1);
  const own = scene.certificates.filter((entry) => entry.layer === unit);
  return own.find((entry) => share > entry.from - 1e-9 && share <= entry.to + 1e-9) ?? own[0];
}
