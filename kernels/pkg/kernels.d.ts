/* tslint:disable */
/* eslint-disable */

/**
 * `x + y`.
 */
export function add(team: number, x: number, y: number, n: number, out: number): void;

/**
 * Adds the parts to `sums`, in their order.
 */
export function add_parts(team: number, sums: number, cols: number, parts: number, count: number): void;

/**
 * Sets the weights (rows x cols) whose bit is 1 to +0.
 */
export function apply(team: number, weight: number, dtype: number, rows: number, cols: number, mask: number): void;

/**
 * `out` (tokens x heads * dim) from q of the same shape and the packed K and V. A chunk is eight queries of a head.
 */
export function attention(team: number, q: number, packed: number, sequences: number, length: number, heads: number, kv_heads: number, dim: number, out: number, scratch: number): void;

/**
 * f32 of scratch for each worker: a panel of queries, their scores, their output.
 */
export function attention_scratch(length: number, dim: number): number;

/**
 * u32 of scratch for each worker that [`select_columns`] needs.
 */
export function columns_scratch(rows: number): number;

/**
 * Counts one digit of the `n` scores.
 */
export function count_digit(team: number, scores: number, n: number, k: number, digit: number, histograms: number): void;

/**
 * Counts in every run of `run` rows the scores that equal the one at the cut.
 */
export function count_ties(team: number, scores: number, n: number, run: number, k: number, histograms: number, ties: number): void;

/**
 * Takes the vocabulary's rows `first..first + outs`, packed, into the state of every token.
 */
export function cross_entropy(team: number, hidden: number, tokens: number, depth: number, panels: number, first: number, outs: number, targets: number, state: number, start: boolean, scratch: number): void;

/**
 * f32 of scratch for each worker.
 */
export function cross_entropy_scratch(): number;

/**
 * One step of the search: `thresholds` of the rows (everything below falls) and, in `counts[step]`, how many fall.
 */
export function cumulative_step(team: number, sorted: number, sums: number, rows: number, cols: number, sparsity: number, step: number, counts: number, thresholds: number): void;

/**
 * Row `t` of `out` becomes row `ids[t] - first` of the table, if the table's `rows` have it.
 */
export function embed(team: number, ids: number, tokens: number, table: number, dtype: number, first: number, rows: number, cols: number, out: number): void;

/**
 * `out = scale * sums`, rounded once.
 */
export function finish(team: number, sums: number, cols: number, scale: number, out: number): void;

/**
 * u32 of the histograms.
 */
export function histogram_counts(): number;

/**
 * Columns `first..first + outs` of y (tokens x `stride`) from the packed slice of the weight. `bias` (1 x stride) is
 * null if there is none. `scratch` holds [`SCRATCH`] f32 for each worker.
 */
export function linear(team: number, x: number, tokens: number, depth: number, panels: number, first: number, outs: number, bias: number, bias_dtype: number, y: number, stride: number, scratch: number): void;

/**
 * f32 of scratch for each worker that [`linear`] needs.
 */
export function linear_scratch(): number;

/**
 * The mask of the thresholds.
 */
export function mark_cumulative(team: number, scores: number, rows: number, cols: number, thresholds: number, mask: number): void;

/**
 * The mask of the group's rows; `run` as for [`count_ties`], a whole number of rows.
 */
export function mark_long(team: number, scores: number, n: number, run: number, cols: number, k: number, whole_ties: boolean, histograms: number, ties: number, mask: number): void;

/**
 * `sums += other`.
 */
export function merge(team: number, sums: number, other: number, cols: number): void;

/**
 * Packs K and V (tokens x kv_heads * dim) of whole sequences into `packed`.
 */
export function pack_keys_values(team: number, k: number, v: number, sequences: number, length: number, kv_heads: number, dim: number, packed: number): void;

/**
 * Packs rows `first..first + rows` of the weight (rows of `depth` numbers) into `panels`.
 */
export function pack_slice(team: number, weight: number, dtype: number, depth: number, first: number, rows: number, panels: number): void;

/**
 * f32 of packed K and V for each sequence and kv head.
 */
export function packed_floats(length: number, dim: number): number;

/**
 * `runs` runs of `size` numbers, each normalised and multiplied by the gain.
 */
export function rms_norm(team: number, x: number, runs: number, size: number, gain: number, dtype: number, epsilon: number, out: number): void;

/**
 * `angles` is length x dim: of a position the cosines of the dim/2 frequencies, then their sines.
 */
export function rotate(team: number, x: number, tokens: number, heads: number, dim: number, angles: number, length: number, out: number): void;

/**
 * Scores of a weight (rows x cols); `statistic` (1 x cols) is null for the magnitude alone.
 */
export function score(team: number, weight: number, dtype: number, rows: number, cols: number, statistic: number, out: number): void;

/**
 * Every column on its own: the `k` smallest fall.
 */
export function select_columns(team: number, scores: number, rows: number, cols: number, k: number, whole_ties: boolean, mask: number, scratch: number): void;

/**
 * `remove` = m - n. m divides cols.
 */
export function select_groups(team: number, scores: number, rows: number, cols: number, remove: number, m: number, mask: number): void;

/**
 * Every run of `group` rows on its own: the `k` smallest of each fall, `last_k` of the last (which may be shorter).
 */
export function select_rows(team: number, scores: number, rows: number, cols: number, group: number, k: number, last_k: number, whole_ties: boolean, mask: number): void;

/**
 * Sorts a copy of every row, and sums it.
 */
export function sort_rows(team: number, scores: number, rows: number, cols: number, sorted: number, sums: number): void;

/**
 * Of every part of the rows of x the column sums of `x²`: `parts` is ceil(rows / 64) x cols.
 */
export function square_parts(team: number, x: number, rows: number, cols: number, parts: number): void;

/**
 * f64 of scratch for [`square_parts`].
 */
export function square_scratch(rows: number, cols: number): number;

/**
 * `silu(gate) * up = gate / (1 + e^-gate) * up`.
 */
export function swiglu(team: number, gate: number, up: number, n: number, out: number): void;

/**
 * `n` bytes of 0.
 */
export function zero(team: number, out: number, n: number): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly add: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly add_parts: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly apply: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly attention: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly attention_scratch: (a: number, b: number) => number;
    readonly columns_scratch: (a: number) => number;
    readonly count_digit: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly count_ties: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly cross_entropy: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number) => void;
    readonly cross_entropy_scratch: () => number;
    readonly cumulative_step: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly embed: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly finish: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly histogram_counts: () => number;
    readonly linear: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number) => void;
    readonly linear_scratch: () => number;
    readonly mark_cumulative: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly mark_long: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly merge: (a: number, b: number, c: number, d: number) => void;
    readonly pack_keys_values: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly pack_slice: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly packed_floats: (a: number, b: number) => number;
    readonly rms_norm: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly rotate: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly score: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly select_columns: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly select_groups: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly select_rows: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly sort_rows: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly square_parts: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly square_scratch: (a: number, b: number) => number;
    readonly swiglu: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly zero: (a: number, b: number, c: number) => void;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_thread_destroy: (a?: number, b?: number, c?: number) => void;
    readonly __wbindgen_start: (a: number) => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput, memory?: WebAssembly.Memory, thread_stack_size?: number }} module - Passing `SyncInitInput` directly is deprecated.
 * @param {WebAssembly.Memory} memory - Deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput, memory?: WebAssembly.Memory, thread_stack_size?: number } | SyncInitInput, memory?: WebAssembly.Memory): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput>, memory?: WebAssembly.Memory, thread_stack_size?: number }} module_or_path - Passing `InitInput` directly is deprecated.
 * @param {WebAssembly.Memory} memory - Deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput>, memory?: WebAssembly.Memory, thread_stack_size?: number } | InitInput | Promise<InitInput>, memory?: WebAssembly.Memory): Promise<InitOutput>;
