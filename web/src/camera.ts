// From the three shown coordinates to pixels.

import { clamp } from "./numbers.ts";
import type { Scene } from "./scene.ts";

export interface Camera {
  mode: "fixed" | "follow";
  yaw: number; // turn around the third axis
  tilt: number; // 0 looks down the third axis, pi / 2 has it upright
  zoom: number;
  panX: number; // in radii of the frame
  panY: number;
}

/** The ball that fills the stage. */
export interface Frame {
  center: readonly [number, number, number];
  radius: number;
}

const MARGIN = 1.1;
const DISTANCE = 5; // of the eye, in radii: a gentle perspective
const TOP = Math.PI;

export function restingCamera(scene: Scene): Camera {
  const solid = scene.view.dimension === 3;
  return { mode: scene.camera.mode, yaw: solid ? -0.55 : 0, tilt: solid ? 1.05 : 0, zoom: 1, panX: 0, panY: 0 };
}

/** The one ball that holds the balls of all layers. */
export function fixedFrame(boxes: readonly (readonly number[])[]): Frame {
  const low = [0, 1, 2].map((i) => Math.min(...boxes.map((box) => box[i] - box[3])));
  const high = [0, 1, 2].map((i) => Math.max(...boxes.map((box) => box[i] + box[3])));
  const center = low.map((value, i) => (value + high[i]) / 2) as [number, number, number];
  return { center, radius: Math.max(...boxes.map((box) => Math.hypot(...center.map((c, i) => c - box[i])) + box[3])) };
}

/** Between balls at the stops of a unit, from its start to its end. */
export function followFrame(stops: readonly number[], boxes: readonly (readonly number[])[], share: number): Frame {
  let k = 0;
  while (k < stops.length - 2 && share > stops[k + 1]) k++;
  const s = clamp((share - stops[k]) / (stops[k + 1] - stops[k]));
  const [x, y, z, radius] = boxes[k].map((value, i) => value + (boxes[k + 1][i] - value) * s);
  return { center: [x, y, z], radius };
}

/** A ball around some vertices: x, y, z, radius. */
export function ballOf(positions: Float32Array, ids: ArrayLike<number>, least: number): number[] {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < ids.length; i++) {
    for (let axis = 0; axis < 3; axis++) {
      const value = positions[3 * ids[i] + axis];
      low[axis] = Math.min(low[axis], value);
      high[axis] = Math.max(high[axis], value);
    }
  }
  const center = low.map((value, axis) => (value + high[axis]) / 2);
  let radius = least;
  for (let i = 0; i < ids.length; i++) {
    radius = Math.max(radius, Math.hypot(...center.map((value, axis) => positions[3 * ids[i] + axis] - value)));
  }
  return [...center, radius];
}

/** A projection for one stage size; `matrix` is column-major and maps to clip space. */
export interface Projection {
  matrix: Float32Array;
  depth: readonly [number, number, number, number]; // signed distance towards the eye, in radii
  scale: number; // CSS pixels of one unit at the center
  radius: number; // of the frame
  width: number;
  height: number;
}

export function projection(camera: Camera, frame: Frame, dimension: number, width: number, height: number): Projection {
  const { center, radius } = frame;
  const scale = (Math.min(width, height) / 2 / (radius * MARGIN)) * camera.zoom;
  const rows = dimension === 3 ? turned(camera) : [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const far = dimension === 3 ? DISTANCE * radius : Infinity;
  const [kx, ky] = [(2 * scale) / width, (2 * scale) / height];
  // distance d = far - z' from the eye; depth = A + B / d runs from -1 near the eye to 1 far away
  const [n, f] = [radius * 0.5, radius * DISTANCE * 20];
  const b = (2 * n * f) / (n - f);
  const a = 1 - b / f;
  const out = new Float32Array(16);
  const set = (row: number, factors: readonly number[], constant: number) => {
    let moved = constant;
    for (let i = 0; i < 3; i++) {
      out[4 * i + row] = factors[i];
      moved -= factors[i] * center[i];
    }
    out[12 + row] = moved;
  };
  set(0, rows[0].map((v) => kx * v), kx * camera.panX * radius);
  set(1, rows[1].map((v) => ky * v), ky * camera.panY * radius);
  if (dimension === 3) {
    set(2, rows[2].map((v) => (-a * v) / far), (a * far + b) / far);
    set(3, rows[2].map((v) => -v / far), 1);
  } else {
    set(2, [0, 0, 0], 0);
    set(3, [0, 0, 0], 1);
  }
  const [dx, dy, dz] = rows[2].map((v) => v / radius);
  const depth = [dx, dy, dz, -(dx * center[0] + dy * center[1] + dz * center[2])] as const;
  return { matrix: out, depth: dimension === 3 ? depth : [0, 0, 0, 0], scale, radius, width, height };
}

/** Pixels (from the top left) and clip w of a point; w <= 0 is behind the eye. */
export function toPixels(p: Projection, x: number, y: number, z: number, out: Float32Array | number[], at: number): void {
  const m = p.matrix;
  const w = m[3] * x + m[7] * y + m[11] * z + m[15];
  out[at] = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / w / 2 + 0.5) * p.width;
  out[at + 1] = (0.5 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w / 2) * p.height;
  out[at + 2] = w;
}

/** Where the three axes point on the screen, with their depth towards the eye. */
export function axisDirections(camera: Camera, dimension: number): number[][] {
  const rows = dimension === 3 ? turned(camera) : [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  return [0, 1, 2].slice(0, dimension).map((i) => [rows[0][i], -rows[1][i], rows[2][i]]);
}

export function orbited(camera: Camera, dx: number, dy: number): Camera {
  const tilt = clamp(camera.tilt - dy, 0, TOP);
  return { ...camera, yaw: wrapped(camera.yaw + dx), tilt };
}

/** Zoom around a point of the stage, given in radii of the frame from its center on the screen. */
export function zoomed(camera: Camera, factor: number, x = 0, y = 0): Camera {
  const zoom = clamp(camera.zoom * factor, 0.2, 200);
  const ratio = camera.zoom / zoom;
  return { ...camera, zoom, panX: x * ratio - (x - camera.panX), panY: y * ratio - (y - camera.panY) };
}

/** A round length for the scale bar, near `pixels` pixels long. */
export function scaleBar(scale: number, pixels = 90): { length: number; pixels: number } {
  const wanted = pixels / scale;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= wanted) ?? power;
  return { length, pixels: length * scale };
}

function turned(camera: Camera): number[][] {
  const [c, s] = [Math.cos(camera.yaw), Math.sin(camera.yaw)];
  const [u, v] = [Math.cos(camera.tilt), Math.sin(camera.tilt)];
  return [[c, -s, 0], [u * s, u * c, v], [-v * s, -v * c, u]];
}

function wrapped(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
}
