/**
 * The backend's contract, stated once more in plain TypeScript: every operation as the formula in its doc comment,
 * sums in f64, no tiling, no queue. It is slow and obvious on purpose. The contract suite checks it and both real
 * backends against independent formulas; pipelines are tested with it where speed does not matter.
 */
import type {
  Activation,
  AdamWOptions,
  AssignOptions,
  AttentionOptions,
  Backend,
  Choice,
  CombineOptions,
  CrossEntropyOptions,
  Descent,
  DropoutOptions,
  Dtype,
  EliminationFormula,
  Formula,
  InverseFactor,
  MapFunction,
  Mask,
  Moments,
  NormGradients,
  NormOptions,
  PackedData,
  PackedWeight,
  RotateOptions,
  Selection,
  Sums,
  Tensor,
  Term,
  Weight,
} from "../../src/backend/backend.ts";
import { expandedDtype } from "../../src/backend/backend.ts";
import { OPERATIONS } from "../../src/backend/operations/mod.ts";
import * as backward from "./backward.ts";
import { fromFloats, toFloats } from "./floats.ts";
import { mapped } from "./functions.ts";
import { expandByHand } from "./packed.ts";
import { conjugate, eliminate, inverse } from "./solve.ts";

/** A tensor of the reference backend: its values, widened. */
export class Matrix implements Tensor {
  #owner: ReferenceBackend;
  #alive = true;
  constructor(
    owner: ReferenceBackend,
    readonly rows: number,
    readonly cols: number,
    readonly dtype: Dtype,
    public values: Float32Array,
  ) {
    this.#owner = owner;
    owner.live++;
  }
  [Symbol.dispose](): void {
    if (this.#alive) this.#owner.live--;
    this.#alive = false;
  }
}

/** A mask of the reference backend. */
export class Bits implements Mask {
  #owner: ReferenceBackend;
  #alive = true;
  readonly stride: number;
  readonly words: Uint32Array<ArrayBuffer>;
  constructor(owner: ReferenceBackend, readonly rows: number, readonly cols: number) {
    this.#owner = owner;
    this.stride = Math.ceil(cols / 32);
    this.words = new Uint32Array(rows * this.stride);
    owner.live++;
  }
  remove(row: number, col: number): void {
    this.words[row * this.stride + (col >> 5)] |= 1 << (col & 31);
  }
  removes(row: number, col: number): boolean {
    return (this.words[row * this.stride + (col >> 5)] >>> (col & 31) & 1) === 1;
  }
  [Symbol.dispose](): void {
    if (this.#alive) this.#owner.live--;
    this.#alive = false;
  }
}

/** A packed weight of the reference backend: its values, dense. */
class Packed extends Matrix implements PackedWeight {
  readonly valueType: PackedData["valueType"];
  readonly pattern: PackedData["pattern"];
  readonly group?: number;
  readonly bytes: number;
  constructor(owner: ReferenceBackend, data: PackedData) {
    super(owner, data.rows, data.cols, expandedDtype(data), expandByHand(data));
    this.valueType = data.valueType;
    this.pattern = data.pattern;
    this.group = data.group;
    this.bytes = data.values.length;
  }
}

/** The values of a reference tensor. */
export const values = (tensor: Tensor): Float32Array => (tensor as Matrix).values;

/** The indices of the smallest scores that a group loses, by a plain stable sort. */
export function smallest(scores: number[], sparsity: number, rule: Selection["rule"]): number[] {
  if (sparsity === 0) return [];
  const order = scores.map((_, i) => i).sort((a, b) => scores[a] - scores[b] || a - b);
  const count = Math.floor(scores.length * sparsity);
  if (rule === "count") return order.slice(0, count);
  return order.filter((i) => scores[i] <= scores[order[count]]);
}

/** What a weight of this size is worth. */
function worth(size: number, column: number, formula: Exclude<Formula, { kind: "relative" }>): number {
  return formula.kind === "magnitude" ? size : size * Math.fround(Math.sqrt(values(formula.statistic)[column]));
}

/** The finaliser of MurmurHash3's 32 bits. */
function murmur(word: number): number {
  let hash = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

/** See the file's head. */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly description = "plain TypeScript, f64";
  readonly arithmetic = "f64";
  /** Small batches: several of them are still few tokens. */
  readonly limits = { memoryBytes: Infinity, batchTokens: 256, spoolAbove: 2 ** 30 };
  live = 0;

  allocate(rows: number, cols: number, dtype: Dtype = "F32"): Tensor {
    return new Matrix(this, rows, cols, dtype, new Float32Array(rows * cols));
  }

  upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): Tensor {
    OPERATIONS.upload.check(bytes, rows, cols, dtype);
    const floats = toFloats(bytes, dtype);
    return new Matrix(this, rows, cols, dtype, floats);
  }

  read(...held: (Tensor | Mask)[]): Promise<Uint8Array<ArrayBuffer>[]> {
    return Promise.resolve(
      held.map((one) =>
        one instanceof Bits
          ? new Uint8Array(one.words.slice().buffer)
          : fromFloats((one as Matrix).values, (one as Matrix).dtype)
      ),
    );
  }

  #fill(rows: number, cols: number, value: (row: number, col: number) => number): Tensor {
    const out = new Float32Array(rows * cols);
    for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[i * cols + j] = value(i, j);
    return new Matrix(this, rows, cols, "F32", out);
  }

  embed(out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void {
    OPERATIONS.embed.check(out, ids, table, firstRow);
    const { cols } = table, to = values(out), from = values(table);
    ids.forEach((id, t) => {
      const row = id - firstRow;
      if (row >= 0 && row < table.rows) to.set(from.subarray(row * cols, (row + 1) * cols), t * cols);
    });
  }

  uploadPacked(data: PackedData): PackedWeight {
    OPERATIONS.uploadPacked.check(data);
    return new Packed(this, data);
  }

  expand(weight: PackedWeight): Tensor {
    const { rows, cols, dtype, values } = weight as Packed;
    return new Matrix(this, rows, cols, dtype, values.slice());
  }

  linear(x: Tensor, weight: Weight, bias?: Tensor): Tensor {
    OPERATIONS.linear.check(x, weight, bias);
    const a = values(x), w = values(weight as Matrix), b = bias && values(bias), depth = x.cols;
    return this.#fill(x.rows, weight.rows, (t, i) => {
      let sum = b ? b[i] : 0;
      for (let k = 0, p = t * depth, q = i * depth; k < depth; k++) sum += a[p + k] * w[q + k];
      return sum;
    });
  }

  norm(x: Tensor, gain: Tensor, options: NormOptions): Tensor {
    OPERATIONS.norm.check(x, gain, options);
    const { kind, epsilon, bias, unitOffset } = options, n = gain.cols;
    const a = values(x), g = values(gain), b = bias && values(bias), out = new Float32Array(a.length);
    for (let start = 0; start < a.length; start += n) {
      const run = Float64Array.from(a.subarray(start, start + n)), at = start % x.cols / n % gain.rows * n;
      const mean = kind === "layer" ? run.reduce((sum, value) => sum + value) / n : 0;
      const scale = 1 / Math.sqrt(run.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n + epsilon);
      run.forEach((value, j) => {
        const factor = unitOffset ? 1 + g[at + j] : g[at + j];
        out[start + j] = (value - mean) * scale * factor + (b ? b[at + j] : 0);
      });
    }
    return new Matrix(this, x.rows, x.cols, "F32", out);
  }

  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    OPERATIONS.rotate.check(x, angles, options);
    const { headDim: d, layout, inverse } = options, turned = angles.cols, half = turned / 2;
    const a = values(x), angle = values(angles);
    return this.#fill(x.rows, x.cols, (t, col) => {
      const j = col % d, here = a[t * x.cols + col];
      if (j >= turned) return here;
      const first = layout === "half" ? j < half : j % 2 === 0, step = layout === "half" ? half : 1;
      const pair = layout === "half" ? j % half : Math.floor(j / 2);
      const cos = angle[t * turned + pair], sin = (inverse ? -1 : 1) * angle[t * turned + half + pair];
      return here * cos + (first ? -a[t * x.cols + col + step] : a[t * x.cols + col - step]) * sin;
    });
  }

  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    OPERATIONS.attention.check(q, k, v, options);
    const { offsets, heads, kvHeads, scale, window = Infinity, softCap, slopes, spans } = options;
    const d = q.cols / heads, shared = heads / kvHeads;
    // The rows of k that a sequence sees, by their positions.
    const rowsOf = (sequence: number): number[] => {
      const ranges = spans?.[sequence] ?? offsets.subarray(sequence, sequence + 2), rows: number[] = [];
      for (let i = 0; i < ranges.length; i += 2) for (let row = ranges[i]; row < ranges[i + 1]; row++) rows.push(row);
      return rows;
    };
    const a = values(q), b = values(k), c = values(v), out = new Float32Array(a.length);
    for (let t = 0, sequence = 0, rows = rowsOf(0); t < q.rows; t++) {
      if (t === offsets[sequence + 1]) rows = rowsOf(++sequence);
      const position = rows.length - (offsets[sequence + 1] - t), first = Math.max(0, position - window + 1);
      const seen = rows.slice(first, position + 1);
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor(h / shared) * d;
        const scores = seen.map((row, i) => {
          let dot = 0;
          for (let j = 0; j < d; j++) dot += a[t * q.cols + h * d + j] * b[row * k.cols + kv + j];
          const score = softCap ? softCap * Math.tanh(dot * scale / softCap) : dot * scale;
          return score + (slopes ? slopes[h] * (first + i - position) : 0);
        });
        const largest = scores.reduce((x, y) => Math.max(x, y));
        const exps = scores.map((score) => Math.exp(score - largest));
        const total = exps.reduce((x, y) => x + y);
        for (let j = 0; j < d; j++) {
          let sum = 0;
          for (const [i, row] of seen.entries()) sum += exps[i] * c[row * v.cols + kv + j];
          out[t * q.cols + h * d + j] = sum / total;
        }
      }
    }
    return new Matrix(this, q.rows, q.cols, "F32", out);
  }

  map(x: Tensor, fn: MapFunction): Tensor {
    OPERATIONS.map.check(x, fn);
    const a = values(x);
    return this.#fill(x.rows, x.cols, (t, j) => mapped(a[t * x.cols + j], fn));
  }

  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    OPERATIONS.gate.check(gate, up, activation);
    const g = values(gate), u = values(up);
    return this.#fill(gate.rows, gate.cols, (t, j) => {
      const at = t * gate.cols + j;
      return mapped(g[at], { kind: activation }) * u[at];
    });
  }

  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    OPERATIONS.slice.check(x, first, width, period);
    const a = values(x), at = (j: number): number => Math.floor(j / width) * period + first + j % width;
    return this.#fill(x.rows, x.cols / period * width, (t, j) => a[t * x.cols + at(j)]);
  }

  add(x: Tensor, y: Tensor): Tensor {
    OPERATIONS.add.check(x, y);
    const a = values(x), b = values(y);
    return this.#fill(x.rows, x.cols, (i, j) => a[i * x.cols + j] + b[i * x.cols + j]);
  }

  crossEntropy(
    state: Tensor,
    hidden: Tensor,
    head: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options: CrossEntropyOptions = {},
  ): void {
    OPERATIONS.crossEntropy.check(state, hidden, head, firstRow, targets, options);
    using products = this.linear(hidden, head);
    this.crossEntropyOfLogits(state, products, firstRow, targets, options);
  }

  crossEntropyOfLogits(
    state: Tensor,
    products: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options: CrossEntropyOptions = {},
  ): void {
    OPERATIONS.crossEntropyOfLogits.check(state, products, firstRow, targets, options);
    const { start, softCap } = options, outputs = products.cols;
    using logits = softCap ? this.map(products, { kind: "soft_cap", cap: softCap }) : this.copy(products);
    const l = values(logits), s = values(state);
    for (let t = 0; t < products.rows; t++) {
      const row = l.subarray(t * outputs, (t + 1) * outputs), at = t * 3;
      const before = start ? -Infinity : s[at];
      const largest = row.reduce((x, y) => Math.max(x, y), before);
      let sum = start ? 0 : s[at + 1] * Math.exp(before - largest);
      for (const logit of row) sum += Math.exp(logit - largest);
      const target = targets[t] - firstRow;
      const found = target >= 0 && target < outputs ? row[target] : start ? 0 : s[at + 2];
      s.set([largest, sum, found], at);
    }
  }

  addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void {
    OPERATIONS.addRows.check(out, x, rows, weights);
    const to = values(out), from = values(x), { cols } = x;
    rows.forEach((row, i) => {
      for (let j = 0; j < cols; j++) to[row * cols + j] += weights[i] * from[i * cols + j];
    });
  }

  setRows(out: Tensor, x: Tensor, rows: Uint32Array): void {
    OPERATIONS.setRows.check(out, x, rows);
    const to = values(out), from = toFloats(fromFloats(values(x), out.dtype), out.dtype), { cols } = x;
    rows.forEach((row, i) => to.set(from.subarray(i * cols, (i + 1) * cols), row * cols));
  }

  /** Adds numbers to a tensor, rounded once. */
  #add(to: Tensor, numbers: ArrayLike<number>): void {
    const out = values(to);
    for (let i = 0; i < out.length; i++) out[i] += numbers[i];
  }

  linearBackward(dy: Tensor, weight: Tensor): Tensor {
    OPERATIONS.linearBackward.check(dy, weight);
    const dx = backward.product(values(dy), values(weight), dy.cols, weight.cols);
    return new Matrix(this, dy.rows, weight.cols, "F32", Float32Array.from(dx));
  }

  addWeightGradient(gradient: Tensor, dy: Tensor, x: Tensor, firstRow = 0): void {
    OPERATIONS.addWeightGradient.check(gradient, dy, x, firstRow);
    const out = values(gradient).subarray(firstRow * x.cols), turned = backward.transposed(values(dy), dy.cols);
    backward.product(turned, values(x), dy.rows, x.cols).forEach((value, at) => out[at] += value);
  }

  addColumnSums(gradient: Tensor, dy: Tensor): void {
    OPERATIONS.addColumnSums.check(gradient, dy);
    this.#add(gradient, backward.product(new Float64Array(dy.rows).fill(1), values(dy), dy.rows, dy.cols));
  }

  normBackward(x: Tensor, gain: Tensor, dy: Tensor, options: NormOptions, gradients: NormGradients = {}): Tensor {
    OPERATIONS.normBackward.check(x, gain, dy, options, gradients);
    const all = { ...options, cols: x.cols, n: gain.cols };
    const { dx, byGain, byBias } = backward.norm(values(x), values(gain), values(dy), all);
    if (gradients.gain) this.#add(gradients.gain, byGain);
    if (gradients.bias) this.#add(gradients.bias, byBias);
    return new Matrix(this, x.rows, x.cols, "F32", Float32Array.from(dx));
  }

  attentionBackward(q: Tensor, k: Tensor, v: Tensor, dy: Tensor, options: AttentionOptions): [Tensor, Tensor, Tensor] {
    OPERATIONS.attentionBackward.check(q, k, v, dy, options);
    const found = backward.attention(values(q), values(k), values(v), values(dy), options);
    using scope = new DisposableStack();
    const [dq, dk, dv] = [q, k, v].map(({ rows, cols }, i) =>
      scope.use(new Matrix(this, rows, cols, "F32", Float32Array.from(found[i])))
    );
    scope.move(); // they are the caller's
    return [dq, dk, dv];
  }

  mapBackward(x: Tensor, dy: Tensor, fn: MapFunction): Tensor {
    OPERATIONS.mapBackward.check(x, dy, fn);
    return this.#fill(x.rows, x.cols, (t, j) => {
      const at = t * x.cols + j;
      return values(dy)[at] * backward.slope(values(x)[at], fn);
    });
  }

  gateBackward(gate: Tensor, up: Tensor, dy: Tensor, activation: Activation): [Tensor, Tensor] {
    OPERATIONS.gateBackward.check(gate, up, dy, activation);
    const { rows, cols } = gate, kind = { kind: activation }, [g, u, d] = [gate, up, dy].map(values);
    using scope = new DisposableStack();
    const byGate = scope.use(
      this.#fill(rows, cols, (t, j) => d[t * cols + j] * u[t * cols + j] * backward.slope(g[t * cols + j], kind)),
    );
    const byUp = this.#fill(rows, cols, (t, j) => d[t * cols + j] * mapped(g[t * cols + j], kind));
    scope.move(); // they are the caller's
    return [byGate, byUp];
  }

  sliceBackward(gradient: Tensor, dy: Tensor, first: number, period: number): void {
    OPERATIONS.sliceBackward.check(gradient, dy, first, period);
    const runs = gradient.cols / period, width = dy.cols / runs, out = values(gradient);
    values(dy).forEach((value, at) => out[Math.floor(at / width) * period + first + at % width] += value);
  }

  embedBackward(gradient: Tensor, ids: Uint32Array, dy: Tensor, firstRow: number): void {
    OPERATIONS.embedBackward.check(gradient, ids, dy, firstRow);
    const out = values(gradient), { cols } = gradient;
    ids.forEach((id, t) => {
      const row = id - firstRow;
      if (row < 0 || row >= gradient.rows) return;
      for (let j = 0; j < cols; j++) out[row * cols + j] += values(dy)[t * cols + j];
    });
  }

  crossEntropyBackward(
    state: Tensor,
    logits: Tensor,
    firstRow: number,
    targets: Uint32Array,
    weights: Float32Array,
    softCap?: number,
  ): Tensor {
    OPERATIONS.crossEntropyBackward.check(state, logits, firstRow, targets, weights, softCap);
    const { rows, cols } = logits;
    const found = backward.crossEntropy(values(state), values(logits), cols, firstRow, targets, weights, softCap);
    return new Matrix(this, rows, cols, "F32", Float32Array.from(found));
  }

  dotRows(x: Tensor, y: Tensor): Tensor {
    OPERATIONS.dotRows.check(x, y);
    const dot = (t: number): number => {
      let sum = 0;
      for (let at = t * x.cols; at < (t + 1) * x.cols; at++) sum += values(x)[at] * values(y)[at];
      return sum;
    };
    return this.#fill(x.rows, 1, dot);
  }

  /** Writes an f64 value as a high part and what it lost. */
  #store(sums: Sums, at: number, value: number): void {
    const high = Math.fround(value), out = values(sums);
    out[at] = high;
    out[out.length / 2 + at] = value - high;
  }

  addSquares(sums: Sums, x: Tensor): void {
    OPERATIONS.addSquares.check(sums, x);
    const a = values(x), s = values(sums);
    for (let j = 0; j < x.cols; j++) {
      let sum = s[j] + s[x.cols + j];
      for (let t = 0; t < x.rows; t++) sum += a[t * x.cols + j] ** 2;
      this.#store(sums, j, sum);
    }
  }

  addGram(sums: Sums, x: Tensor): void {
    OPERATIONS.addGram.check(sums, x);
    const a = values(x), s = values(sums), n = x.cols;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = s[i * n + j] + s[n * n + i * n + j];
        for (let t = 0; t < x.rows; t++) sum += a[t * n + i] * a[t * n + j];
        this.#store(sums, i * n + j, sum);
      }
    }
  }

  merge(sums: Sums, other: Sums): void {
    OPERATIONS.merge.check(sums, other);
    const a = values(sums), b = values(other), n = a.length / 2;
    for (let i = 0; i < n; i++) this.#store(sums, i, (a[i] + a[n + i]) + (b[i] + b[n + i]));
  }

  finish(sums: Sums, scale: number): Tensor {
    OPERATIONS.finish.check(sums, scale);
    const s = values(sums), n = s.length / 2;
    return this.#fill(sums.rows / 2, sums.cols, (i, j) => {
      const at = i * sums.cols + j;
      return scale * (s[at] + s[n + at]);
    });
  }

  score(weight: Tensor, formula: Formula): Tensor {
    OPERATIONS.score.check(weight, formula);
    const { rows, cols } = weight, w = values(weight).map(Math.abs);
    if (formula.kind !== "relative") {
      return this.#fill(rows, cols, (i, j) => worth(w[i * cols + j], j, formula));
    }
    const stat = values(formula.statistic), byRow = new Float64Array(rows), byCol = new Float64Array(cols);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        byRow[i] += w[i * cols + j];
        byCol[j] += w[i * cols + j];
      }
    }
    const inverse = (sum: number) => sum === 0 ? 0 : 1 / sum;
    return this.#fill(
      rows,
      cols,
      (i, j) => w[i * cols + j] * (inverse(byRow[i]) + inverse(byCol[j])) * stat[j] ** 0.25,
    );
  }

  selectSmallest(scores: Tensor, selection: Selection): Mask {
    OPERATIONS.selectSmallest.check(scores, selection);
    const { group, sparsity, rule } = selection;
    const { rows, cols } = scores, s = values(scores).map(Math.abs), mask = new Bits(this, rows, cols);
    if (group === "column") {
      for (let j = 0; j < cols; j++) {
        const column = Array.from({ length: rows }, (_, i) => s[i * cols + j]);
        for (const i of smallest(column, sparsity, rule)) mask.remove(i, j);
      }
    } else {
      for (let first = 0; first < rows; first += group) {
        const run = [...s.subarray(first * cols, Math.min(rows, first + group) * cols)];
        for (const i of smallest(run, sparsity, rule)) mask.remove(first + Math.floor(i / cols), i % cols);
      }
    }
    return mask;
  }

  selectGroups(scores: Tensor, n: number, m: number): Mask {
    OPERATIONS.selectGroups.check(scores, n, m);
    const { rows, cols } = scores, s = values(scores).map(Math.abs), mask = new Bits(this, rows, cols);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j += m) {
        const group = [...s.subarray(i * cols + j, i * cols + j + m)];
        const order = group.map((_, k) => k).sort((a, b) => group[a] - group[b] || a - b);
        for (const k of order.slice(0, m - n)) mask.remove(i, j + k);
      }
    }
    return mask;
  }

  selectCumulative(scores: Tensor, sparsity: number): Mask {
    OPERATIONS.selectCumulative.check(scores, sparsity);
    const { rows, cols } = scores, s = values(scores);
    const sorted = Array.from({ length: rows }, (_, i) => s.slice(i * cols, (i + 1) * cols).sort());
    const running = sorted.map((row) => {
      let sum = 0;
      return Float32Array.from(row, (score) => sum += score);
    });
    const totals = running.map((row) => row[cols - 1]);
    const at = (alpha: number): Bits => {
      const mask = new Bits(this, rows, cols);
      for (let i = 0; i < rows; i++) {
        const limit = Math.fround(alpha) * totals[i];
        const count = running[i].filter((sum) => sum <= Math.fround(limit)).length;
        if (count === 0) continue;
        for (let j = 0; j < cols; j++) if (s[i * cols + j] <= sorted[i][count - 1]) mask.remove(i, j);
      }
      return mask;
    };
    const share = (mask: Bits): number => {
      let removed = 0;
      for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) removed += Number(mask.removes(i, j));
      return Math.fround(removed / (rows * cols));
    };
    // The published code holds the sparsity and its distance in f32.
    const wanted = Math.fround(sparsity), near = Math.fround(0.001);
    let low = 0, high = 0.8, alpha = 0.4;
    let mask = at(alpha);
    while (Math.abs(Math.fround(share(mask) - wanted)) > near && high - low >= 0.001) {
      if (share(mask) > wanted) [high, alpha] = [alpha, (alpha + low) / 2];
      else [low, alpha] = [alpha, (alpha + high) / 2];
      mask[Symbol.dispose]();
      mask = at(alpha);
    }
    return mask;
  }

  apply(weight: Tensor, mask: Mask): void {
    OPERATIONS.apply.check(weight, mask);
    const w = values(weight), bits = mask as Bits;
    for (let i = 0; i < weight.rows; i++) {
      for (let j = 0; j < weight.cols; j++) if (bits.removes(i, j)) w[i * weight.cols + j] = 0;
    }
  }

  copy(tensor: Tensor): Tensor {
    return new Matrix(this, tensor.rows, tensor.cols, tensor.dtype, values(tensor).slice());
  }

  error(before: Tensor, after: Tensor, moment: Tensor): Tensor {
    OPERATIONS.error.check(before, after, moment);
    const { rows, cols: n } = before, w = values(before), d = w.map((weight, at) => weight - values(after)[at]);
    const s = values(moment);
    const trace = (m: Float32Array): number => {
      let sum = 0;
      for (let i = 0; i < rows; i++) {
        const row = m.subarray(i * n, (i + 1) * n);
        for (let j = 0; j < n; j++) {
          if (moment.rows === 1) sum += row[j] ** 2 * s[j];
          else for (let k = 0; k < n; k++) sum += row[j] * s[j * n + k] * row[k];
        }
      }
      return sum;
    };
    return this.#fill(1, 2, (_, j) => trace(j === 0 ? d : w));
  }

  countAbove(scores: Tensor, limit: number): Tensor {
    OPERATIONS.countAbove.check(scores, limit);
    const s = values(scores), { rows, cols } = scores;
    return this.#fill(rows, 1, (i) => s.subarray(i * cols, (i + 1) * cols).filter((score) => score > limit).length);
  }

  zeros(weight: Tensor): Mask {
    const { rows, cols } = weight, w = values(weight), mask = new Bits(this, rows, cols);
    w.forEach((value, at) => value === 0 && mask.remove(Math.floor(at / cols), at % cols));
    return mask;
  }

  density(mask: Mask, down: number, across: number): Tensor {
    OPERATIONS.density.check(mask, down, across);
    const { rows, cols } = mask, edge = (cell: number, size: number, cells: number) => Math.floor(cell * size / cells);
    return this.#fill(down, across, (cell, part) => {
      let count = 0;
      for (let i = edge(cell, rows, down); i < edge(cell + 1, rows, down); i++) {
        for (let j = edge(part, cols, across); j < edge(part + 1, cols, across); j++) {
          count += Number((mask as Bits).removes(i, j));
        }
      }
      return count;
    });
  }

  extremes(tensor: Tensor, mask: Mask): Tensor {
    OPERATIONS.extremes.check(tensor, mask);
    const { rows, cols } = tensor, v = values(tensor);
    const of = (row: number, removed: boolean) =>
      [...v.subarray(row * cols, (row + 1) * cols)].filter((_, col) => (mask as Bits).removes(row, col) === removed)
        .map(Math.abs);
    const greatest = (numbers: number[]) => numbers.reduce((a, b) => Math.max(a, b), -1);
    return this.#fill(rows, 3, (row, which) => {
      if (which === 0) return greatest(of(row, true));
      return which === 1 ? of(row, false).reduce((a, b) => Math.min(a, b), Infinity) : greatest(of(row, false));
    });
  }

  histogram(tensor: Tensor, bins: number): Tensor {
    OPERATIONS.histogram.check(tensor, bins);
    const sizes = values(tensor).map(Math.abs), greatest = sizes.reduce((a, b) => Math.max(a, b), 0);
    const counts = new Float64Array(bins);
    // Bins times 24 bits are exact in f64, and their quotient never rounds to a whole number that it does not reach.
    for (const size of sizes) counts[Math.min(Math.floor(size * bins / (greatest || 1)), bins - 1)]++;
    return this.#fill(2, bins, (part, bin) => {
      const high = Math.fround(counts[bin]);
      return part === 0 ? high : counts[bin] - high;
    });
  }

  // deno-lint-ignore require-await -- what it throws is a rejection, as on the others
  async inverseFactor(hessian: Tensor, damping: number): Promise<InverseFactor | undefined> {
    OPERATIONS.inverseFactor.check(hessian, damping);
    const n = hessian.cols, found = inverse(values(hessian), n, damping);
    if (!found) return undefined;
    using scope = new DisposableStack();
    const upper = scope.use(this.#fill(n, n, (i, j) => found.upper[i * n + j]));
    const dead = scope.use(this.#fill(1, n, (_, j) => found.dead[j])), owned = scope.move();
    return { upper, dead, damping: found.damping, [Symbol.dispose]: () => owned.dispose() };
  }

  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): Mask {
    OPERATIONS.eliminate.check(weight, factor, choice, block);
    const { rows, cols } = weight, upper = values(factor.upper), w = Float64Array.from(values(weight));
    const score = (w: Float64Array, i: number, j: number, formula: EliminationFormula): number =>
      formula.kind === "curvature"
        ? w[i * cols + j] ** 2 / upper[j * cols + j] ** 2
        : worth(Math.abs(w[i * cols + j]), j, formula);
    const before = (w: Float64Array, first: number, width: number): number[] => {
      const places = Array.from({ length: rows * width }, (_, at) => [Math.floor(at / width), first + at % width]);
      if (choice.kind === "mask") {
        return places.flatMap(([i, j], at) => (choice.mask as Bits).removes(i, j) ? [at] : []);
      }
      if (choice.kind === "groups") return [];
      return smallest(places.map(([i, j]) => score(w, i, j, choice.formula)), choice.sparsity, "threshold");
    };
    const groups = choice.kind !== "groups" ? undefined : {
      m: choice.m,
      falls: (w: Float64Array, row: number, first: number): number[] => {
        const group = Array.from({ length: choice.m }, (_, k) => score(w, row, first + k, choice.formula));
        return group.map((_, k) => k).sort((a, b) => group[a] - group[b] || a - b).slice(0, choice.m - choice.n);
      },
    };
    const removed = eliminate({ weight: w, rows, upper, dead: values(factor.dead), block, before, groups });
    this.#round(weight, w);
    const mask = new Bits(this, rows, cols);
    removed.forEach((gone, at) => gone && mask.remove(Math.floor(at / cols), at % cols));
    return mask;
  }

  /** Writes numbers into a weight, rounded to its dtype. */
  #round(weight: Tensor, numbers: ArrayLike<number>): void {
    values(weight).set(toFloats(fromFloats(Float32Array.from(numbers), weight.dtype), weight.dtype));
  }

  equilibrate(matrix: Tensor, scale: Tensor): Tensor {
    OPERATIONS.equilibrate.check(matrix, scale);
    const a = values(matrix), s = values(scale), n = matrix.cols;
    return this.#fill(n, n, (i, j) => i === j ? 1 : s[i] * a[i * n + j] * s[j]);
  }

  combine(terms: readonly Term[], options: CombineOptions = {}): Tensor {
    OPERATIONS.combine.check(terms, options);
    return this.#sum(terms, options);
  }

  combineInto(terms: readonly Term[], options: CombineOptions = {}): void {
    OPERATIONS.combineInto.check(terms, options);
    using sum = this.#sum(terms, options);
    values(terms[0].tensor).set(values(sum));
  }

  #sum(terms: readonly Term[], { mask, columns }: CombineOptions): Tensor {
    const [{ tensor: { rows, cols } }] = terms;
    return this.#fill(rows, cols, (i, j) => {
      const gone = mask !== undefined && (mask as Bits).removes(i, j), scale = columns ? values(columns)[j] : 1;
      return terms.reduce((sum, { tensor, kept, removed = kept, unscaled }) => {
        const term = (gone ? removed : kept) * values(tensor)[i * cols + j];
        return sum + (columns && !unscaled ? Math.fround(term * scale) : term);
      }, 0);
    });
  }

  maskRows(mask: Mask, first: number, rows: number): Mask {
    OPERATIONS.maskRows.check(mask, first, rows);
    const out = new Bits(this, rows, mask.cols);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < mask.cols; j++) if ((mask as Bits).removes(first + i, j)) out.remove(i, j);
    }
    return out;
  }

  conjugate({ x, r, p }: Descent, product: Tensor, mask: Mask): void {
    OPERATIONS.conjugate.check({ x, r, p }, product, mask);
    const n = x.cols;
    for (let i = 0; i < x.rows; i++) {
      const row = (held: Tensor) => values(held).subarray(i * n, (i + 1) * n);
      const wide = (held: Tensor) => Float64Array.from(row(held));
      const q = wide(product).map((value, j) => (mask as Bits).removes(i, j) ? 0 : value);
      const next = conjugate({ x: wide(x), r: wide(r), p: wide(p) }, q);
      row(x).set(next.x);
      row(r).set(next.r);
      row(p).set(next.p);
    }
  }

  assign(weight: Tensor, numbers: Tensor, options: AssignOptions = {}): void {
    OPERATIONS.assign.check(weight, numbers, options);
    const { key } = options, given = values(numbers);
    if (key === undefined) return this.#round(weight, given);
    // A number of BF16 has seven bits behind the point of its power of two; those below 2^-126 share that power.
    this.#round(
      weight,
      given.map((value, at) => {
        const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(value)))) - 7);
        const size = Math.abs(value) / unit, up = (size % 1) * 2 ** 16 + murmur(murmur(at) ^ key) % 2 ** 16 >= 2 ** 16;
        return value && Number.isFinite(value) ? Math.sign(value) * (Math.floor(size) + Number(up)) * unit : value;
      }),
    );
  }

  adamw(weight: Tensor, { first, second }: Moments, gradient: Tensor, options: AdamWOptions): void {
    OPERATIONS.adamw.check(weight, { first, second }, gradient, options);
    const { rate, beta1, beta2, epsilon, decay, step, scale = 1, mask } = options, { cols } = weight;
    const w = values(weight), m = values(first), v = values(second);
    values(gradient).forEach((raw, at) => {
      if (mask && (mask as Bits).removes(Math.floor(at / cols), at % cols)) return;
      const g = scale * raw, mean = m[at] + (1 - beta1) * (g - m[at]), square = beta2 * v[at] + (1 - beta2) * g * g;
      const below = Math.sqrt(square) / Math.sqrt(1 - beta2 ** step) + epsilon;
      w[at] = (1 - rate * decay) * w[at] - rate / (1 - beta1 ** step) * mean / below;
      m[at] = mean;
      v[at] = square;
    });
  }

  dropout(x: Tensor, options: DropoutOptions): Tensor {
    OPERATIONS.dropout.check(x, options);
    const { rate, key } = options, from = values(x);
    return this.#fill(x.rows, x.cols, (i, j) => {
      const at = i * x.cols + j;
      return murmur(murmur(at) ^ key) < rate * 2 ** 32 ? 0 : from[at] / (1 - rate);
    });
  }

  seconds(): Promise<Record<string, number>> {
    return Promise.resolve({});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
