// Colors and shapes: the same as on the library's figures (Okabe and Ito), never color alone.

export type Color = readonly [number, number, number]; // 0..255

export interface Inks {
  dark: boolean;
  paper: Color;
  ink: Color;
  muted: Color;
  grid: Color;
  tint: number; // opacity of the sides of the boundary
}

export const LIGHT: Inks = {
  dark: false, paper: [254, 254, 254], ink: [27, 32, 38], muted: [89, 98, 109], grid: [152, 162, 172], tint: 0.17,
};
export const DARK: Inks = {
  dark: true, paper: [20, 23, 26], ink: [231, 234, 238], muted: [154, 164, 175], grid: [98, 108, 119], tint: 0.3,
};

// The first four keep 3:1 on white and on #14171a; the pale ones carry a dark outline on white.
const CLASSES: readonly Color[] = [
  [213, 94, 0], [0, 114, 178], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [240, 228, 66], [138, 143, 152],
];
const OUTLINES: Readonly<Record<number, Color>> = { 4: [138, 93, 0], 5: [23, 98, 143], 6: [122, 112, 0] };

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
  return (inks.dark ? undefined : OUTLINES[index % CLASSES.length]) ?? inks.paper;
}

const RAMP: readonly Color[] = [[12, 35, 64], [23, 74, 124], [63, 124, 172], [141, 183, 213], [223, 235, 245]];
const COLLAPSE: Color = [194, 24, 91];

/** Rank 0 in a color of its own, the others on a ramp: the lowest is darkest, the highest palest. */
export function rankColor(rank: number, highest: number): Color {
  if (rank <= 0) return COLLAPSE;
  const place = highest > 1 ? (rank - 1) / (highest - 1) : 1;
  return onRamp(RAMP, 0.4 + 0.55 * place);
}

// Purple shrinks, green grows; the middle is quiet on either paper.
const SHRINK: Color = [118, 42, 131];
const GROW: Color = [27, 120, 55];
const SHRINK_DARK: Color = [178, 120, 196];
const GROW_DARK: Color = [90, 190, 110];

/** Ends and middle of the ramp of log10 stretch. */
export function stretchRamp(inks: Inks): [Color, Color, Color] {
  return inks.dark ? [SHRINK_DARK, [60, 66, 73], GROW_DARK] : [SHRINK, [226, 229, 233], GROW];
}

export function stretchColor(value: number, limit: number, inks: Inks): Color {
  const place = Math.min(Math.max(value / limit, -1), 1);
  const [low, middle, high] = stretchRamp(inks);
  return blend(middle, place < 0 ? low : high, Math.abs(place));
}

// Polytopes: quiet hues that differ in lightness too.
const TINTS: readonly Color[] = [
  [127, 163, 192], [203, 184, 138], [151, 181, 154], [183, 155, 184], [169, 198, 214], [211, 164, 143], [143, 147, 184],
];

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
  const at = Math.min(Math.max(place, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return blend(ramp[low], ramp[low + 1], at - low);
}
