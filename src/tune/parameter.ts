/**
 * What is trained: matrices with all that AdamW knows of them, on the host, since a step needs each for a moment only; their
 * gradients add up on the backend. So of a model that is trained whole the backend holds a gradient and one block.
 *
 * Kept in F32, or, with half the bytes, in BF16: then numbers are F32 on the backend for as long as somebody works on them, and
 * are rounded stochastically when they rest. To nearest, what moves a number by less than half of BF16's unit (1/256 of it)
 * would never move it; so it moves as often as it should. What is random is a hash of the seed, the step and a number's place.
 */
import type { Backend, Mask, Moments, Tensor } from "../backend/backend.ts";
import { hash } from "./hash.ts";

/** How a parameter's numbers are kept. */
export type ParameterDtype = "F32" | "BF16";

/** Numbers as they are kept: of BF16 the bits. */
export type Numbers = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Bytes as numbers of a dtype. */
export function numbersIn(dtype: ParameterDtype, { buffer }: Uint8Array<ArrayBuffer>): Numbers {
  return dtype === "F32" ? new Float32Array(buffer) : new Uint16Array(buffer);
}

/** A matrix that is trained. */
export class Parameter implements Disposable {
  /** How its numbers are kept. */
  readonly dtype: ParameterDtype;
  /** What AdamW remembers of it, of its shape; zeros before the first step. */
  readonly first: Numbers;
  /** The same of the square. */
  readonly second: Numbers;
  #gradient: Tensor;
  /** How often this gradient was laid to rest. */
  #rests = 0;

  /**
   * Makes one; its gradient and what AdamW remembers begin as zeros.
   * @param name Its name in a file.
   * @param weight Its numbers, rows x cols, from now on the parameter's: F32, or BF16's bits.
   * @param mask What it removes stays zero; its owner disposes of it.
   * @param seed Of what is random where it is rounded.
   */
  constructor(
    readonly backend: Backend,
    readonly name: string,
    readonly rows: number,
    readonly cols: number,
    readonly weight: Numbers,
    readonly mask?: Mask,
    readonly seed = 0,
  ) {
    this.dtype = weight instanceof Float32Array ? "F32" : "BF16";
    const zeros = () => numbersIn(this.dtype, new Uint8Array(weight.byteLength));
    this.first = zeros();
    this.second = zeros();
    this.#gradient = backend.allocate(rows, cols, this.dtype);
  }

  /** Where gradients are added: F32, until it is laid to rest. */
  get gradient(): Tensor {
    if (this.#gradient.dtype !== "F32") this.#gradient = this.#widen(this.#gradient);
    return this.#gradient;
  }

  /** Keeps the gradient as the other numbers are, until it is asked for again. @param pass What it was made in. */
  rest(...pass: readonly number[]): void {
    if (this.#gradient.dtype !== this.dtype) this.#gradient = this.#narrow(this.#gradient, [...pass, this.#rests++]);
  }

  /** Its weight on the backend, F32: the caller's. */
  upload(): Tensor {
    return this.#upload(this.weight);
  }

  #upload(numbers: Numbers): Tensor {
    const { rows, cols, dtype } = this, tensor = this.backend.upload(new Uint8Array(numbers.buffer), rows, cols, dtype);
    return dtype === "F32" ? tensor : this.#widen(tensor);
  }

  /** F32 in the place of a tensor. */
  #widen(tensor: Tensor): Tensor {
    using before = tensor;
    return this.backend.combine([{ tensor: before, kept: 1 }]);
  }

  /** BF16 in the place of a tensor. */
  #narrow(tensor: Tensor, random: readonly number[]): Tensor {
    using before = tensor;
    const narrow = this.backend.allocate(this.rows, this.cols, this.dtype);
    this.backend.assign(narrow, before, { key: hash([this.seed, ...random]) });
    return narrow;
  }

  /** Adds to the gradient what is of its shape. */
  add(more: Tensor): void {
    using before = this.gradient;
    this.#gradient = this.backend.add(before, more);
  }

  /**
   * Takes a step, and begins the next gradient.
   * @param move Changes weight and moments, which are F32 while it does.
   * @param step From 1 on.
   */
  async move(move: (weight: Tensor, moments: Moments) => void, step: number): Promise<void> {
    const parts = [this.weight, this.first, this.second];
    using held = new DisposableStack();
    const wide = parts.map((numbers) => held.use(this.#upload(numbers))), [weight, first, second] = wide;
    move(weight, { first, second });
    const kept = this.dtype === "F32" ? wide : wide.map((one, part) => held.use(this.#narrow(one, [step, part])));
    const read = await this.backend.read(...kept);
    parts.forEach((numbers, part) => numbers.set(numbersIn(this.dtype, read[part])));
    this.#gradient[Symbol.dispose]();
    this.#gradient = this.backend.allocate(this.rows, this.cols, this.dtype);
    this.#rests = 0;
  }

  /** Lets go of the gradient. */
  [Symbol.dispose](): void {
    this.#gradient[Symbol.dispose]();
  }
}
