/* tslint:disable */
/* eslint-disable */

/**
 * Sums `|W|` (rows x cols): first the rows, then of every part of the rows the columns.
 */
export function absolute_parts(team: number, weight: number, dtype: number, rows: number, cols: number, sums: number): void;

/**
 * f64 of the sums of the rows and of the parts.
 */
export function absolute_scratch(rows: number, cols: number): number;

/**
 * The function of this number of all `n`, times `up` unless that is null; `by` is the factor, or the cap.
 */
export function activate(team: number, _function: number, x: number, up: number, n: number, by: number, out: number): void;

/**
 * See [`each`]; `by` is the factor, or the cap.
 */
export function activate_backward(team: number, _function: number, x: number, up: number, dy: number, n: number, by: number, dx: number, dup: number): void;

/**
 * With `g = scale * gradient`: `m += first_rate (g - m)`, `v = second_keep v + second_rate g²`,
 * `w = keep w - size m / (sqrt(v) / root + epsilon)`, in place, all rows x cols. The mask may be null.
 */
export function adamw(team: number, weight: number, first: number, second: number, gradient: number, rows: number, cols: number, mask: number, scale: number, first_rate: number, second_keep: number, second_rate: number, root: number, epsilon: number, keep: number, size: number): void;

/**
 * `x + y`.
 */
export function add(team: number, x: number, y: number, n: number, out: number): void;

/**
 * Adds the sums of the columns of x, rows x cols, to `out`. Sums are f64.
 */
export function add_column_sums(team: number, x: number, rows: number, cols: number, out: number): void;

/**
 * Adds to the sum of every 64 columns what a run of rows gives: `moment` is 1 x n.
 */
export function add_diagonal(team: number, d: number, rows: number, n: number, moment: number, sums: number): void;

/**
 * Adds the product of a packed run to the sums; after the `last` run they become symmetric.
 */
export function add_gram(team: number, strips: number, tokens: number, cols: number, sums: number, last: boolean): void;

/**
 * Adds to the sum of every block what a packed run of `rows` rows gives: `moment` is n x n.
 */
export function add_moment(team: number, strips: number, rows: number, n: number, moment: number, sums: number): void;

/**
 * Adds the product of a packed run to the gradient, outs x ins.
 */
export function add_outer(team: number, strips: number, outs: number, ins: number, tokens: number, gradient: number): void;

/**
 * Adds the parts to `sums`, in their order.
 */
export function add_parts(team: number, sums: number, cols: number, parts: number, count: number): void;

/**
 * `out[rows[i]] += weights[i] * x[i]`, `count` rows of `cols` numbers, all different in `out`.
 */
export function add_rows(team: number, x: number, count: number, cols: number, rows: number, weights: number, out: number): void;

/**
 * Adds dy, `runs` runs of `width` numbers, to the numbers `first..first + width` of each run of `period` numbers.
 */
export function add_slice(team: number, dy: number, runs: number, period: number, first: number, width: number, out: number): void;

/**
 * Sets the weights (rows x cols) whose bit is 1 to +0.
 */
export function apply(team: number, weight: number, dtype: number, rows: number, cols: number, mask: number): void;

/**
 * See `attention.rs`: the same with K and V (rows x kv_heads * dim, of a dtype) as they are.
 */
export function attend(team: number, q: number, k: number, v: number, dtype: number, spans: number, seen: number, sequences: number, count: number, most: number, heads: number, kv_heads: number, dim: number, scale: number, window: number, cap: number, slopes: number, out: number, scratch: number): void;

/**
 * f32 of scratch for each worker: a query, its output, the scores of so many positions.
 */
export function attend_scratch(positions: number, dim: number): number;

/**
 * `out` (tokens x heads * dim) from q of the same shape and the packed K and V, for `count` sequences. A chunk is eight
 * queries of a head. The query at position `i` sees the keys `i - window + 1..=i`, or all up to itself if `window` is 0;
 * `cap * tanh(score / cap)` takes a score's place unless `cap` is 0; `slopes` are one number for each head, or null.
 * `seen` names the sequences' spans; no sequence has more than `most` positions.
 */
export function attention(team: number, q: number, packed: number, spans: number, seen: number, sequences: number, count: number, most: number, heads: number, kv_heads: number, dim: number, scale: number, window: number, cap: number, slopes: number, out: number, scratch: number): void;

/**
 * Gradients by q, and by the keys and values as every head sees them, all tokens x heads * dim. `offsets` are where the
 * `count` sequences begin and end, none longer than `most`; the rest as in `attention`.
 */
export function attention_backward(team: number, q: number, k: number, v: number, dy: number, offsets: number, count: number, most: number, heads: number, kv_heads: number, dim: number, scale: number, window: number, cap: number, slopes: number, dq: number, dk: number, dv: number, scratch: number): void;

/**
 * f32 of scratch for each worker.
 */
export function attention_backward_scratch(positions: number, dim: number): number;

/**
 * f32 of scratch for each worker: a panel of queries, their scores, their output.
 */
export function attention_scratch(positions: number, dim: number): number;

/**
 * f32 of the packed strips of a block of `count` columns.
 */
export function block_strips(cols: number, first: number, count: number, m: number): number;

/**
 * Whether a weight can be rearranged: its rows are whole registers, and none has two scales.
 */
export function can_pair(value_type: number, cols: number, group: number): boolean;

/**
 * Sets the weights (rows x cols) of dead columns to 0.
 */
export function clear_dead(team: number, weight: number, rows: number, cols: number, dead: number): void;

/**
 * u32 of scratch for each worker that [`select_columns`] needs.
 */
export function columns_scratch(rows: number): number;

/**
 * `out = (a + b) + c`, each term times its coefficient for what is kept or removed, and times its columns (1 x cols), if it has
 * any. Terms b and c may be null, as may the mask (all is kept). a may be out, in f32.
 */
export function combine(team: number, rows: number, cols: number, a: number, a_dtype: number, a_kept: number, a_removed: number, a_columns: number, b: number, b_dtype: number, b_kept: number, b_removed: number, b_columns: number, c: number, c_dtype: number, c_kept: number, c_removed: number, c_columns: number, mask: number, out: number): void;

/**
 * `x += α p`, `r -= α q`, `p = r + β p`, all rows x cols, with q the product where the mask keeps and 0 elsewhere,
 * `α = r·r / p·q` and `β = r·r (new) / r·r (old)`: 0 where their denominators are not above 0. r and p are 0 where the
 * mask removes.
 */
export function conjugate(team: number, x: number, r: number, p: number, rows: number, cols: number, product: number, mask: number): void;

/**
 * `n` numbers of the dtype `from_dtype` at `from`, written in the dtype `to_dtype` at `to`.
 */
export function convert(team: number, from: number, from_dtype: number, n: number, to: number, to_dtype: number): void;

/**
 * `n` bytes as they are.
 */
export function copy(team: number, from: number, n: number, to: number): void;

/**
 * `out` (rows x 1) of the scores (rows x cols).
 */
export function count_above(team: number, scores: number, rows: number, cols: number, limit: number, out: number): void;

/**
 * Counts one digit of the `n` scores.
 */
export function count_digit(team: number, scores: number, n: number, k: number, digit: number, histograms: number): void;

/**
 * Counts in every run of `run` rows the scores that equal the one at the cut.
 */
export function count_ties(team: number, scores: number, n: number, run: number, k: number, histograms: number, ties: number): void;

/**
 * Takes the vocabulary's rows `first..first + outs`, packed, into the state of every token; `cap * tanh(logit / cap)` takes
 * a logit's place unless `cap` is 0.
 */
export function cross_entropy(team: number, hidden: number, tokens: number, depth: number, panels: number, first: number, outs: number, targets: number, state: number, start: boolean, cap: number, scratch: number): void;

/**
 * Gradients by a slice of the logits, whose first is the vocabulary's row `first`, from what [`cross_entropy`] has made of
 * all: `weights[t] (e^(logit - largest) / sum - [target])`, times `1 - tanh²` where logits are capped.
 */
export function cross_entropy_backward(team: number, logits: number, tokens: number, outs: number, first: number, targets: number, weights: number, state: number, cap: number, out: number): void;

/**
 * The same of logits that are there: `outs` of each token, the first of them the vocabulary's row `first`.
 */
export function cross_entropy_of_logits(team: number, logits: number, tokens: number, outs: number, first: number, targets: number, state: number, start: boolean, cap: number): void;

/**
 * f32 of scratch for each worker.
 */
export function cross_entropy_scratch(): number;

/**
 * One step of the search: `thresholds` of the rows (everything below falls) and, in `counts[step]`, how many fall.
 */
export function cumulative_step(team: number, sorted: number, sums: number, rows: number, cols: number, sparsity: number, step: number, counts: number, thresholds: number): void;

/**
 * Counts of a mask (rows x cols) in `down` x `across` cells, which cover whole rows and columns: cell `i` of `n` those
 * from `i * rows / n` to `(i + 1) * rows / n`.
 */
export function density(team: number, mask: number, rows: number, cols: number, down: number, across: number, out: number): void;

/**
 * How many sums [`add_diagonal`] has.
 */
export function diagonal_sums(n: number): number;

/**
 * `out = before - after`, rows `first..first + rows` of weights with `cols` columns; without `after` (null) `before`.
 */
export function difference(team: number, before: number, before_dtype: number, after: number, after_dtype: number, first: number, rows: number, cols: number, out: number): void;

/**
 * `out[i] = Σ_j x[i, j] y[i, j]`. Sums are f64.
 */
export function dot_rows(team: number, x: number, y: number, rows: number, cols: number, out: number): void;

/**
 * `out = x * scale` where `mix(mix(place) ^ key)` is at least `limit`, else 0; `count` numbers.
 */
export function dropout(team: number, x: number, count: number, key: number, limit: number, scale: number, out: number): void;

/**
 * The same with all weights whose worth before the block (see `worth`) is at most the `k`-th smallest, which the
 * histograms know (`select_long.rs`).
 */
export function eliminate_below(team: number, weight: number, rows: number, cols: number, first: number, count: number, strips: number, removed: number, formula: number, column: number, histograms: number, k: number, scratch: number): void;

/**
 * The same, and at every m-th column chooses the `remove` of the next m that go, by what they are worth then (see
 * `worth`). m divides `first` and `count`. `chosen` holds [`groups_scratch`] u32 for each worker.
 */
export function eliminate_groups(team: number, weight: number, rows: number, cols: number, first: number, count: number, strips: number, removed: number, remove: number, m: number, formula: number, column: number, scratch: number, chosen: number): void;

/**
 * Removes from columns `first..first + count` of the weight the weights whose bit is 1 in its mask, and sets their bits in
 * the mask `removed`. `scratch` holds [`eliminate_scratch`] f32 for each worker.
 */
export function eliminate_marked(team: number, weight: number, rows: number, cols: number, first: number, count: number, strips: number, removed: number, mask: number, scratch: number): void;

/**
 * f32 of scratch for each worker that eliminates a block of `count` columns.
 */
export function eliminate_scratch(count: number): number;

/**
 * Row `t` of `out` becomes row `ids[t] - first` of the table, if the table's `rows` have it.
 */
export function embed(team: number, ids: number, tokens: number, table: number, dtype: number, first: number, rows: number, cols: number, out: number): void;

/**
 * Adds rows of dy to the rows of `out` that they were copied from: row `own[g]` of `out` gets the rows of dy that `tokens`
 * names from `starts[g]` to `starts[g + 1]`, in that order.
 */
export function embed_backward(team: number, dy: number, cols: number, own: number, groups: number, starts: number, tokens: number, out: number): void;

/**
 * `out = s_i a_ij s_j`, n x n, 1 on the diagonal; `scale` is 1 x n.
 */
export function equilibrate(team: number, a: number, n: number, scale: number, out: number): void;

/**
 * Rows `first..first + rows` as f32, one after the other at `to`.
 */
export function expand_rows(team: number, weight: number, first: number, rows: number, to: number): void;

/**
 * `out` (rows x 3) of the magnitudes of `values` (rows x cols, finite): -1 for the greatest of none, infinity for the
 * least.
 */
export function extremes(team: number, values: number, dtype: number, rows: number, cols: number, mask: number, out: number): void;

/**
 * Step `k`: finishes block row k of U and packs what the update multiplies. A chunk = a block of row or column k.
 */
export function factor_panel(team: number, wide: boolean, n: number, k: number, u: number, failed: number, scratch: number): void;

/**
 * The pivot of the last block, where the sweep begins.
 */
export function factor_pivot(team: number, wide: boolean, n: number, u: number, failed: number): void;

/**
 * The finished factor, rounded to f32.
 */
export function factor_round(team: number, u: number, n: number, upper: number): void;

/**
 * Numbers of scratch that all workers share: R_:k as the left operand, [-R_:kᵀ | U_k:] as the right one.
 */
export function factor_scratch(n: number): number;

/**
 * The damped Hessian into the upper triangle of `u`, zeros below it; `dead` (1 x n) marks the zeros on its diagonal, and
 * `failed` (one u32) becomes 0. Here and below `u` and the scratch are f64 if `wide`, else f32.
 */
export function factor_start(team: number, wide: boolean, hessian: number, n: number, damping: number, u: number, dead: number, failed: number): void;

/**
 * How many steps there are.
 */
export function factor_steps(n: number): number;

/**
 * Step `k`: brings all that lies above block row k up to date. A chunk = a block.
 */
export function factor_update(team: number, wide: boolean, n: number, k: number, u: number, failed: number, scratch: number): void;

/**
 * f32 of scratch for each worker: x of all tokens, and two factors for the sums of each.
 */
export function few_scratch(tokens: number, depth: number): number;

/**
 * `out = scale * sums`, rounded once.
 */
export function finish(team: number, sums: number, cols: number, scale: number, out: number): void;

/**
 * How many blocks there are on and above the diagonal.
 */
export function gram_blocks(cols: number): number;

/**
 * The most tokens of a run.
 */
export function gram_run(): number;

/**
 * f32 of the packed strips of both widths of a run of tokens.
 */
export function gram_scratch(tokens: number, cols: number): number;

/**
 * The greatest magnitude of every run of `size` finite numbers.
 */
export function greatest_parts(team: number, values: number, dtype: number, size: number, parts: number): void;

/**
 * u32 of scratch for each worker that [`eliminate_groups`] needs.
 */
export function groups_scratch(m: number): number;

/**
 * u32 of the histograms.
 */
export function histogram_counts(): number;

/**
 * Counts into this worker's tables, which begin as zeros.
 */
export function histogram_parts(team: number, values: number, dtype: number, size: number, bins: number, parts: number, tables: number): void;

/**
 * Runs of so many numbers: f32 of [`greatest_parts`].
 */
export function histogram_runs(size: number): number;

/**
 * u32 of the tables of all workers.
 */
export function histogram_tables(workers: number, bins: number): number;

/**
 * The counts, as two f32 each whose sum it is: `out` is 2 x bins.
 */
export function histogram_total(team: number, tables: number, workers: number, bins: number, out: number): void;

/**
 * Columns `first..first + outs` of y (tokens x `stride`) from the packed slice of the weight. `bias` (1 x stride) is
 * null if there is none. `scratch` holds [`SCRATCH`] f32 for each worker.
 */
export function linear(team: number, x: number, tokens: number, depth: number, panels: number, first: number, outs: number, bias: number, bias_dtype: number, y: number, stride: number, scratch: number): void;

/**
 * y (tokens x outs) of x (tokens x depth) and W (outs x depth). In F16 the numbers of W are finite: an infinity or NaN would be
 * taken for 65536 and more, since nobody looks at the exponent. `bias` (1 x outs) is null if there is
 * none. `scratch` holds [`few_scratch`] f32 for each worker.
 */
export function linear_few(team: number, x: number, tokens: number, depth: number, weight: number, dtype: number, outs: number, bias: number, bias_dtype: number, y: number, scratch: number): void;

/**
 * f32 of scratch for each worker that [`linear`] needs.
 */
export function linear_scratch(): number;

/**
 * Rearranges a weight of 16-bit floats: `to` has room for the values, the columns in the mask's stead, and the ends in the offsets'
 * stead, which are there already.
 */
export function list_columns(team: number, from: number, to: number): void;

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
 * `runs` runs of `size` numbers, `per_row` in a row of x, each normalised (about its mean if `layer`) and multiplied by its
 * row of the gain (`rows` x size; run `j` of a row takes row `j % rows`), or by 1 + that if `unit`; plus its row of the
 * bias, unless that is null.
 */
export function norm(team: number, x: number, runs: number, size: number, per_row: number, gain: number, dtype: number, rows: number, bias: number, bias_dtype: number, layer: boolean, unit: boolean, epsilon: number, out: number): void;

/**
 * The gradient by the input; the arguments are those of `norm`, and dy. `moments_of` takes two f64 for each run.
 */
export function norm_backward(team: number, x: number, dy: number, runs: number, size: number, per_row: number, gain: number, dtype: number, rows: number, layer: boolean, unit: boolean, epsilon: number, moments_of: number, out: number): void;

/**
 * Adds what every run has to do with its row of the gain, and of the bias; either may be null.
 */
export function norm_gradients(team: number, x: number, dy: number, runs: number, size: number, per_row: number, rows: number, moments_of: number, gain: number, bias: number): void;

/**
 * The most tokens of a run.
 */
export function outer_run(): number;

/**
 * f32 of the strips of a run of tokens: those of dy, and behind them those of x.
 */
export function outer_scratch(tokens: number, outs: number, ins: number): number;

/**
 * Packs rows `first..first + count` of U (n x n): the block's own strips, then those of 8 columns on its right.
 */
export function pack_block(team: number, upper: number, n: number, first: number, count: number, m: number, strips: number): void;

/**
 * Packs columns `first..first + cols` of the weight (`depth` rows of `stride` numbers) into `panels`.
 */
export function pack_columns(team: number, weight: number, dtype: number, depth: number, stride: number, first: number, cols: number, panels: number): void;

/**
 * Packs a run of tokens, at `x`.
 */
export function pack_gram(team: number, x: number, tokens: number, cols: number, strips: number): void;

/**
 * Packs `count` spans of K and V (rows x kv_heads * dim, of a dtype) into `packed`.
 */
export function pack_keys_values(team: number, k: number, v: number, dtype: number, spans: number, count: number, kv_heads: number, dim: number, packed: number): void;

/**
 * Packs a run of tokens: dy tokens x outs, x tokens x ins.
 */
export function pack_outer(team: number, dy: number, outs: number, x: number, ins: number, tokens: number, strips: number): void;

/**
 * Packs rows `first..first + rows` of the weight (rows of `depth` numbers) into `panels`.
 */
export function pack_slice(team: number, weight: number, dtype: number, depth: number, first: number, rows: number, panels: number): void;

/**
 * y (tokens x outs) of x (tokens x depth) and W (outs x depth), whose numbers are finite. `bias` (1 x outs) is null if there is
 * none. `scratch` holds [`packed_few_scratch`] f32 for each worker.
 */
export function packed_few(team: number, x: number, tokens: number, weight: number, bias: number, bias_dtype: number, y: number, scratch: number): void;

/**
 * f32 of scratch for each worker: x of one token as floats or 16 bits, with scales and sums of its groups; or rows of W.
 */
export function packed_few_scratch(tokens: number, depth: number): number;

/**
 * f32 of packed K and V for each span and kv head.
 */
export function packed_floats(rows: number, dim: number): number;

/**
 * Rearranges a weight: `to` has room for the values and the places of whole pairs of rows; a row that is missing is 0.
 */
export function pair_rows(team: number, from: number, to: number): void;

/**
 * Scores of a weight whose sums are known; `statistic` is 1 x cols.
 */
export function relative(team: number, weight: number, dtype: number, rows: number, cols: number, statistic: number, sums: number, out: number): void;

/**
 * `a = U y`.
 */
export function residual_0(team: number, upper: number, n: number, vectors: number): void;

/**
 * `b = Uᵀ a`.
 */
export function residual_1(team: number, upper: number, n: number, vectors: number): void;

/**
 * `r = H b - y`, H damped.
 */
export function residual_2(team: number, hessian: number, n: number, damping: number, vectors: number): void;

/**
 * `U r`.
 */
export function residual_3(team: number, upper: number, n: number, vectors: number): void;

/**
 * The quotient of the norms.
 */
export function residual_norm(team: number, n: number, vectors: number, out: number): void;

/**
 * f64 of the vectors a, b, y (then r) and U r.
 */
export function residual_scratch(n: number): number;

/**
 * y: 1 or -1, a bit of a multiplicative hash (Knuth's constant).
 */
export function residual_signs(team: number, n: number, vectors: number): void;

/**
 * Row `t` of x by row `t` of `angles`: the cosines of turned/2 frequencies, then their sines; the other way if `inverse`.
 */
export function rotate(team: number, x: number, tokens: number, heads: number, dim: number, angles: number, turned: number, neighbours: boolean, inverse: boolean, out: number): void;

/**
 * `n` F32 numbers at `from`, each rounded to one of the two BF16 beside it, to either as likely as it is near.
 */
export function round_stochastic(team: number, from: number, n: number, key: number, to: number): void;

/**
 * Scores of a weight (rows x cols); `statistic` (1 x cols) is null for the magnitude alone.
 */
export function score(team: number, weight: number, dtype: number, rows: number, cols: number, statistic: number, out: number): void;

/**
 * What the weights of columns `first..first + count` are worth: rows x count.
 */
export function score_block(team: number, weight: number, rows: number, cols: number, first: number, count: number, formula: number, column: number, scores: number): void;

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
 * `out[rows[i]] = x[i]`, `count` rows of `cols` numbers, all different in `out`.
 */
export function set_rows(team: number, x: number, count: number, cols: number, rows: number, out: number, dtype: number): void;

/**
 * Of each of `runs` runs of `period` numbers the numbers `first..first + width`.
 */
export function slice(team: number, x: number, runs: number, period: number, first: number, width: number, out: number): void;

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
 * Sums over heads that share keys: `x` is tokens x kv_heads * shared * dim, `out` tokens x kv_heads * dim.
 */
export function sum_heads(team: number, x: number, tokens: number, kv_heads: number, shared: number, dim: number, out: number): void;

/**
 * The sum of `count` sums, rounded once.
 */
export function total(team: number, sums: number, count: number, out: number): void;

/**
 * The number of every column: 1, the root of `from` (the statistic, 1 x n), or the square of the diagonal of `from` (U,
 * n x n).
 */
export function worth(team: number, formula: number, from: number, n: number, column: number): void;

/**
 * `n` bytes of 0.
 */
export function zero(team: number, out: number, n: number): void;

/**
 * The mask of a weight (rows x cols): bit 1 for every zero.
 */
export function zeros(team: number, weight: number, dtype: number, rows: number, cols: number, mask: number): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly absolute_parts: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly absolute_scratch: (a: number, b: number) => number;
    readonly activate: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly activate_backward: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly adamw: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number, o: number, p: number) => void;
    readonly add: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly add_column_sums: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly add_diagonal: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly add_gram: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly add_moment: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly add_outer: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly add_parts: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly add_rows: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly add_slice: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly apply: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly attend: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number, o: number, p: number, q: number, r: number, s: number) => void;
    readonly attend_scratch: (a: number, b: number) => number;
    readonly attention: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number, o: number, p: number, q: number) => void;
    readonly attention_backward: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number, o: number, p: number, q: number, r: number, s: number) => void;
    readonly attention_backward_scratch: (a: number, b: number) => number;
    readonly attention_scratch: (a: number, b: number) => number;
    readonly block_strips: (a: number, b: number, c: number, d: number) => number;
    readonly can_pair: (a: number, b: number, c: number) => number;
    readonly clear_dead: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly columns_scratch: (a: number) => number;
    readonly combine: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number, o: number, p: number, q: number, r: number, s: number, t: number) => void;
    readonly conjugate: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly convert: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly copy: (a: number, b: number, c: number, d: number) => void;
    readonly count_above: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly count_digit: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly count_ties: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly cross_entropy: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number) => void;
    readonly cross_entropy_backward: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly cross_entropy_of_logits: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly cross_entropy_scratch: () => number;
    readonly cumulative_step: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly density: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly diagonal_sums: (a: number) => number;
    readonly difference: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly dot_rows: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly dropout: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly eliminate_below: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number) => void;
    readonly eliminate_groups: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number) => void;
    readonly eliminate_marked: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly eliminate_scratch: (a: number) => number;
    readonly embed: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly embed_backward: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly equilibrate: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly expand_rows: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly extremes: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly factor_panel: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly factor_pivot: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly factor_round: (a: number, b: number, c: number, d: number) => void;
    readonly factor_scratch: (a: number) => number;
    readonly factor_start: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly factor_steps: (a: number) => number;
    readonly factor_update: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly few_scratch: (a: number, b: number) => number;
    readonly finish: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly gram_blocks: (a: number) => number;
    readonly gram_run: () => number;
    readonly gram_scratch: (a: number, b: number) => number;
    readonly greatest_parts: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly groups_scratch: (a: number) => number;
    readonly histogram_counts: () => number;
    readonly histogram_parts: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly histogram_runs: (a: number) => number;
    readonly histogram_tables: (a: number, b: number) => number;
    readonly histogram_total: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly linear: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number) => void;
    readonly linear_few: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number) => void;
    readonly linear_scratch: () => number;
    readonly list_columns: (a: number, b: number, c: number) => void;
    readonly mark_cumulative: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly mark_long: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly merge: (a: number, b: number, c: number, d: number) => void;
    readonly norm: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number) => void;
    readonly norm_backward: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number, m: number, n: number) => void;
    readonly norm_gradients: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly outer_run: () => number;
    readonly outer_scratch: (a: number, b: number, c: number) => number;
    readonly pack_block: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly pack_columns: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly pack_gram: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly pack_keys_values: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly pack_outer: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly pack_slice: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly packed_few: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly packed_few_scratch: (a: number, b: number) => number;
    readonly packed_floats: (a: number, b: number) => number;
    readonly pair_rows: (a: number, b: number, c: number) => void;
    readonly relative: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly residual_0: (a: number, b: number, c: number, d: number) => void;
    readonly residual_1: (a: number, b: number, c: number, d: number) => void;
    readonly residual_2: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly residual_3: (a: number, b: number, c: number, d: number) => void;
    readonly residual_norm: (a: number, b: number, c: number, d: number) => void;
    readonly residual_scratch: (a: number) => number;
    readonly residual_signs: (a: number, b: number, c: number) => void;
    readonly rotate: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => void;
    readonly round_stochastic: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly score: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly score_block: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly select_columns: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => void;
    readonly select_groups: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly select_rows: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly set_rows: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly slice: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly sort_rows: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly square_parts: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly square_scratch: (a: number, b: number) => number;
    readonly sum_heads: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly total: (a: number, b: number, c: number, d: number) => void;
    readonly worth: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly zero: (a: number, b: number, c: number) => void;
    readonly zeros: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
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
