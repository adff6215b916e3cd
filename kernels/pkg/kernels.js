/* @ts-self-types="./kernels.d.ts" */

/**
 * Sums `|W|` (rows x cols): first the rows, then of every part of the rows the columns.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} sums
 */
export function absolute_parts(team, weight, dtype, rows, cols, sums) {
    wasm.absolute_parts(team, weight, dtype, rows, cols, sums);
}

/**
 * f64 of the sums of the rows and of the parts.
 * @param {number} rows
 * @param {number} cols
 * @returns {number}
 */
export function absolute_scratch(rows, cols) {
    const ret = wasm.absolute_scratch(rows, cols);
    return ret >>> 0;
}

/**
 * The function of this number of all `n`, times `up` unless that is null; `by` is the factor, or the cap.
 * @param {number} team
 * @param {number} _function
 * @param {number} x
 * @param {number} up
 * @param {number} n
 * @param {number} by
 * @param {number} out
 */
export function activate(team, _function, x, up, n, by, out) {
    wasm.activate(team, _function, x, up, n, by, out);
}

/**
 * See [`each`]; `by` is the factor, or the cap.
 * @param {number} team
 * @param {number} _function
 * @param {number} x
 * @param {number} up
 * @param {number} dy
 * @param {number} n
 * @param {number} by
 * @param {number} dx
 * @param {number} dup
 */
export function activate_backward(team, _function, x, up, dy, n, by, dx, dup) {
    wasm.activate_backward(team, _function, x, up, dy, n, by, dx, dup);
}

/**
 * With `g = scale * gradient`: `m += first_rate (g - m)`, `v = second_keep v + second_rate g²`,
 * `w = keep w - size m / (sqrt(v) / root + epsilon)`, in place, all rows x cols. The mask may be null.
 * @param {number} team
 * @param {number} weight
 * @param {number} first
 * @param {number} second
 * @param {number} gradient
 * @param {number} rows
 * @param {number} cols
 * @param {number} mask
 * @param {number} scale
 * @param {number} first_rate
 * @param {number} second_keep
 * @param {number} second_rate
 * @param {number} root
 * @param {number} epsilon
 * @param {number} keep
 * @param {number} size
 */
export function adamw(team, weight, first, second, gradient, rows, cols, mask, scale, first_rate, second_keep, second_rate, root, epsilon, keep, size) {
    wasm.adamw(team, weight, first, second, gradient, rows, cols, mask, scale, first_rate, second_keep, second_rate, root, epsilon, keep, size);
}

/**
 * `x + y`.
 * @param {number} team
 * @param {number} x
 * @param {number} y
 * @param {number} n
 * @param {number} out
 */
export function add(team, x, y, n, out) {
    wasm.add(team, x, y, n, out);
}

/**
 * Adds the sums of the columns of x, rows x cols, to `out`. Sums are f64.
 * @param {number} team
 * @param {number} x
 * @param {number} rows
 * @param {number} cols
 * @param {number} out
 */
export function add_column_sums(team, x, rows, cols, out) {
    wasm.add_column_sums(team, x, rows, cols, out);
}

/**
 * Adds to the sum of every 64 columns what a run of rows gives: `moment` is 1 x n.
 * @param {number} team
 * @param {number} d
 * @param {number} rows
 * @param {number} n
 * @param {number} moment
 * @param {number} sums
 */
export function add_diagonal(team, d, rows, n, moment, sums) {
    wasm.add_diagonal(team, d, rows, n, moment, sums);
}

/**
 * Adds the product of a packed run to the sums; after the `last` run they become symmetric.
 * @param {number} team
 * @param {number} strips
 * @param {number} tokens
 * @param {number} cols
 * @param {number} sums
 * @param {boolean} last
 */
export function add_gram(team, strips, tokens, cols, sums, last) {
    wasm.add_gram(team, strips, tokens, cols, sums, last);
}

/**
 * Adds to the sum of every block what a packed run of `rows` rows gives: `moment` is n x n.
 * @param {number} team
 * @param {number} strips
 * @param {number} rows
 * @param {number} n
 * @param {number} moment
 * @param {number} sums
 */
export function add_moment(team, strips, rows, n, moment, sums) {
    wasm.add_moment(team, strips, rows, n, moment, sums);
}

/**
 * Adds the product of a packed run to the gradient, outs x ins.
 * @param {number} team
 * @param {number} strips
 * @param {number} outs
 * @param {number} ins
 * @param {number} tokens
 * @param {number} gradient
 */
export function add_outer(team, strips, outs, ins, tokens, gradient) {
    wasm.add_outer(team, strips, outs, ins, tokens, gradient);
}

/**
 * Adds the parts to `sums`, in their order.
 * @param {number} team
 * @param {number} sums
 * @param {number} cols
 * @param {number} parts
 * @param {number} count
 */
export function add_parts(team, sums, cols, parts, count) {
    wasm.add_parts(team, sums, cols, parts, count);
}

/**
 * `out[rows[i]] += weights[i] * x[i]`, `count` rows of `cols` numbers, all different in `out`.
 * @param {number} team
 * @param {number} x
 * @param {number} count
 * @param {number} cols
 * @param {number} rows
 * @param {number} weights
 * @param {number} out
 */
export function add_rows(team, x, count, cols, rows, weights, out) {
    wasm.add_rows(team, x, count, cols, rows, weights, out);
}

/**
 * Adds dy, `runs` runs of `width` numbers, to the numbers `first..first + width` of each run of `period` numbers.
 * @param {number} team
 * @param {number} dy
 * @param {number} runs
 * @param {number} period
 * @param {number} first
 * @param {number} width
 * @param {number} out
 */
export function add_slice(team, dy, runs, period, first, width, out) {
    wasm.add_slice(team, dy, runs, period, first, width, out);
}

/**
 * Sets the weights (rows x cols) whose bit is 1 to +0.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} mask
 */
export function apply(team, weight, dtype, rows, cols, mask) {
    wasm.apply(team, weight, dtype, rows, cols, mask);
}

/**
 * See `attention.rs`: the same with K and V (rows x kv_heads * dim, of a dtype) as they are.
 * @param {number} team
 * @param {number} q
 * @param {number} k
 * @param {number} v
 * @param {number} dtype
 * @param {number} spans
 * @param {number} seen
 * @param {number} sequences
 * @param {number} count
 * @param {number} most
 * @param {number} heads
 * @param {number} kv_heads
 * @param {number} dim
 * @param {number} scale
 * @param {number} window
 * @param {number} cap
 * @param {number} slopes
 * @param {number} out
 * @param {number} scratch
 */
export function attend(team, q, k, v, dtype, spans, seen, sequences, count, most, heads, kv_heads, dim, scale, window, cap, slopes, out, scratch) {
    wasm.attend(team, q, k, v, dtype, spans, seen, sequences, count, most, heads, kv_heads, dim, scale, window, cap, slopes, out, scratch);
}

/**
 * f32 of scratch for each worker: a query, its output, the scores of so many positions.
 * @param {number} positions
 * @param {number} dim
 * @returns {number}
 */
export function attend_scratch(positions, dim) {
    const ret = wasm.attend_scratch(positions, dim);
    return ret >>> 0;
}

/**
 * `out` (tokens x heads * dim) from q of the same shape and the packed K and V, for `count` sequences. A chunk is eight
 * queries of a head. The query at position `i` sees the keys `i - window + 1..=i`, or all up to itself if `window` is 0;
 * `cap * tanh(score / cap)` takes a score's place unless `cap` is 0; `slopes` are one number for each head, or null.
 * `seen` names the sequences' spans; no sequence has more than `most` positions.
 * @param {number} team
 * @param {number} q
 * @param {number} packed
 * @param {number} spans
 * @param {number} seen
 * @param {number} sequences
 * @param {number} count
 * @param {number} most
 * @param {number} heads
 * @param {number} kv_heads
 * @param {number} dim
 * @param {number} scale
 * @param {number} window
 * @param {number} cap
 * @param {number} slopes
 * @param {number} out
 * @param {number} scratch
 */
export function attention(team, q, packed, spans, seen, sequences, count, most, heads, kv_heads, dim, scale, window, cap, slopes, out, scratch) {
    wasm.attention(team, q, packed, spans, seen, sequences, count, most, heads, kv_heads, dim, scale, window, cap, slopes, out, scratch);
}

/**
 * Gradients by q, and by the keys and values as every head sees them, all tokens x heads * dim. `offsets` are where the
 * `count` sequences begin and end, none longer than `most`; the rest as in `attention`.
 * @param {number} team
 * @param {number} q
 * @param {number} k
 * @param {number} v
 * @param {number} dy
 * @param {number} offsets
 * @param {number} count
 * @param {number} most
 * @param {number} heads
 * @param {number} kv_heads
 * @param {number} dim
 * @param {number} scale
 * @param {number} window
 * @param {number} cap
 * @param {number} slopes
 * @param {number} dq
 * @param {number} dk
 * @param {number} dv
 * @param {number} scratch
 */
export function attention_backward(team, q, k, v, dy, offsets, count, most, heads, kv_heads, dim, scale, window, cap, slopes, dq, dk, dv, scratch) {
    wasm.attention_backward(team, q, k, v, dy, offsets, count, most, heads, kv_heads, dim, scale, window, cap, slopes, dq, dk, dv, scratch);
}

/**
 * f32 of scratch for each worker.
 * @param {number} positions
 * @param {number} dim
 * @returns {number}
 */
export function attention_backward_scratch(positions, dim) {
    const ret = wasm.attention_backward_scratch(positions, dim);
    return ret >>> 0;
}

/**
 * f32 of scratch for each worker: a panel of queries, their scores, their output.
 * @param {number} positions
 * @param {number} dim
 * @returns {number}
 */
export function attention_scratch(positions, dim) {
    const ret = wasm.attention_scratch(positions, dim);
    return ret >>> 0;
}

/**
 * f32 of the packed strips of a block of `count` columns.
 * @param {number} cols
 * @param {number} first
 * @param {number} count
 * @param {number} m
 * @returns {number}
 */
export function block_strips(cols, first, count, m) {
    const ret = wasm.block_strips(cols, first, count, m);
    return ret >>> 0;
}

/**
 * Whether a weight can be rearranged: its rows are whole registers, and none has two scales.
 * @param {number} value_type
 * @param {number} cols
 * @param {number} group
 * @returns {boolean}
 */
export function can_pair(value_type, cols, group) {
    const ret = wasm.can_pair(value_type, cols, group);
    return ret !== 0;
}

/**
 * Sets the weights (rows x cols) of dead columns to 0.
 * @param {number} team
 * @param {number} weight
 * @param {number} rows
 * @param {number} cols
 * @param {number} dead
 */
export function clear_dead(team, weight, rows, cols, dead) {
    wasm.clear_dead(team, weight, rows, cols, dead);
}

/**
 * u32 of scratch for each worker that [`select_columns`] needs.
 * @param {number} rows
 * @returns {number}
 */
export function columns_scratch(rows) {
    const ret = wasm.columns_scratch(rows);
    return ret >>> 0;
}

/**
 * `out = (a + b) + c`, each term times its coefficient for what is kept or removed, and times its columns (1 x cols), if it has
 * any. Terms b and c may be null, as may the mask (all is kept). a may be out, in f32.
 * @param {number} team
 * @param {number} rows
 * @param {number} cols
 * @param {number} a
 * @param {number} a_dtype
 * @param {number} a_kept
 * @param {number} a_removed
 * @param {number} a_columns
 * @param {number} b
 * @param {number} b_dtype
 * @param {number} b_kept
 * @param {number} b_removed
 * @param {number} b_columns
 * @param {number} c
 * @param {number} c_dtype
 * @param {number} c_kept
 * @param {number} c_removed
 * @param {number} c_columns
 * @param {number} mask
 * @param {number} out
 */
export function combine(team, rows, cols, a, a_dtype, a_kept, a_removed, a_columns, b, b_dtype, b_kept, b_removed, b_columns, c, c_dtype, c_kept, c_removed, c_columns, mask, out) {
    wasm.combine(team, rows, cols, a, a_dtype, a_kept, a_removed, a_columns, b, b_dtype, b_kept, b_removed, b_columns, c, c_dtype, c_kept, c_removed, c_columns, mask, out);
}

/**
 * `x += α p`, `r -= α q`, `p = r + β p`, all rows x cols, with q the product where the mask keeps and 0 elsewhere,
 * `α = r·r / p·q` and `β = r·r (new) / r·r (old)`: 0 where their denominators are not above 0. r and p are 0 where the
 * mask removes.
 * @param {number} team
 * @param {number} x
 * @param {number} r
 * @param {number} p
 * @param {number} rows
 * @param {number} cols
 * @param {number} product
 * @param {number} mask
 */
export function conjugate(team, x, r, p, rows, cols, product, mask) {
    wasm.conjugate(team, x, r, p, rows, cols, product, mask);
}

/**
 * `n` numbers of the dtype `from_dtype` at `from`, written in the dtype `to_dtype` at `to`.
 * @param {number} team
 * @param {number} from
 * @param {number} from_dtype
 * @param {number} n
 * @param {number} to
 * @param {number} to_dtype
 */
export function convert(team, from, from_dtype, n, to, to_dtype) {
    wasm.convert(team, from, from_dtype, n, to, to_dtype);
}

/**
 * `n` bytes as they are.
 * @param {number} team
 * @param {number} from
 * @param {number} n
 * @param {number} to
 */
export function copy(team, from, n, to) {
    wasm.copy(team, from, n, to);
}

/**
 * `out` (rows x 1) of the scores (rows x cols).
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} limit
 * @param {number} out
 */
export function count_above(team, scores, rows, cols, limit, out) {
    wasm.count_above(team, scores, rows, cols, limit, out);
}

/**
 * Counts one digit of the `n` scores.
 * @param {number} team
 * @param {number} scores
 * @param {number} n
 * @param {number} k
 * @param {number} digit
 * @param {number} histograms
 */
export function count_digit(team, scores, n, k, digit, histograms) {
    wasm.count_digit(team, scores, n, k, digit, histograms);
}

/**
 * Counts in every run of `run` rows the scores that equal the one at the cut.
 * @param {number} team
 * @param {number} scores
 * @param {number} n
 * @param {number} run
 * @param {number} k
 * @param {number} histograms
 * @param {number} ties
 */
export function count_ties(team, scores, n, run, k, histograms, ties) {
    wasm.count_ties(team, scores, n, run, k, histograms, ties);
}

/**
 * Takes the vocabulary's rows `first..first + outs`, packed, into the state of every token; `cap * tanh(logit / cap)` takes
 * a logit's place unless `cap` is 0.
 * @param {number} team
 * @param {number} hidden
 * @param {number} tokens
 * @param {number} depth
 * @param {number} panels
 * @param {number} first
 * @param {number} outs
 * @param {number} targets
 * @param {number} state
 * @param {boolean} start
 * @param {number} cap
 * @param {number} scratch
 */
export function cross_entropy(team, hidden, tokens, depth, panels, first, outs, targets, state, start, cap, scratch) {
    wasm.cross_entropy(team, hidden, tokens, depth, panels, first, outs, targets, state, start, cap, scratch);
}

/**
 * Gradients by a slice of the logits, whose first is the vocabulary's row `first`, from what [`cross_entropy`] has made of
 * all: `weights[t] (e^(logit - largest) / sum - [target])`, times `1 - tanh²` where logits are capped.
 * @param {number} team
 * @param {number} logits
 * @param {number} tokens
 * @param {number} outs
 * @param {number} first
 * @param {number} targets
 * @param {number} weights
 * @param {number} state
 * @param {number} cap
 * @param {number} out
 */
export function cross_entropy_backward(team, logits, tokens, outs, first, targets, weights, state, cap, out) {
    wasm.cross_entropy_backward(team, logits, tokens, outs, first, targets, weights, state, cap, out);
}

/**
 * The same of logits that are there: `outs` of each token, the first of them the vocabulary's row `first`.
 * @param {number} team
 * @param {number} logits
 * @param {number} tokens
 * @param {number} outs
 * @param {number} first
 * @param {number} targets
 * @param {number} state
 * @param {boolean} start
 * @param {number} cap
 */
export function cross_entropy_of_logits(team, logits, tokens, outs, first, targets, state, start, cap) {
    wasm.cross_entropy_of_logits(team, logits, tokens, outs, first, targets, state, start, cap);
}

/**
 * f32 of scratch for each worker.
 * @returns {number}
 */
export function cross_entropy_scratch() {
    const ret = wasm.cross_entropy_scratch();
    return ret >>> 0;
}

/**
 * One step of the search: `thresholds` of the rows (everything below falls) and, in `counts[step]`, how many fall.
 * @param {number} team
 * @param {number} sorted
 * @param {number} sums
 * @param {number} rows
 * @param {number} cols
 * @param {number} sparsity
 * @param {number} step
 * @param {number} counts
 * @param {number} thresholds
 */
export function cumulative_step(team, sorted, sums, rows, cols, sparsity, step, counts, thresholds) {
    wasm.cumulative_step(team, sorted, sums, rows, cols, sparsity, step, counts, thresholds);
}

/**
 * Counts of a mask (rows x cols) in `down` x `across` cells, which cover whole rows and columns: cell `i` of `n` those
 * from `i * rows / n` to `(i + 1) * rows / n`.
 * @param {number} team
 * @param {number} mask
 * @param {number} rows
 * @param {number} cols
 * @param {number} down
 * @param {number} across
 * @param {number} out
 */
export function density(team, mask, rows, cols, down, across, out) {
    wasm.density(team, mask, rows, cols, down, across, out);
}

/**
 * How many sums [`add_diagonal`] has.
 * @param {number} n
 * @returns {number}
 */
export function diagonal_sums(n) {
    const ret = wasm.diagonal_sums(n);
    return ret >>> 0;
}

/**
 * `out = before - after`, rows `first..first + rows` of weights with `cols` columns; without `after` (null) `before`.
 * @param {number} team
 * @param {number} before
 * @param {number} before_dtype
 * @param {number} after
 * @param {number} after_dtype
 * @param {number} first
 * @param {number} rows
 * @param {number} cols
 * @param {number} out
 */
export function difference(team, before, before_dtype, after, after_dtype, first, rows, cols, out) {
    wasm.difference(team, before, before_dtype, after, after_dtype, first, rows, cols, out);
}

/**
 * `out[i] = Σ_j x[i, j] y[i, j]`. Sums are f64.
 * @param {number} team
 * @param {number} x
 * @param {number} y
 * @param {number} rows
 * @param {number} cols
 * @param {number} out
 */
export function dot_rows(team, x, y, rows, cols, out) {
    wasm.dot_rows(team, x, y, rows, cols, out);
}

/**
 * `out = x * scale` where `mix(mix(place) ^ key)` is at least `limit`, else 0; `count` numbers.
 * @param {number} team
 * @param {number} x
 * @param {number} count
 * @param {number} key
 * @param {number} limit
 * @param {number} scale
 * @param {number} out
 */
export function dropout(team, x, count, key, limit, scale, out) {
    wasm.dropout(team, x, count, key, limit, scale, out);
}

/**
 * The same with all weights whose worth before the block (see `worth`) is at most the `k`-th smallest, which the
 * histograms know (`select_long.rs`).
 * @param {number} team
 * @param {number} weight
 * @param {number} rows
 * @param {number} cols
 * @param {number} first
 * @param {number} count
 * @param {number} strips
 * @param {number} removed
 * @param {number} formula
 * @param {number} column
 * @param {number} histograms
 * @param {number} k
 * @param {number} scratch
 */
export function eliminate_below(team, weight, rows, cols, first, count, strips, removed, formula, column, histograms, k, scratch) {
    wasm.eliminate_below(team, weight, rows, cols, first, count, strips, removed, formula, column, histograms, k, scratch);
}

/**
 * The same, and at every m-th column chooses the `remove` of the next m that go, by what they are worth then (see
 * `worth`). m divides `first` and `count`. `chosen` holds [`groups_scratch`] u32 for each worker.
 * @param {number} team
 * @param {number} weight
 * @param {number} rows
 * @param {number} cols
 * @param {number} first
 * @param {number} count
 * @param {number} strips
 * @param {number} removed
 * @param {number} remove
 * @param {number} m
 * @param {number} formula
 * @param {number} column
 * @param {number} scratch
 * @param {number} chosen
 */
export function eliminate_groups(team, weight, rows, cols, first, count, strips, removed, remove, m, formula, column, scratch, chosen) {
    wasm.eliminate_groups(team, weight, rows, cols, first, count, strips, removed, remove, m, formula, column, scratch, chosen);
}

/**
 * Removes from columns `first..first + count` of the weight the weights whose bit is 1 in its mask, and sets their bits in
 * the mask `removed`. `scratch` holds [`eliminate_scratch`] f32 for each worker.
 * @param {number} team
 * @param {number} weight
 * @param {number} rows
 * @param {number} cols
 * @param {number} first
 * @param {number} count
 * @param {number} strips
 * @param {number} removed
 * @param {number} mask
 * @param {number} scratch
 */
export function eliminate_marked(team, weight, rows, cols, first, count, strips, removed, mask, scratch) {
    wasm.eliminate_marked(team, weight, rows, cols, first, count, strips, removed, mask, scratch);
}

/**
 * f32 of scratch for each worker that eliminates a block of `count` columns.
 * @param {number} count
 * @returns {number}
 */
export function eliminate_scratch(count) {
    const ret = wasm.eliminate_scratch(count);
    return ret >>> 0;
}

/**
 * Row `t` of `out` becomes row `ids[t] - first` of the table, if the table's `rows` have it.
 * @param {number} team
 * @param {number} ids
 * @param {number} tokens
 * @param {number} table
 * @param {number} dtype
 * @param {number} first
 * @param {number} rows
 * @param {number} cols
 * @param {number} out
 */
export function embed(team, ids, tokens, table, dtype, first, rows, cols, out) {
    wasm.embed(team, ids, tokens, table, dtype, first, rows, cols, out);
}

/**
 * Adds rows of dy to the rows of `out` that they were copied from: row `own[g]` of `out` gets the rows of dy that `tokens`
 * names from `starts[g]` to `starts[g + 1]`, in that order.
 * @param {number} team
 * @param {number} dy
 * @param {number} cols
 * @param {number} own
 * @param {number} groups
 * @param {number} starts
 * @param {number} tokens
 * @param {number} out
 */
export function embed_backward(team, dy, cols, own, groups, starts, tokens, out) {
    wasm.embed_backward(team, dy, cols, own, groups, starts, tokens, out);
}

/**
 * `out = s_i a_ij s_j`, n x n, 1 on the diagonal; `scale` is 1 x n.
 * @param {number} team
 * @param {number} a
 * @param {number} n
 * @param {number} scale
 * @param {number} out
 */
export function equilibrate(team, a, n, scale, out) {
    wasm.equilibrate(team, a, n, scale, out);
}

/**
 * Rows `first..first + rows` as f32, one after the other at `to`.
 * @param {number} team
 * @param {number} weight
 * @param {number} first
 * @param {number} rows
 * @param {number} to
 */
export function expand_rows(team, weight, first, rows, to) {
    wasm.expand_rows(team, weight, first, rows, to);
}

/**
 * `out` (rows x 3) of the magnitudes of `values` (rows x cols, finite): -1 for the greatest of none, infinity for the
 * least.
 * @param {number} team
 * @param {number} values
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} mask
 * @param {number} out
 */
export function extremes(team, values, dtype, rows, cols, mask, out) {
    wasm.extremes(team, values, dtype, rows, cols, mask, out);
}

/**
 * Step `k`: finishes block row k of U and packs what the update multiplies. A chunk = a block of row or column k.
 * @param {number} team
 * @param {boolean} wide
 * @param {number} n
 * @param {number} k
 * @param {number} u
 * @param {number} failed
 * @param {number} scratch
 */
export function factor_panel(team, wide, n, k, u, failed, scratch) {
    wasm.factor_panel(team, wide, n, k, u, failed, scratch);
}

/**
 * The pivot of the last block, where the sweep begins.
 * @param {number} team
 * @param {boolean} wide
 * @param {number} n
 * @param {number} u
 * @param {number} failed
 */
export function factor_pivot(team, wide, n, u, failed) {
    wasm.factor_pivot(team, wide, n, u, failed);
}

/**
 * The finished factor, rounded to f32.
 * @param {number} team
 * @param {number} u
 * @param {number} n
 * @param {number} upper
 */
export function factor_round(team, u, n, upper) {
    wasm.factor_round(team, u, n, upper);
}

/**
 * Numbers of scratch that all workers share: R_:k as the left operand, [-R_:kᵀ | U_k:] as the right one.
 * @param {number} n
 * @returns {number}
 */
export function factor_scratch(n) {
    const ret = wasm.factor_scratch(n);
    return ret >>> 0;
}

/**
 * The damped Hessian into the upper triangle of `u`, zeros below it; `dead` (1 x n) marks the zeros on its diagonal, and
 * `failed` (one u32) becomes 0. Here and below `u` and the scratch are f64 if `wide`, else f32.
 * @param {number} team
 * @param {boolean} wide
 * @param {number} hessian
 * @param {number} n
 * @param {number} damping
 * @param {number} u
 * @param {number} dead
 * @param {number} failed
 */
export function factor_start(team, wide, hessian, n, damping, u, dead, failed) {
    wasm.factor_start(team, wide, hessian, n, damping, u, dead, failed);
}

/**
 * How many steps there are.
 * @param {number} n
 * @returns {number}
 */
export function factor_steps(n) {
    const ret = wasm.factor_steps(n);
    return ret >>> 0;
}

/**
 * Step `k`: brings all that lies above block row k up to date. A chunk = a block.
 * @param {number} team
 * @param {boolean} wide
 * @param {number} n
 * @param {number} k
 * @param {number} u
 * @param {number} failed
 * @param {number} scratch
 */
export function factor_update(team, wide, n, k, u, failed, scratch) {
    wasm.factor_update(team, wide, n, k, u, failed, scratch);
}

/**
 * f32 of scratch for each worker: x of all tokens, and two factors for the sums of each.
 * @param {number} tokens
 * @param {number} depth
 * @returns {number}
 */
export function few_scratch(tokens, depth) {
    const ret = wasm.few_scratch(tokens, depth);
    return ret >>> 0;
}

/**
 * `out = scale * sums`, rounded once.
 * @param {number} team
 * @param {number} sums
 * @param {number} cols
 * @param {number} scale
 * @param {number} out
 */
export function finish(team, sums, cols, scale, out) {
    wasm.finish(team, sums, cols, scale, out);
}

/**
 * How many blocks there are on and above the diagonal.
 * @param {number} cols
 * @returns {number}
 */
export function gram_blocks(cols) {
    const ret = wasm.gram_blocks(cols);
    return ret >>> 0;
}

/**
 * The most tokens of a run.
 * @returns {number}
 */
export function gram_run() {
    const ret = wasm.gram_run();
    return ret >>> 0;
}

/**
 * f32 of the packed strips of both widths of a run of tokens.
 * @param {number} tokens
 * @param {number} cols
 * @returns {number}
 */
export function gram_scratch(tokens, cols) {
    const ret = wasm.gram_scratch(tokens, cols);
    return ret >>> 0;
}

/**
 * The greatest magnitude of every run of `size` finite numbers.
 * @param {number} team
 * @param {number} values
 * @param {number} dtype
 * @param {number} size
 * @param {number} parts
 */
export function greatest_parts(team, values, dtype, size, parts) {
    wasm.greatest_parts(team, values, dtype, size, parts);
}

/**
 * u32 of scratch for each worker that [`eliminate_groups`] needs.
 * @param {number} m
 * @returns {number}
 */
export function groups_scratch(m) {
    const ret = wasm.groups_scratch(m);
    return ret >>> 0;
}

/**
 * u32 of the histograms.
 * @returns {number}
 */
export function histogram_counts() {
    const ret = wasm.histogram_counts();
    return ret >>> 0;
}

/**
 * Counts into this worker's tables, which begin as zeros.
 * @param {number} team
 * @param {number} values
 * @param {number} dtype
 * @param {number} size
 * @param {number} bins
 * @param {number} parts
 * @param {number} tables
 */
export function histogram_parts(team, values, dtype, size, bins, parts, tables) {
    wasm.histogram_parts(team, values, dtype, size, bins, parts, tables);
}

/**
 * Runs of so many numbers: f32 of [`greatest_parts`].
 * @param {number} size
 * @returns {number}
 */
export function histogram_runs(size) {
    const ret = wasm.histogram_runs(size);
    return ret >>> 0;
}

/**
 * u32 of the tables of all workers.
 * @param {number} workers
 * @param {number} bins
 * @returns {number}
 */
export function histogram_tables(workers, bins) {
    const ret = wasm.histogram_tables(workers, bins);
    return ret >>> 0;
}

/**
 * The counts, as two f32 each whose sum it is: `out` is 2 x bins.
 * @param {number} team
 * @param {number} tables
 * @param {number} workers
 * @param {number} bins
 * @param {number} out
 */
export function histogram_total(team, tables, workers, bins, out) {
    wasm.histogram_total(team, tables, workers, bins, out);
}

/**
 * Columns `first..first + outs` of y (tokens x `stride`) from the packed slice of the weight. `bias` (1 x stride) is
 * null if there is none. `scratch` holds [`SCRATCH`] f32 for each worker.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} depth
 * @param {number} panels
 * @param {number} first
 * @param {number} outs
 * @param {number} bias
 * @param {number} bias_dtype
 * @param {number} y
 * @param {number} stride
 * @param {number} scratch
 */
export function linear(team, x, tokens, depth, panels, first, outs, bias, bias_dtype, y, stride, scratch) {
    wasm.linear(team, x, tokens, depth, panels, first, outs, bias, bias_dtype, y, stride, scratch);
}

/**
 * y (tokens x outs) of x (tokens x depth) and W (outs x depth). In F16 the numbers of W are finite: an infinity or NaN would be
 * taken for 65536 and more, since nobody looks at the exponent. `bias` (1 x outs) is null if there is
 * none. `scratch` holds [`few_scratch`] f32 for each worker.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} depth
 * @param {number} weight
 * @param {number} dtype
 * @param {number} outs
 * @param {number} bias
 * @param {number} bias_dtype
 * @param {number} y
 * @param {number} scratch
 */
export function linear_few(team, x, tokens, depth, weight, dtype, outs, bias, bias_dtype, y, scratch) {
    wasm.linear_few(team, x, tokens, depth, weight, dtype, outs, bias, bias_dtype, y, scratch);
}

/**
 * f32 of scratch for each worker that [`linear`] needs.
 * @returns {number}
 */
export function linear_scratch() {
    const ret = wasm.linear_scratch();
    return ret >>> 0;
}

/**
 * Rearranges a weight of 16-bit floats: `to` has room for the values, the columns in the mask's stead, and the ends in the offsets'
 * stead, which are there already.
 * @param {number} team
 * @param {number} from
 * @param {number} to
 */
export function list_columns(team, from, to) {
    wasm.list_columns(team, from, to);
}

/**
 * The mask of the thresholds.
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} thresholds
 * @param {number} mask
 */
export function mark_cumulative(team, scores, rows, cols, thresholds, mask) {
    wasm.mark_cumulative(team, scores, rows, cols, thresholds, mask);
}

/**
 * The mask of the group's rows; `run` as for [`count_ties`], a whole number of rows.
 * @param {number} team
 * @param {number} scores
 * @param {number} n
 * @param {number} run
 * @param {number} cols
 * @param {number} k
 * @param {boolean} whole_ties
 * @param {number} histograms
 * @param {number} ties
 * @param {number} mask
 */
export function mark_long(team, scores, n, run, cols, k, whole_ties, histograms, ties, mask) {
    wasm.mark_long(team, scores, n, run, cols, k, whole_ties, histograms, ties, mask);
}

/**
 * `sums += other`.
 * @param {number} team
 * @param {number} sums
 * @param {number} other
 * @param {number} cols
 */
export function merge(team, sums, other, cols) {
    wasm.merge(team, sums, other, cols);
}

/**
 * `runs` runs of `size` numbers, `per_row` in a row of x, each normalised (about its mean if `layer`) and multiplied by its
 * row of the gain (`rows` x size; run `j` of a row takes row `j % rows`), or by 1 + that if `unit`; plus its row of the
 * bias, unless that is null.
 * @param {number} team
 * @param {number} x
 * @param {number} runs
 * @param {number} size
 * @param {number} per_row
 * @param {number} gain
 * @param {number} dtype
 * @param {number} rows
 * @param {number} bias
 * @param {number} bias_dtype
 * @param {boolean} layer
 * @param {boolean} unit
 * @param {number} epsilon
 * @param {number} out
 */
export function norm(team, x, runs, size, per_row, gain, dtype, rows, bias, bias_dtype, layer, unit, epsilon, out) {
    wasm.norm(team, x, runs, size, per_row, gain, dtype, rows, bias, bias_dtype, layer, unit, epsilon, out);
}

/**
 * The gradient by the input; the arguments are those of `norm`, and dy. `moments_of` takes two f64 for each run.
 * @param {number} team
 * @param {number} x
 * @param {number} dy
 * @param {number} runs
 * @param {number} size
 * @param {number} per_row
 * @param {number} gain
 * @param {number} dtype
 * @param {number} rows
 * @param {boolean} layer
 * @param {boolean} unit
 * @param {number} epsilon
 * @param {number} moments_of
 * @param {number} out
 */
export function norm_backward(team, x, dy, runs, size, per_row, gain, dtype, rows, layer, unit, epsilon, moments_of, out) {
    wasm.norm_backward(team, x, dy, runs, size, per_row, gain, dtype, rows, layer, unit, epsilon, moments_of, out);
}

/**
 * Adds what every run has to do with its row of the gain, and of the bias; either may be null.
 * @param {number} team
 * @param {number} x
 * @param {number} dy
 * @param {number} runs
 * @param {number} size
 * @param {number} per_row
 * @param {number} rows
 * @param {number} moments_of
 * @param {number} gain
 * @param {number} bias
 */
export function norm_gradients(team, x, dy, runs, size, per_row, rows, moments_of, gain, bias) {
    wasm.norm_gradients(team, x, dy, runs, size, per_row, rows, moments_of, gain, bias);
}

/**
 * The most tokens of a run.
 * @returns {number}
 */
export function outer_run() {
    const ret = wasm.outer_run();
    return ret >>> 0;
}

/**
 * f32 of the strips of a run of tokens: those of dy, and behind them those of x.
 * @param {number} tokens
 * @param {number} outs
 * @param {number} ins
 * @returns {number}
 */
export function outer_scratch(tokens, outs, ins) {
    const ret = wasm.outer_scratch(tokens, outs, ins);
    return ret >>> 0;
}

/**
 * Packs rows `first..first + count` of U (n x n): the block's own strips, then those of 8 columns on its right.
 * @param {number} team
 * @param {number} upper
 * @param {number} n
 * @param {number} first
 * @param {number} count
 * @param {number} m
 * @param {number} strips
 */
export function pack_block(team, upper, n, first, count, m, strips) {
    wasm.pack_block(team, upper, n, first, count, m, strips);
}

/**
 * Packs columns `first..first + cols` of the weight (`depth` rows of `stride` numbers) into `panels`.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} depth
 * @param {number} stride
 * @param {number} first
 * @param {number} cols
 * @param {number} panels
 */
export function pack_columns(team, weight, dtype, depth, stride, first, cols, panels) {
    wasm.pack_columns(team, weight, dtype, depth, stride, first, cols, panels);
}

/**
 * Packs a run of tokens, at `x`.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} cols
 * @param {number} strips
 */
export function pack_gram(team, x, tokens, cols, strips) {
    wasm.pack_gram(team, x, tokens, cols, strips);
}

/**
 * Packs `count` spans of K and V (rows x kv_heads * dim, of a dtype) into `packed`.
 * @param {number} team
 * @param {number} k
 * @param {number} v
 * @param {number} dtype
 * @param {number} spans
 * @param {number} count
 * @param {number} kv_heads
 * @param {number} dim
 * @param {number} packed
 */
export function pack_keys_values(team, k, v, dtype, spans, count, kv_heads, dim, packed) {
    wasm.pack_keys_values(team, k, v, dtype, spans, count, kv_heads, dim, packed);
}

/**
 * Packs a run of tokens: dy tokens x outs, x tokens x ins.
 * @param {number} team
 * @param {number} dy
 * @param {number} outs
 * @param {number} x
 * @param {number} ins
 * @param {number} tokens
 * @param {number} strips
 */
export function pack_outer(team, dy, outs, x, ins, tokens, strips) {
    wasm.pack_outer(team, dy, outs, x, ins, tokens, strips);
}

/**
 * Packs rows `first..first + rows` of the weight (rows of `depth` numbers) into `panels`.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} depth
 * @param {number} first
 * @param {number} rows
 * @param {number} panels
 */
export function pack_slice(team, weight, dtype, depth, first, rows, panels) {
    wasm.pack_slice(team, weight, dtype, depth, first, rows, panels);
}

/**
 * y (tokens x outs) of x (tokens x depth) and W (outs x depth), whose numbers are finite. `bias` (1 x outs) is null if there is
 * none. `scratch` holds [`packed_few_scratch`] f32 for each worker.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} weight
 * @param {number} bias
 * @param {number} bias_dtype
 * @param {number} y
 * @param {number} scratch
 */
export function packed_few(team, x, tokens, weight, bias, bias_dtype, y, scratch) {
    wasm.packed_few(team, x, tokens, weight, bias, bias_dtype, y, scratch);
}

/**
 * f32 of scratch for each worker: x of one token as floats or 16 bits, with scales and sums of its groups; or rows of W.
 * @param {number} tokens
 * @param {number} depth
 * @returns {number}
 */
export function packed_few_scratch(tokens, depth) {
    const ret = wasm.packed_few_scratch(tokens, depth);
    return ret >>> 0;
}

/**
 * f32 of packed K and V for each span and kv head.
 * @param {number} rows
 * @param {number} dim
 * @returns {number}
 */
export function packed_floats(rows, dim) {
    const ret = wasm.packed_floats(rows, dim);
    return ret >>> 0;
}

/**
 * Rearranges a weight: `to` has room for the values and the places of whole pairs of rows; a row that is missing is 0.
 * @param {number} team
 * @param {number} from
 * @param {number} to
 */
export function pair_rows(team, from, to) {
    wasm.pair_rows(team, from, to);
}

/**
 * Scores of a weight whose sums are known; `statistic` is 1 x cols.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} statistic
 * @param {number} sums
 * @param {number} out
 */
export function relative(team, weight, dtype, rows, cols, statistic, sums, out) {
    wasm.relative(team, weight, dtype, rows, cols, statistic, sums, out);
}

/**
 * `a = U y`.
 * @param {number} team
 * @param {number} upper
 * @param {number} n
 * @param {number} vectors
 */
export function residual_0(team, upper, n, vectors) {
    wasm.residual_0(team, upper, n, vectors);
}

/**
 * `b = Uᵀ a`.
 * @param {number} team
 * @param {number} upper
 * @param {number} n
 * @param {number} vectors
 */
export function residual_1(team, upper, n, vectors) {
    wasm.residual_1(team, upper, n, vectors);
}

/**
 * `r = H b - y`, H damped.
 * @param {number} team
 * @param {number} hessian
 * @param {number} n
 * @param {number} damping
 * @param {number} vectors
 */
export function residual_2(team, hessian, n, damping, vectors) {
    wasm.residual_2(team, hessian, n, damping, vectors);
}

/**
 * `U r`.
 * @param {number} team
 * @param {number} upper
 * @param {number} n
 * @param {number} vectors
 */
export function residual_3(team, upper, n, vectors) {
    wasm.residual_3(team, upper, n, vectors);
}

/**
 * The quotient of the norms.
 * @param {number} team
 * @param {number} n
 * @param {number} vectors
 * @param {number} out
 */
export function residual_norm(team, n, vectors, out) {
    wasm.residual_norm(team, n, vectors, out);
}

/**
 * f64 of the vectors a, b, y (then r) and U r.
 * @param {number} n
 * @returns {number}
 */
export function residual_scratch(n) {
    const ret = wasm.residual_scratch(n);
    return ret >>> 0;
}

/**
 * y: 1 or -1, a bit of a multiplicative hash (Knuth's constant).
 * @param {number} team
 * @param {number} n
 * @param {number} vectors
 */
export function residual_signs(team, n, vectors) {
    wasm.residual_signs(team, n, vectors);
}

/**
 * Row `t` of x by row `t` of `angles`: the cosines of turned/2 frequencies, then their sines; the other way if `inverse`.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} heads
 * @param {number} dim
 * @param {number} angles
 * @param {number} turned
 * @param {boolean} neighbours
 * @param {boolean} inverse
 * @param {number} out
 */
export function rotate(team, x, tokens, heads, dim, angles, turned, neighbours, inverse, out) {
    wasm.rotate(team, x, tokens, heads, dim, angles, turned, neighbours, inverse, out);
}

/**
 * `n` F32 numbers at `from`, each rounded to one of the two BF16 beside it, to either as likely as it is near.
 * @param {number} team
 * @param {number} from
 * @param {number} n
 * @param {number} key
 * @param {number} to
 */
export function round_stochastic(team, from, n, key, to) {
    wasm.round_stochastic(team, from, n, key, to);
}

/**
 * Scores of a weight (rows x cols); `statistic` (1 x cols) is null for the magnitude alone.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} statistic
 * @param {number} out
 */
export function score(team, weight, dtype, rows, cols, statistic, out) {
    wasm.score(team, weight, dtype, rows, cols, statistic, out);
}

/**
 * What the weights of columns `first..first + count` are worth: rows x count.
 * @param {number} team
 * @param {number} weight
 * @param {number} rows
 * @param {number} cols
 * @param {number} first
 * @param {number} count
 * @param {number} formula
 * @param {number} column
 * @param {number} scores
 */
export function score_block(team, weight, rows, cols, first, count, formula, column, scores) {
    wasm.score_block(team, weight, rows, cols, first, count, formula, column, scores);
}

/**
 * Every column on its own: the `k` smallest fall.
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} k
 * @param {boolean} whole_ties
 * @param {number} mask
 * @param {number} scratch
 */
export function select_columns(team, scores, rows, cols, k, whole_ties, mask, scratch) {
    wasm.select_columns(team, scores, rows, cols, k, whole_ties, mask, scratch);
}

/**
 * `remove` = m - n. m divides cols.
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} remove
 * @param {number} m
 * @param {number} mask
 */
export function select_groups(team, scores, rows, cols, remove, m, mask) {
    wasm.select_groups(team, scores, rows, cols, remove, m, mask);
}

/**
 * Every run of `group` rows on its own: the `k` smallest of each fall, `last_k` of the last (which may be shorter).
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} group
 * @param {number} k
 * @param {number} last_k
 * @param {boolean} whole_ties
 * @param {number} mask
 */
export function select_rows(team, scores, rows, cols, group, k, last_k, whole_ties, mask) {
    wasm.select_rows(team, scores, rows, cols, group, k, last_k, whole_ties, mask);
}

/**
 * `out[rows[i]] = x[i]`, `count` rows of `cols` numbers, all different in `out`.
 * @param {number} team
 * @param {number} x
 * @param {number} count
 * @param {number} cols
 * @param {number} rows
 * @param {number} out
 * @param {number} dtype
 */
export function set_rows(team, x, count, cols, rows, out, dtype) {
    wasm.set_rows(team, x, count, cols, rows, out, dtype);
}

/**
 * Of each of `runs` runs of `period` numbers the numbers `first..first + width`.
 * @param {number} team
 * @param {number} x
 * @param {number} runs
 * @param {number} period
 * @param {number} first
 * @param {number} width
 * @param {number} out
 */
export function slice(team, x, runs, period, first, width, out) {
    wasm.slice(team, x, runs, period, first, width, out);
}

/**
 * Sorts a copy of every row, and sums it.
 * @param {number} team
 * @param {number} scores
 * @param {number} rows
 * @param {number} cols
 * @param {number} sorted
 * @param {number} sums
 */
export function sort_rows(team, scores, rows, cols, sorted, sums) {
    wasm.sort_rows(team, scores, rows, cols, sorted, sums);
}

/**
 * Of every part of the rows of x the column sums of `x²`: `parts` is ceil(rows / 64) x cols.
 * @param {number} team
 * @param {number} x
 * @param {number} rows
 * @param {number} cols
 * @param {number} parts
 */
export function square_parts(team, x, rows, cols, parts) {
    wasm.square_parts(team, x, rows, cols, parts);
}

/**
 * f64 of scratch for [`square_parts`].
 * @param {number} rows
 * @param {number} cols
 * @returns {number}
 */
export function square_scratch(rows, cols) {
    const ret = wasm.square_scratch(rows, cols);
    return ret >>> 0;
}

/**
 * Sums over heads that share keys: `x` is tokens x kv_heads * shared * dim, `out` tokens x kv_heads * dim.
 * @param {number} team
 * @param {number} x
 * @param {number} tokens
 * @param {number} kv_heads
 * @param {number} shared
 * @param {number} dim
 * @param {number} out
 */
export function sum_heads(team, x, tokens, kv_heads, shared, dim, out) {
    wasm.sum_heads(team, x, tokens, kv_heads, shared, dim, out);
}

/**
 * The sum of `count` sums, rounded once.
 * @param {number} team
 * @param {number} sums
 * @param {number} count
 * @param {number} out
 */
export function total(team, sums, count, out) {
    wasm.total(team, sums, count, out);
}

/**
 * The number of every column: 1, the root of `from` (the statistic, 1 x n), or the square of the diagonal of `from` (U,
 * n x n).
 * @param {number} team
 * @param {number} formula
 * @param {number} from
 * @param {number} n
 * @param {number} column
 */
export function worth(team, formula, from, n, column) {
    wasm.worth(team, formula, from, n, column);
}

/**
 * `n` bytes of 0.
 * @param {number} team
 * @param {number} out
 * @param {number} n
 */
export function zero(team, out, n) {
    wasm.zero(team, out, n);
}

/**
 * The mask of a weight (rows x cols): bit 1 for every zero.
 * @param {number} team
 * @param {number} weight
 * @param {number} dtype
 * @param {number} rows
 * @param {number} cols
 * @param {number} mask
 */
export function zeros(team, weight, dtype, rows, cols, mask) {
    wasm.zeros(team, weight, dtype, rows, cols, mask);
}
function __wbg_get_imports(memory) {
    const import0 = {
        __proto__: null,
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            const offset = table.grow(4);
            table.set(0, undefined);
            table.set(offset + 0, undefined);
            table.set(offset + 1, null);
            table.set(offset + 2, true);
            table.set(offset + 3, false);
        },
        memory: memory || new WebAssembly.Memory({initial:18,maximum:65536,shared:true}),
    };
    return {
        __proto__: null,
        "./kernels_bg.js": import0,
    };
}

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module, thread_stack_size) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    if (typeof thread_stack_size !== 'undefined' && (typeof thread_stack_size !== 'number' || thread_stack_size === 0 || thread_stack_size % 65536 !== 0)) {
        throw new Error('invalid stack size');
    }

    wasm.__wbindgen_start(thread_stack_size);
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module, memory) {
    if (wasm !== undefined) return wasm;

    let thread_stack_size
    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module, memory, thread_stack_size} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports(memory);
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module, thread_stack_size);
}

async function __wbg_init(module_or_path, memory) {
    if (wasm !== undefined) return wasm;

    let thread_stack_size
    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path, memory, thread_stack_size} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('kernels_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports(memory);

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module, thread_stack_size);
}

export { initSync, __wbg_init as default };
