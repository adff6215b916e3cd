/**
 * The {@linkcode Backend} on WebGPU: shapes are checked here, what it takes to compute is in the files of each group of
 * operations, and the arithmetic is in `wgsl/`.
 */
import {
  type AttentionShape,
  type Backend,
  BYTES,
  type Dtype,
  type Formula,
  type Mask,
  type Selection,
  type Sums,
  type Tensor,
} from "../backend.ts";
import { attention } from "./attention.ts";
import { selectCumulative } from "./cumulative.ts";
import type { Device } from "./device.ts";
import * as forward from "./forward.ts";
import { linear } from "./linear.ts";
import * as observe from "./observe.ts";
import { apply, score } from "./score.ts";
import { selectGroups, selectSmallest } from "./select.ts";
import { TiledMask, TiledTensor } from "./tensor.ts";

/** Throws unless what was found is what was expected. */
function expect(what: string, expected: number | string, found: number | string): void {
  if (expected !== found) throw new RangeError(`${what}: expected ${expected}, found ${found}`);
}

/** Throws unless `found` is a multiple of `unit`. */
function expectMultiple(what: string, unit: number, found: number): void {
  if (!(unit > 0 && found % unit === 0)) {
    throw new RangeError(`${what}: expected a multiple of ${unit}, found ${found}`);
  }
}

/** Throws unless `found` is in [least, most]. */
function expectWithin(what: string, least: number, most: number, found: number): void {
  if (!(found >= least && found <= most)) {
    throw new RangeError(`${what}: expected ${least} to ${most}, found ${found}`);
  }
}

/** This backend's own view of a tensor, which must not be disposed of. */
function own(tensor: Tensor): TiledTensor {
  if (!(tensor instanceof TiledTensor)) throw new RangeError("expected a tensor of this backend, found another");
  if (tensor.disposed) throw new RangeError("expected a tensor, found one that was disposed of");
  return tensor;
}

/** As {@linkcode own}, F32. */
function own32(what: string, tensor: Tensor): TiledTensor {
  expect(`dtype of ${what}`, "F32", tensor.dtype);
  return own(tensor);
}

/** The realisation of {@linkcode Backend} on a device. */
export class WebgpuBackend implements Backend {
  readonly name = "webgpu";
  #device: Device;

  constructor(device: Device, readonly description: string) {
    this.#device = device;
  }

  get live(): number {
    return this.#device.live;
  }

  allocate(rows: number, cols: number, dtype: Dtype = "F32"): Tensor {
    const tensor = new TiledTensor(this.#device, rows, cols, dtype);
    for (const tile of tensor.tiles) this.#device.clear(tile);
    return tensor;
  }

  upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): Tensor {
    expect(`bytes of ${rows} x ${cols} ${dtype}`, rows * cols * BYTES[dtype], bytes.length);
    const tensor = new TiledTensor(this.#device, rows, cols, dtype);
    let from = 0;
    tensor.tiles.forEach((tile, i) => this.#device.write(tile, bytes.subarray(from, from += tensor.tileBytes(i))));
    return tensor;
  }

  async read(...held: (Tensor | Mask)[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const tensors = held.map((each) => own(each instanceof TiledMask ? each.words : each as Tensor));
    const results = tensors.map(({ rows, cols, dtype }) => new Uint8Array(rows * cols * BYTES[dtype]));
    await this.#device.read(tensors.flatMap((tensor, which) => {
      let from = 0;
      return tensor.tiles.map((buffer, i) => ({
        buffer,
        into: results[which].subarray(from, from += tensor.tileBytes(i)),
      }));
    }));
    return results;
  }

  embed(out: Tensor, ids: Uint32Array, table: Tensor, firstRow: number): void {
    expect("ids", out.rows, ids.length);
    expect("columns of the table", out.cols, table.cols);
    forward.embed(this.#device, own32("out", out), ids, own(table), firstRow);
  }

  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    expect("columns of x", weight.cols, x.cols);
    if (bias) {
      expect("rows of the bias", 1, bias.rows);
      expect("columns of the bias", weight.rows, bias.cols);
    }
    return linear(this.#device, own32("x", x), own(weight), bias && own(bias));
  }

  rmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
    expect("rows of the gain", 1, gain.rows);
    expectMultiple("columns of x", gain.cols, x.cols);
    return forward.rmsNorm(this.#device, own32("x", x), own(gain), epsilon);
  }

  rotate(x: Tensor, angles: Tensor): Tensor {
    expectMultiple("headDim", 2, angles.cols);
    expectMultiple("columns of x", angles.cols, x.cols);
    return forward.rotate(this.#device, own32("x", x), own32("angles", angles));
  }

  attention(q: Tensor, k: Tensor, v: Tensor, shape: AttentionShape): Tensor {
    const { length, heads, kvHeads } = shape;
    if (heads % kvHeads !== 0) throw new RangeError(`kvHeads: expected a divisor of ${heads} heads, found ${kvHeads}`);
    expectMultiple("columns of q, with the heads given", heads, q.cols);
    expectMultiple("rows of q", length, q.rows);
    expect("rows of k", q.rows, k.rows);
    expect("rows of v", q.rows, v.rows);
    expect("columns of k", q.cols / heads * kvHeads, k.cols);
    expect("columns of v", q.cols / heads * kvHeads, v.cols);
    return attention(this.#device, own32("q", q), own32("k", k), own32("v", v), shape);
  }

  swiglu(gate: Tensor, up: Tensor): Tensor {
    return this.#elementwise("swiglu", gate, up);
  }

  add(x: Tensor, y: Tensor): Tensor {
    return this.#elementwise("add", x, y);
  }

  #elementwise(name: "swiglu" | "add", x: Tensor, y: Tensor): Tensor {
    expect("rows", x.rows, y.rows);
    expect("columns", x.cols, y.cols);
    return forward.elementwise(this.#device, name, own32("the first", x), own32("the second", y));
  }

  crossEntropy(
    state: Tensor,
    hidden: Tensor,
    head: Tensor,
    firstRow: number,
    targets: Uint32Array,
    start: boolean,
  ): void {
    expect("rows of the state", hidden.rows, state.rows);
    expect("columns of the state", 3, state.cols);
    expect("columns of the head", hidden.cols, head.cols);
    expect("targets", hidden.rows, targets.length);
    const tensors = [own32("the state", state), own32("hidden", hidden), own(head)] as const;
    forward.crossEntropy(this.#device, ...tensors, firstRow, targets, start);
  }

  addSquares(sums: Sums, x: Tensor): void {
    expect("rows of the sums", 2, sums.rows);
    expect("columns of x", sums.cols, x.cols);
    observe.addSquares(this.#device, own32("the sums", sums), own32("x", x));
  }

  merge(sums: Sums, other: Sums): void {
    expect("rows of the sums", 2, sums.rows);
    expect("rows of the other sums", 2, other.rows);
    expect("columns of the other sums", sums.cols, other.cols);
    observe.merge(this.#device, own32("the sums", sums), own32("the other sums", other));
  }

  finish(sums: Sums, scale: number): Tensor {
    expect("rows of the sums", 2, sums.rows);
    return observe.finish(this.#device, own32("the sums", sums), scale);
  }

  score(weight: Tensor, formula: Formula): Tensor {
    if (formula.kind === "activation") {
      expect("rows of the statistic", 1, formula.statistic.rows);
      expect("columns of the statistic", weight.cols, formula.statistic.cols);
      own32("the statistic", formula.statistic);
    }
    return score(this.#device, own(weight), formula);
  }

  selectSmallest(scores: Tensor, selection: Selection): Mask {
    const { group, sparsity } = selection;
    if (!(sparsity >= 0 && sparsity < 1)) {
      throw new RangeError(`sparsity: expected at least 0 and below 1, found ${sparsity}`);
    }
    if (group !== "column" && !(Number.isInteger(group) && group >= 1)) {
      throw new RangeError(`rows of a group: expected a whole number of at least 1, found ${group}`);
    }
    return selectSmallest(this.#device, own32("the scores", scores), selection);
  }

  selectGroups(scores: Tensor, n: number, m: number): Mask {
    expectMultiple("columns of the scores", m, scores.cols);
    expectWithin("n", 0, m, n);
    return selectGroups(this.#device, own32("the scores", scores), n, m);
  }

  selectCumulative(scores: Tensor, sparsity: number): Mask {
    if (!(sparsity >= 0 && sparsity < 1)) {
      throw new RangeError(`sparsity: expected at least 0 and below 1, found ${sparsity}`);
    }
    return selectCumulative(this.#device, own32("the scores", scores), sparsity);
  }

  apply(weight: Tensor, mask: Mask): void {
    expect("rows of the mask", weight.rows, mask.rows);
    expect("columns of the mask", weight.cols, mask.cols);
    if (!(mask instanceof TiledMask)) throw new RangeError("expected a mask of this backend, found another");
    own(mask.words);
    apply(this.#device, own(weight), mask);
  }

  /** This device's clock is not asked. */
  seconds(): Promise<Record<string, number>> {
    return Promise.resolve({});
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#device.destroy();
    return Promise.resolve();
  }
}
