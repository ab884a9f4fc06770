// What is drawn, in which order and color: the same for both renderers.

import { clamp } from "./numbers.ts";
import type { Boundary } from "./boundary.ts";
import type { Projection } from "./camera.ts";
import { blend, classColor, classOutline, classShape, rankColor, tintColor } from "./palette.ts";
import type { Color, Inks } from "./palette.ts";
import type { Kind, Role, Scene } from "./scene.ts";
import { isData } from "./state.ts";
import type { Overlay } from "./state.ts";

/** How much of the paper the farthest marks take on. */
export const HAZE = 0.34;

export interface Mark {
  kind: Kind;
  role: Role | "still";
  overlay: Overlay | null;
  ids: Uint32Array; // into the positions: vertices of the scene, then those of the stills
  per: 1 | 2 | 3;
  count: number;
  classes: Int8Array | null;
  rankOf: Uint8Array | null;
  still: { layer: number; label: string } | null;
  order: number;
  width: number; // of lines and points, CSS pixels
  lit: boolean; // shaded by its slope in 3-D
}

/** What decides the colors of marks. */
export interface Look {
  unit: number;
  layers: number;
  inks: Inks;
  overlays: Record<Overlay, boolean>;
  highestRank: number;
  filled: boolean; // rank regions are cells of their own, so points keep the colors of their classes
}

export type Tint = "none" | "sides" | "stretch";

export interface Picture {
  positions: Float32Array;
  scalars: Float32Array; // logit, stretch, predicted class for each vertex
  scalarsChanged: boolean;
  projection: Projection;
  t: number;
  look: Look;
  lookKey: string; // colors are the same as long as this is
  stretchLimit: number;
}

export interface Renderer {
  readonly name: "webgl2" | "canvas2d";
  readonly note: string;
  readonly canvas: HTMLCanvasElement;
  resize(width: number, height: number, ratio: number): void;
  draw(picture: Picture): void;
}

const ORDERS: Record<Role | "still", number> = {
  region: 0, ranks: 1, polytopes: 2, grid: 3, surface: 4, tube: 4, field: 5, boundary: 6, still: 7, frame: 2.5, data: 8,
};
const WIDTHS: Record<Role | "still", number> = {
  region: 1, ranks: 1.6, polytopes: 1.1, grid: 0.9, surface: 1, tube: 1, field: 1.4, boundary: 1.9, still: 2, frame: 1, data: 2.2,
};

/** Vertices that are drawn: those of the scene, of its boundary, of its stills. */
export function drawnVertices(scene: Scene, boundary: Boundary | null): number {
  return scene.count + (boundary?.from.length ?? 0) + scene.stills.reduce((sum, still) => sum + still.count, 0);
}

export function marksOf(scene: Scene, boundary: Boundary | null): Mark[] {
  const solid = scene.view.dimension === 3;
  const marks = scene.primitives.map((entry): Mark => ({
    kind: entry.kind,
    role: entry.role,
    overlay: overlayOf(entry.role),
    ids: entry.indices,
    per: entry.per,
    count: entry.count,
    classes: entry.classes,
    rankOf: entry.rankOf,
    still: null,
    // fills lie under lines, lines under points
    order: ORDERS[entry.role] + (entry.kind === "triangles" ? -0.4 : entry.kind === "points" ? 0.4 : 0),
    width: entry.kind === "points" ? pointSize(entry.count, solid) : WIDTHS[entry.role],
    lit: solid && (entry.role === "surface" || entry.role === "tube"),
  }));
  if (boundary) marks.push(boundaryMark(boundary, scene.count));
  let first = scene.count + (boundary?.from.length ?? 0);
  for (const still of scene.stills) {
    const per = still.kind === "points" ? 1 : still.kind === "segments" ? 2 : 3;
    marks.push({
      kind: still.kind,
      role: "still",
      overlay: "boundary",
      ids: still.indices.map((i) => i + first),
      per,
      count: still.indices.length / per,
      classes: null,
      rankOf: null,
      still: { layer: still.layer, label: still.label },
      order: ORDERS.still,
      width: still.kind === "points" ? 5 : WIDTHS.still,
      lit: false,
    });
    first += still.count;
  }
  return marks.sort((a, b) => a.order - b.order);
}

function boundaryMark(boundary: Boundary, first: number): Mark {
  const ids = boundary.segments.map((i) => i + first);
  return {
    kind: "segments", role: "boundary", overlay: "boundary", ids, per: 2, count: ids.length / 2,
    classes: null, rankOf: null, still: null, order: ORDERS.boundary, width: WIDTHS.boundary, lit: false,
  };
}

function overlayOf(role: Role): Overlay | null {
  if (role === "frame" || role === "field") return null;
  if (role === "surface" || role === "tube") return "data";
  if (role === "region") return "boundary";
  return role;
}

function pointSize(count: number, solid: boolean): number {
  const size = clamp(26 / Math.max(count, 1) ** 0.24, 3.4, 9);
  return solid ? size * 0.92 : size;
}

/** How much of a mark is seen at time `t`: 0 hides it. */
export function opacity(mark: Mark, look: Look, t: number): number {
  if (mark.kind === "triangles" && (mark.role === "grid" || mark.role === "region")) {
    // cells that only carry a tint are there for the boundary and the stretch
    const tint = tintOf(mark, look);
    if (tint === "stretch") return 0.72;
    return tint === "sides" || (mark.role === "region" && look.overlays.boundary) ? look.inks.tint : 0;
  }
  if (mark.overlay !== null && !look.overlays[mark.overlay]) return 0;
  if (mark.still) {
    const near = Math.max(1 - 2 * Math.abs(t - mark.still.layer), 0);
    return mark.kind === "triangles" ? 0.28 * near : near;
  }
  if (mark.kind === "triangles" && mark.role === "ranks") return 0.62;
  if (mark.kind === "triangles" && mark.role === "polytopes") return look.overlays.ranks && look.filled ? 0 : 0.5;
  if (mark.kind === "segments" && mark.role === "grid") return look.overlays.stretch ? 1 : 0.5;
  return 1;
}

/** Whether scalars of the vertices color a mark. */
export function tintOf(mark: Mark, look: Look): Tint {
  if (look.overlays.stretch && ["grid", "region", "surface"].includes(mark.role)) return "stretch";
  return mark.role === "grid" && mark.kind === "triangles" && look.overlays.boundary ? "sides" : "none";
}

/** The color of every item, and of its outline where it has one. */
export function colorsOf(mark: Mark, look: Look): { fill: Uint8Array; edge: Uint8Array } {
  const fill = new Uint8Array(4 * mark.count);
  const edge = new Uint8Array(4 * mark.count);
  for (let i = 0; i < mark.count; i++) {
    fill.set(colorOf(mark, look, i), 4 * i);
    const outline = mark.classes ? classOutline(mark.classes[i], look.inks) : look.inks.paper;
    edge.set(byRank(mark, look) ? blend(look.inks.ink, look.inks.paper, 0.35) : outline, 4 * i);
    fill[4 * i + 3] = 255;
    edge[4 * i + 3] = mark.classes ? classShape(mark.classes[i]) : 0;
  }
  return { fill, edge };
}

function byRank(mark: Mark, look: Look): boolean {
  return mark.rankOf !== null && look.overlays.ranks && (mark.role === "ranks" || !look.filled);
}

function colorOf(mark: Mark, look: Look, i: number): Color {
  const { inks } = look;
  if (byRank(mark, look) && mark.rankOf) return rankColor(mark.rankOf[i * look.layers + look.unit - 1], look.highestRank);
  switch (mark.role) {
    case "grid":
      return inks.grid;
    case "boundary":
    case "still":
      return inks.ink;
    case "polytopes":
      return mark.kind === "triangles" ? tintColor(i) : blend(inks.muted, inks.paper, 0.15);
    case "frame":
      return blend(inks.grid, inks.paper, 0.4);
    case "field":
      return inks.muted;
    case "ranks":
      return inks.muted;
    default:
      return classColor(mark.classes ? mark.classes[i] : -1, inks);
  }
}

export function lookFor(scene: Scene, t: number, inks: Inks, overlays: Look["overlays"]): { look: Look; key: string } {
  const unit = clamp(Math.ceil(t - 1e-9), 1, scene.layers.length);
  const ranks = scene.primitives.flatMap((entry) => (entry.rankOf ? [entry.rankOf] : []));
  const look: Look = {
    unit,
    layers: scene.layers.length,
    inks,
    overlays,
    highestRank: highest(ranks),
    filled: scene.primitives.some((entry) => entry.rankOf && !isData(entry)),
  };
  return { look, key: `${overlays.ranks ? unit : 0}|${inks.dark}|${overlays.ranks}` };
}

const known = new WeakMap<Uint8Array, number>();

function highest(arrays: Uint8Array[]): number {
  let found = 0;
  for (const array of arrays) {
    let top = known.get(array);
    if (top === undefined) known.set(array, (top = array.reduce((a, b) => Math.max(a, b), 0)));
    found = Math.max(found, top);
  }
  return found;
}
