/** The nearest number from `low` to `high`. */
export function clamp(value: number, low = 0, high = 1): number {
  return Math.min(Math.max(value, low), high);
}
