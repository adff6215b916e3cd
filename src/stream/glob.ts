/**
 * Name globs: `*` is any run of characters, `?` any one; the whole name must match, or end with the glob after a dot. No
 * glob, however it is made, takes more steps than its length times the name's: not a regular expression, whose engine
 * tries every way in which several stars could share a name.
 */

/** Which names a glob is for. */
export interface Glob {
  /** Whether a name is one of them. */
  test(name: string): boolean;
}

/** A glob over tensor names: `mlp.up_proj` and `model.layers.*.mlp.up_proj` both find a linear. */
export function parseGlob(glob: string): Glob {
  const whole = glob.split("*"), end = `*.${glob}`.split("*");
  return { test: (name) => matches(whole, name) || matches(end, name) };
}

/** Whether a name is these pieces in their order, the first at its beginning, the last at its end, anything between. */
function matches(pieces: readonly string[], name: string): boolean {
  const [first, last] = [pieces[0], pieces.at(-1)!];
  if (pieces.length === 1) return first.length === name.length && standsAt(first, name, 0);
  let at = first.length;
  const stop = name.length - last.length;
  if (at > stop || !standsAt(first, name, 0) || !standsAt(last, name, stop)) return false;
  // Where a piece can stand it is taken at once: whatever follows it has the more room.
  for (const piece of pieces.slice(1, -1)) {
    while (at + piece.length <= stop && !standsAt(piece, name, at)) at++;
    if (at + piece.length > stop) return false;
    at += piece.length;
  }
  return true;
}

function standsAt(piece: string, name: string, at: number): boolean {
  for (let i = 0; i < piece.length; i++) if (piece[i] !== "?" && piece[i] !== name[at + i]) return false;
  return true;
}
