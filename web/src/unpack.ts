/** Text that the build has packed: a body, then one line for each piece, the letter that stands for it first. */
export function unpacked(packed: string): string {
  const [body, ...pieces] = packed.split("\n");
  return pieces.reduce((text, piece) => text.split(piece[0]).join(piece.slice(1)), body);
}
