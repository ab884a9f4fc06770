// The renderer without WebGL: the same marks on a 2-D canvas. In 3-D what is far is painted first.

import { clamp } from "./numbers.ts";
import { toPixels } from "./camera.ts";
import { blend, classColor, css, stretchColor } from "./palette.ts";
import type { Color } from "./palette.ts";
import type { Scene } from "./scene.ts";
import { HAZE, colorsOf, opacity, tintOf } from "./marks.ts";
import type { Mark, Picture, Renderer } from "./marks.ts";

const LIMIT = 12000; // items that are sorted by depth in one frame
const ALONE = 3000; // points that are drawn one by one, each on its own paper

interface Painted {
  mark: Mark;
  fill: Uint8Array;
  edge: Uint8Array;
}

export function canvasRenderer(canvas: HTMLCanvasElement, scene: Scene, marks: Mark[]): Renderer {
  const context = canvas.getContext("2d")!;
  const solid = scene.view.dimension === 3;
  const counted = (chosen: Mark[]) => chosen.reduce((sum, mark) => sum + mark.count, 0);
  // the sides of the boundary go first where there is too much, then every second mark
  const kept = solid && counted(marks) > LIMIT ? marks.filter((mark) => mark.role !== "grid" || mark.per < 3) : marks;
  const every = solid ? Math.max(Math.ceil(counted(kept) / LIMIT), 1) : 1; // of so many items one is drawn
  const note = `Drawn without WebGL${every > 1 ? `, one mark in ${every}` : ""}.`;
  let painted: Painted[] = [];
  let paintedKey = "";
  let pixels = new Float32Array(0);
  return { name: "canvas2d", note, canvas, resize, draw };

  function resize(width: number, height: number, ratio: number): void {
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  function draw(picture: Picture): void {
    const { positions, projection } = picture;
    if (picture.lookKey !== paintedKey) {
      painted = kept.map((mark) => ({ mark, ...colorsOf(mark, picture.look) }));
      paintedKey = picture.lookKey;
    }
    if (pixels.length !== positions.length) pixels = new Float32Array(positions.length);
    for (let i = 0; i < positions.length; i += 3) {
      toPixels(projection, positions[i], positions[i + 1], positions[i + 2], pixels, i);
    }
    context.clearRect(0, 0, projection.width, projection.height);
    context.lineCap = "round";
    context.lineJoin = "round";
    if (solid) drawSolid(picture);
    else for (const entry of painted) drawFlat(entry, picture);
    context.globalAlpha = 1;
  }

  function drawFlat(entry: Painted, picture: Picture): void {
    const { mark } = entry;
    const alpha = opacity(mark, picture.look, picture.t);
    if (alpha <= 0) return;
    if (mark.kind === "triangles" && tintOf(mark, picture.look) === "sides" && scene.logit) {
      drawSides(mark, picture);
      return;
    }
    context.globalAlpha = alpha;
    // one path for each color: hundreds of items, a handful of calls
    const groups = new Map<string, number[]>();
    for (let i = 0; i < mark.count; i++) {
      const key = css(colorAt(entry, i, picture));
      const shape = mark.kind === "points" ? `|${css(rgb(entry.edge, i))}|${entry.edge[4 * i + 3]}|${mark.count > ALONE || i}` : "";
      const group = groups.get(key + shape);
      if (group) group.push(i);
      else groups.set(key + shape, [i]);
    }
    for (const [key, items] of groups) {
      const [fill, edge, shape] = key.split("|");
      context.beginPath();
      for (const i of items) trace(mark, i, mark.width / 2, Number(shape));
      finish(mark, fill, edge);
    }
  }

  function drawSolid(picture: Picture): void {
    const items: { entry: Painted; i: number; far: number }[] = [];
    for (const entry of painted) {
      if (opacity(entry.mark, picture.look, picture.t) <= 0) continue;
      for (let i = 0; i < entry.mark.count; i += every) {
        let w = 0;
        for (let k = 0; k < entry.mark.per; k++) w += pixels[3 * entry.mark.ids[entry.mark.per * i + k] + 2];
        items.push({ entry, i, far: w / entry.mark.per });
      }
    }
    items.sort((a, b) => b.far - a.far);
    for (const { entry, i, far } of items) {
      const { mark } = entry;
      const { inks } = picture.look;
      const fog = clamp((far - 0.8) / 0.4) * HAZE;
      const color = css(blend(shaded(entry, i, picture), inks.paper, fog));
      context.globalAlpha = opacity(mark, picture.look, picture.t);
      context.beginPath();
      trace(mark, i, mark.width / 2 / far, entry.edge[4 * i + 3]);
      finish(mark, color, css(rgb(entry.edge, i)));
    }
  }

  function trace(mark: Mark, i: number, radius: number, shape: number): void {
    const at = (k: number) => 3 * mark.ids[mark.per * i + k];
    const a = at(0);
    if (mark.kind === "points") {
      outline(context, pixels[a], pixels[a + 1], radius, shape);
      return;
    }
    const b = at(1);
    context.moveTo(pixels[a], pixels[a + 1]);
    context.lineTo(pixels[b], pixels[b + 1]);
    if (mark.kind === "segments") return;
    const c = at(2);
    context.lineTo(pixels[c], pixels[c + 1]);
  }

  function finish(mark: Mark, fill: string, edge: string): void {
    if (mark.kind === "segments") {
      context.strokeStyle = fill;
      context.lineWidth = mark.width;
      context.stroke();
      return;
    }
    if (mark.kind === "points") {
      context.strokeStyle = edge;
      context.lineWidth = 2;
      context.stroke();
    } else if (mark.lit) {
      // hides the seams between neighbors
      context.strokeStyle = fill;
      context.lineWidth = 0.6;
      context.stroke();
    }
    context.fillStyle = fill;
    context.fill("nonzero");
  }

  function colorAt(entry: Painted, i: number, picture: Picture): Color {
    const { mark } = entry;
    const { look } = picture;
    const tint = tintOf(mark, look);
    if (tint === "none") return rgb(entry.fill, i);
    const mean = (channel: number) => {
      let total = 0;
      for (let k = 0; k < mark.per; k++) total += picture.scalars[3 * mark.ids[mark.per * i + k] + channel];
      return total / mark.per;
    };
    // steps of a tenth, so that many items share a color
    if (tint === "stretch") return stretchColor(Math.round(mean(1) * 10) / 10, picture.stretchLimit, look.inks);
    if (scene.logit) return classColor(mean(0) > 0 ? 1 : 0, look.inks);
    return classColor(picture.scalars[3 * mark.ids[mark.per * i] + 2], look.inks);
  }

  function shaded(entry: Painted, i: number, picture: Picture): Color {
    const { mark } = entry;
    const found = colorAt(entry, i, picture);
    if (!mark.lit) return found;
    const [a, b, c] = [0, 1, 2].map((k) => 3 * mark.ids[3 * i + k]);
    const p = picture.positions;
    const [u, v] = [b, c].map((q) => [p[q] - p[a], p[q + 1] - p[a + 1], p[q + 2] - p[a + 2]]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const eye = picture.projection.depth;
    const size = Math.hypot(...n) * Math.hypot(eye[0], eye[1], eye[2]) || 1;
    const facing = Math.abs(n[0] * eye[0] + n[1] * eye[1] + n[2] * eye[2]) / size;
    return found.map((value) => Math.min(255, Math.round(value * (0.55 + 0.5 * facing)))) as unknown as Color;
  }

  /** Both sides of the boundary, cut exactly where the interpolated logit is 0. */
  function drawSides(mark: Mark, picture: Picture): void {
    const { inks } = picture.look;
    const sides = [new Path2D(), new Path2D()];
    for (let i = 0; i < mark.count; i++) {
      const ids = [0, 1, 2].map((k) => mark.ids[3 * i + k]);
      const z = ids.map((id) => picture.scalars[3 * id]);
      const [a, b, c] = ids.map((id) => 3 * id);
      // one orientation, so that neighbors add up
      const area = (pixels[b] - pixels[a]) * (pixels[c + 1] - pixels[a + 1]) - (pixels[c] - pixels[a]) * (pixels[b + 1] - pixels[a + 1]);
      const order = area < 0 ? [0, 2, 1] : [0, 1, 2];
      const kept: [number, number][][] = [[], []];
      order.forEach((k, n) => {
        const next = order[(n + 1) % 3];
        const [p, q] = [3 * ids[k], 3 * ids[next]];
        kept[z[k] > 0 ? 1 : 0].push([pixels[p], pixels[p + 1]]);
        if (z[k] > 0 !== z[next] > 0) {
          const s = z[k] / (z[k] - z[next]);
          const at: [number, number] = [
            pixels[p] + s * (pixels[q] - pixels[p]), pixels[p + 1] + s * (pixels[q + 1] - pixels[p + 1]),
          ];
          kept[0].push(at);
          kept[1].push(at);
        }
      });
      kept.forEach((corners, side) => polygon(sides[side], corners));
    }
    context.globalAlpha = inks.tint;
    sides.forEach((path, side) => {
      context.fillStyle = css(classColor(side, inks));
      context.fill(path);
    });
  }
}

function polygon(path: Path2D, corners: [number, number][]): void {
  if (corners.length < 3) return;
  corners.forEach((corner, i) => (i ? path.lineTo(...corner) : path.moveTo(...corner)));
  path.closePath();
}

function rgb(colors: Uint8Array, i: number): Color {
  return [colors[4 * i], colors[4 * i + 1], colors[4 * i + 2]];
}

const CROSS: readonly (readonly [number, number])[] = [
  [-0.36, -1.1], [0.36, -1.1], [0.36, -0.36], [1.1, -0.36], [1.1, 0.36], [0.36, 0.36],
  [0.36, 1.1], [-0.36, 1.1], [-0.36, 0.36], [-1.1, 0.36], [-1.1, -0.36], [-0.36, -0.36],
];
const CORNERS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  1: regular(4, 1.22, 0.5),
  2: [[0, -1.07], [0.93, 0.78], [-0.93, 0.78]],
  3: CROSS.map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]),
  4: regular(4, 1.16, 0),
  5: [[0, 1.07], [0.93, -0.78], [-0.93, -0.78]],
  6: CROSS,
  7: regular(6, 1, 0),
};

function regular(n: number, radius: number, turn: number): [number, number][] {
  return Array.from({ length: n }, (_, k) => {
    const angle = ((k + turn) * 2 * Math.PI) / n;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** The shape of a class as a path; 0 is the disc. */
export function outline(context: CanvasRenderingContext2D | Path2D, x: number, y: number, radius: number, shape: number): void {
  const corners = CORNERS[shape];
  if (!corners) {
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([dx, dy], i) =>
    i ? context.lineTo(x + radius * dx, y + radius * dy) : context.moveTo(x + radius * dx, y + radius * dy),
  );
  context.closePath();
}

/** The same as SVG path data around the origin, for legends. */
export function outlinePath(radius: number, shape: number): string {
  const corners = CORNERS[shape];
  if (!corners) return `M${radius} 0A${radius} ${radius} 0 1 1 ${-radius} 0A${radius} ${radius} 0 1 1 ${radius} 0Z`;
  return `M${corners.map(([x, y]) => `${(x * radius).toFixed(2)} ${(y * radius).toFixed(2)}`).join("L")}Z`;
}
