/**
 * The {@linkcode Backend} on WebGPU: shapes are checked as on every backend, what it takes to compute is in the files of
 * each group of operations, and the arithmetic is in `wgsl/`.
 */
import {
  type Activation,
  type AttentionOptions,
  type Backend,
  type BackendLimits,
  BYTES,
  type Choice,
  type CrossEntropyOptions,
  type Dtype,
  type Formula,
  type InverseFactor,
  type MapFunction,
  type Mask,
  type NormOptions,
  type RotateOptions,
  type Selection,
  type Sums,
  type Tensor,
} from "../backend.ts";
import * as shapes from "../shapes.ts";
import { attention } from "./attention.ts";
import { selectCumulative } from "./cumulative.ts";
import type { Device } from "./device.ts";
import { eliminate } from "./eliminate.ts";
import { Host } from "./factor.ts";
import * as forward from "./forward.ts";
import { addGram } from "./gram.ts";
import { linear } from "./linear.ts";
import * as measure from "./measure.ts";
import * as observe from "./observe.ts";
import { apply, score } from "./score.ts";
import { selectGroups, selectSmallest } from "./select.ts";
import { TiledMask, TiledTensor } from "./tensor.ts";

/** This backend's own view of a tensor, which must not be disposed of. */
function own(tensor: Tensor): TiledTensor {
  if (!(tensor instanceof TiledTensor)) throw new RangeError("expected a tensor of this backend, found another");
  if (tensor.disposed) throw new RangeError("expected a tensor, found one that was disposed of");
  return tensor;
}

/** The realisation of {@linkcode Backend} on a device. */
export class WebgpuBackend implements Backend {
  readonly name = "webgpu";
  #device: Device;
  #host = new Host();

  readonly limits: BackendLimits;

  constructor(device: Device, readonly description: string, readonly arithmetic: string) {
    this.#device = device;
    const { batchTokens, spoolAbove } = device.tuning;
    this.limits = { memoryBytes: Infinity, batchTokens, spoolAbove, bindingBytes: device.bindingLimit };
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
    shapes.upload(bytes, rows, cols, dtype);
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
    shapes.embed(out, ids, table);
    forward.embed(this.#device, own(out), ids, own(table), firstRow);
  }

  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    shapes.linear(x, weight, bias);
    return linear(this.#device, own(x), own(weight), bias && own(bias));
  }

  norm(x: Tensor, gain: Tensor, options: NormOptions): Tensor {
    shapes.norm(x, gain, options);
    return forward.norm(this.#device, own(x), own(gain), options, options.bias && own(options.bias));
  }

  rotate(x: Tensor, angles: Tensor, options: RotateOptions): Tensor {
    shapes.rotate(x, angles, options);
    return forward.rotate(this.#device, own(x), own(angles), options);
  }

  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    shapes.attention(q, k, v, options);
    return attention(this.#device, own(q), own(k), own(v), options);
  }

  map(x: Tensor, fn: MapFunction): Tensor {
    shapes.map(x, fn);
    return forward.activate(this.#device, own(x), fn);
  }

  gate(gate: Tensor, up: Tensor, activation: Activation): Tensor {
    shapes.elementwise("gate", gate, up);
    return forward.activate(this.#device, own(gate), { kind: activation }, own(up));
  }

  slice(x: Tensor, first: number, width: number, period: number): Tensor {
    shapes.slice(x, first, width, period);
    return forward.slice(this.#device, own(x), first, width, period);
  }

  add(x: Tensor, y: Tensor): Tensor {
    shapes.elementwise("add", x, y);
    return forward.add(this.#device, own(x), own(y));
  }

  crossEntropy(
    state: Tensor,
    hidden: Tensor,
    head: Tensor,
    firstRow: number,
    targets: Uint32Array,
    options: CrossEntropyOptions = {},
  ): void {
    shapes.crossEntropy(state, hidden, head, targets, options);
    forward.crossEntropy(this.#device, own(state), own(hidden), own(head), firstRow, targets, options);
  }

  addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void {
    shapes.addRows(out, x, rows, weights);
    forward.addRows(this.#device, own(out), own(x), rows, weights);
  }

  addSquares(sums: Sums, x: Tensor): void {
    shapes.addSquares(sums, x);
    observe.addSquares(this.#device, own(sums), own(x));
  }

  addGram(sums: Sums, x: Tensor): void {
    shapes.addGram(sums, x);
    addGram(this.#device, own(sums), own(x));
  }

  merge(sums: Sums, other: Sums): void {
    shapes.merge(sums, other);
    observe.merge(this.#device, own(sums), own(other));
  }

  finish(sums: Sums, scale: number): Tensor {
    shapes.finish(sums);
    return observe.finish(this.#device, own(sums), scale);
  }

  score(weight: Tensor, formula: Formula): Tensor {
    shapes.score(weight, formula);
    if (formula.kind !== "magnitude") own(formula.statistic);
    return score(this.#device, own(weight), formula);
  }

  selectSmallest(scores: Tensor, selection: Selection): Mask {
    shapes.selectSmallest(scores, selection);
    return selectSmallest(this.#device, own(scores), selection);
  }

  selectGroups(scores: Tensor, n: number, m: number): Mask {
    shapes.selectGroups(scores, n, m);
    return selectGroups(this.#device, own(scores), n, m);
  }

  selectCumulative(scores: Tensor, sparsity: number): Mask {
    shapes.selectCumulative(scores, sparsity);
    return selectCumulative(this.#device, own(scores), sparsity);
  }

  apply(weight: Tensor, mask: Mask): void {
    shapes.apply(weight, mask);
    apply(this.#device, own(weight), this.#ownMask(mask));
  }

  copy(tensor: Tensor): Tensor {
    const from = own(tensor);
    const to = new TiledTensor(this.#device, from.rows, from.cols, from.dtype);
    from.tiles.forEach((tile, i) => this.#device.copy(tile, 0, to.tiles[i], 0, Math.ceil(from.tileBytes(i) / 4) * 4));
    return to;
  }

  error(before: Tensor, after: Tensor, moment: Tensor): Tensor {
    shapes.error(before, after, moment);
    return measure.error(this.#device, own(before), own(after), own(moment));
  }

  countAbove(scores: Tensor, limit: number): Tensor {
    shapes.countAbove(scores);
    return measure.countAbove(this.#device, own(scores), limit);
  }

  inverseFactor(hessian: Tensor, damping: number): Promise<InverseFactor | undefined> {
    shapes.inverseFactor(hessian, damping);
    return this.#host.inverseFactor(this, own(hessian), damping);
  }

  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): void {
    shapes.eliminate(weight, factor, choice, block);
    if (choice.kind === "mask") this.#ownMask(choice.mask);
    else if (choice.formula.kind === "activation") own(choice.formula.statistic);
    const { upper, dead } = factor;
    eliminate(this.#device, own(weight), { upper: own(upper), dead: own(dead) }, choice, block);
  }

  #ownMask(mask: Mask): TiledMask {
    if (!(mask instanceof TiledMask)) throw new RangeError("expected a mask of this backend, found another");
    own(mask.words);
    return mask;
  }

  /** This device's clock is not asked. */
  seconds(): Promise<Record<string, number>> {
    return Promise.resolve({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#device.destroy();
    await this.#host[Symbol.asyncDispose]();
  }
}
