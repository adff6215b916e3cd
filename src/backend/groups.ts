/** Tokens by the row of a table that each of them has: what the gradient of an embedding adds up row by row. */

/** Rows of a table and the tokens that name them. */
export interface TokenGroups {
  /** Rows of the table, each once. */
  readonly rows: Uint32Array;
  /** Where the tokens of each row begin among `tokens`, and behind them their number. */
  readonly starts: Uint32Array;
  /** Tokens, row after row, ascending for each. */
  readonly tokens: Uint32Array;
}

/** The tokens whose ids are among `count` rows from `first` on, by row. */
export function groupTokens(ids: Uint32Array, first: number, count: number): TokenGroups {
  const groups = new Map<number, number[]>();
  ids.forEach((id, token) => {
    const row = id - first;
    if (row < 0 || row >= count) return;
    const known = groups.get(row);
    if (known) known.push(token);
    else groups.set(row, [token]);
  });
  const starts = new Uint32Array(groups.size + 1);
  [...groups.values()].forEach(({ length }, i) => starts[i + 1] = starts[i] + length);
  return { rows: Uint32Array.from(groups.keys()), starts, tokens: Uint32Array.from([...groups.values()].flat()) };
}
