// The decision boundary: where the logit, linear on every triangle of the grid, is 0. It is cut once; its points ride on
// the edges of the grid as these move.

import type { Scene } from "./scene.ts";

export interface Boundary {
  from: Uint32Array; // both ends of the edge that carries each point
  to: Uint32Array;
  share: Float32Array; // of the way from one to the other
  segments: Uint32Array; // pairs of points
}

export function boundaryOf(scene: Scene): Boundary | null {
  const { logit } = scene;
  // a boundary that comes with the scene is exact
  if (!logit || scene.primitives.some((entry) => entry.role === "boundary")) return null;
  const known = new Map<number, number>();
  const from: number[] = [];
  const to: number[] = [];
  const share: number[] = [];
  const segments: number[] = [];
  const cut = (a: number, b: number): number => {
    const [low, high] = a < b ? [a, b] : [b, a];
    const key = low * scene.count + high;
    let found = known.get(key);
    if (found === undefined) {
      known.set(key, (found = from.length));
      from.push(low);
      to.push(high);
      share.push(logit[low] / (logit[low] - logit[high]));
    }
    return found;
  };
  for (const entry of scene.primitives) {
    if (entry.role !== "grid" || entry.kind !== "triangles") continue;
    for (let i = 0; i < entry.indices.length; i += 3) {
      const corners = entry.indices.subarray(i, i + 3);
      const ends: number[] = [];
      corners.forEach((a, k) => {
        const b = corners[(k + 1) % 3];
        if (logit[a] > 0 !== logit[b] > 0) ends.push(cut(a, b));
      });
      if (ends.length === 2) segments.push(...ends);
    }
  }
  return {
    from: Uint32Array.from(from), to: Uint32Array.from(to), share: Float32Array.from(share), segments: Uint32Array.from(segments),
  };
}

/** Put the points of the boundary where their edges are now; they stand after the first `first` vertices. */
export function ride(boundary: Boundary, positions: Float32Array, first: number): void {
  const { from, to, share } = boundary;
  for (let i = 0, out = 3 * first; i < from.length; i++) {
    for (let axis = 0; axis < 3; axis++, out++) {
      positions[out] = (1 - share[i]) * positions[3 * from[i] + axis] + share[i] * positions[3 * to[i] + axis];
    }
  }
}
