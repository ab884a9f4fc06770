// Pack a text: pieces that come again and again become single letters. src/unpack.ts reads it.
//
// The style sheet and the shaders are a quarter of the viewer; packed they take half the room, and the same bytes come
// out with every version of Node, which no compressor promises.

const LONGEST = 24;
const PIECES = 120;

export function packed(text) {
  const spare = letters(text);
  const pieces = [];
  let body = text;
  while (pieces.length < PIECES && spare.length > 0) {
    const [letter, price] = spare[0];
    const best = bestPiece(body, price);
    if (!best) break;
    spare.shift();
    body = body.split(best).join(letter);
    pieces.unshift(letter + best); // later pieces may hold letters of earlier ones, so they are undone first
  }
  return [body, ...pieces].join("\n");
}

/** Letters that the text does not use, with their bytes: first those of one byte. */
function letters(text) {
  const found = [];
  for (let code = 33; code < 256; code++) {
    const letter = String.fromCharCode(code);
    if (code > 126 && code < 161) continue;
    if (text.includes(letter) || '"\\`'.includes(letter) || code === 173) continue;
    found.push([letter, code < 128 ? 1 : 2]);
  }
  return found;
}

function bestPiece(text, price) {
  const counts = new Map();
  for (let length = 3; length <= LONGEST; length++) {
    const ends = new Map(); // where the last one counted ends, so that overlaps count once
    for (let at = 0; at + length <= text.length; at++) {
      const piece = text.slice(at, at + length);
      if (piece.includes("\n") || (ends.get(piece) ?? 0) > at) continue;
      ends.set(piece, at + length);
      counts.set(piece, (counts.get(piece) ?? 0) + 1);
    }
  }
  let best = null;
  let most = 3; // bytes saved at least
  for (const [piece, count] of counts) {
    const saved = count * (piece.length - price) - piece.length - price - 2;
    if (saved > most || (saved === most && best !== null && piece < best)) [best, most] = [piece, saved];
  }
  return best;
}
