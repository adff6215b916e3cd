/**
 * The linear sum assignment problem: one column for every row, each once, so that the sum of their values is greatest. By
 * shortest augmenting paths with potentials (Jonker and Volgenant, 1987, without their initialisation), O(n³).
 */

/**
 * The column of every row.
 * @param values n x n, row-major, finite.
 */
export function assignGreatest(values: Float64Array, n: number): Uint32Array {
  // Counted from 1: row and column 0 are where a path begins. Costs are the negative values.
  const rowPotential = new Float64Array(n + 1), columnPotential = new Float64Array(n + 1);
  const rowOf = new Uint32Array(n + 1), cameFrom = new Uint32Array(n + 1);
  const shortest = new Float64Array(n + 1), used = new Uint8Array(n + 1);
  for (let row = 1; row <= n; row++) {
    rowOf[0] = row;
    shortest.fill(Infinity);
    used.fill(0);
    let column = 0;
    while (rowOf[column] !== 0) {
      used[column] = 1;
      const from = rowOf[column], at = (from - 1) * n - 1, potential = rowPotential[from];
      let least = Infinity, next = 0;
      for (let j = 1; j <= n; j++) {
        if (used[j]) continue;
        const length = -values[at + j] - potential - columnPotential[j];
        if (length < shortest[j]) {
          shortest[j] = length;
          cameFrom[j] = column;
        }
        if (shortest[j] < least) {
          least = shortest[j];
          next = j;
        }
      }
      for (let j = 0; j <= n; j++) {
        if (used[j]) {
          rowPotential[rowOf[j]] += least;
          columnPotential[j] -= least;
        } else {
          shortest[j] -= least;
        }
      }
      column = next;
    }
    while (column !== 0) {
      const before = cameFrom[column];
      rowOf[column] = rowOf[before];
      column = before;
    }
  }
  const columns = new Uint32Array(n);
  for (let j = 1; j <= n; j++) columns[rowOf[j] - 1] = j - 1;
  return columns;
}
