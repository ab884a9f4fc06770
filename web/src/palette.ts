// Colors and shapes: the same as on the library's figures (Okabe and Ito), never color alone.

import { clamp } from "./numbers.ts";
export type Color = readonly [number, number, number]; // 0..255

/** Colors as the web writes them, without the sign. */
function colors(words: string): Color[] {
  return words.split(" ").map((word) => [0, 2, 4].map((at) => parseInt(word.slice(at, at + 2), 16)) as unknown as Color);
}

export interface Inks {
  dark: boolean;
  paper: Color;
  ink: Color;
  muted: Color;
  grid: Color;
  tint: number; // opacity of the sides of the boundary
}

function inks(dark: boolean, words: string, tint: number): Inks {
  const [paper, ink, muted, grid] = colors(words);
  return { dark, paper, ink, muted, grid, tint };
}

export const LIGHT = inks(false, "fefefe 1b2026 59626d 98a2ac", 0.17);
export const DARK = inks(true, "14171a e7eaee 9aa4af 626c77", 0.3);

// The first four keep 3:1 on white and on #14171a; the pale ones carry a dark outline on white.
const CLASSES = colors("d55e00 0072b2 009e73 cc79a7 e69f00 56b4e9 f0e442 8a8f98");
const OUTLINES = colors("8a5d00 17628f 7a7000"); // of the fifth, sixth and seventh

/** Shapes by number: disc, square, triangle, cross, diamond, triangle down, plus, hexagon. */
export const SHAPES = 8;

export function classColor(index: number, inks: Inks): Color {
  return index < 0 ? inks.muted : CLASSES[index % CLASSES.length];
}

export function classShape(index: number): number {
  return index < 0 ? 0 : (index + Math.floor(index / CLASSES.length)) % SHAPES;
}

/** The outline that lifts a mark off the paper: dark for pale hues on white, paper for all others. */
export function classOutline(index: number, inks: Inks): Color {
  return (inks.dark ? undefined : OUTLINES[(index % CLASSES.length) - 4]) ?? inks.paper;
}

const RAMP = colors("0c2340 174a7c 3f7cac 8db7d5 dfebf5");
const [COLLAPSE] = colors("c2185b");

/** Rank 0 in a color of its own, the others on a ramp: the lowest is darkest, the highest palest. */
export function rankColor(rank: number, highest: number): Color {
  if (rank <= 0) return COLLAPSE;
  const place = highest > 1 ? (rank - 1) / (highest - 1) : 1;
  return onRamp(RAMP, 0.4 + 0.55 * place);
}

// Purple shrinks, green grows; the middle is quiet on either paper.
const STRETCH = colors("762a83 e2e5e9 1b7837");
const STRETCH_DARK = colors("b278c4 3c4249 5abe6e");

/** Ends and middle of the ramp of log10 stretch. */
export function stretchRamp(inks: Inks): Color[] {
  return inks.dark ? STRETCH_DARK : STRETCH;
}

export function stretchColor(value: number, limit: number, inks: Inks): Color {
  const place = clamp(value / limit, -1, 1);
  const [low, middle, high] = stretchRamp(inks);
  return blend(middle, place < 0 ? low : high, Math.abs(place));
}

// Polytopes: quiet hues that differ in lightness too.
const TINTS = colors("7fa3c0 cbb88a 97b59a b79bb8 a9c6d6 d3a48f 8f93b8");

export function tintColor(index: number): Color {
  return TINTS[index % TINTS.length];
}

export function blend(a: Color, b: Color, share: number): Color {
  return [0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * share)) as unknown as Color;
}

export function css(color: Color, opacity = 1): string {
  return opacity >= 1 ? `rgb(${color.join(" ")})` : `rgb(${color.join(" ")} / ${+opacity.toFixed(3)})`;
}

function onRamp(ramp: readonly Color[], place: number): Color {
  const at = clamp(place) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return blend(ramp[low], ramp[low + 1], at - low);
}

/** Black or white, whichever is read more easily on a color. */
export function textOn([r, g, b]: Color): string {
  return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2 < 0.179 * 255 ** 2.2 ? "#fff" : "#000";
}
