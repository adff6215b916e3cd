/**
 * What is trained: matrices with all that AdamW knows of them, on the host in F32, since a step needs each for a moment only;
 * their gradients add up on the backend. So of a model that is trained whole the backend holds a gradient and one block.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";

/** A matrix that is trained. */
export class Parameter implements Disposable {
  /** What AdamW remembers of it, of its shape; zeros before the first step. */
  readonly first: Float32Array<ArrayBuffer>;
  /** The same of the square. */
  readonly second: Float32Array<ArrayBuffer>;
  #gradient: Tensor;

  /**
   * Makes one; its gradient and what AdamW remembers begin as zeros.
   * @param name Its name in a file.
   * @param weight Its numbers, rows x cols, from now on the parameter's.
   * @param mask What it removes stays zero; its owner disposes of it.
   */
  constructor(
    readonly backend: Backend,
    readonly name: string,
    readonly rows: number,
    readonly cols: number,
    readonly weight: Float32Array<ArrayBuffer>,
    readonly mask?: Mask,
  ) {
    this.first = new Float32Array(weight.length);
    this.second = new Float32Array(weight.length);
    this.#gradient = backend.allocate(rows, cols);
  }

  /** Where gradients are added. */
  get gradient(): Tensor {
    return this.#gradient;
  }

  /** Numbers of it on the backend: the caller's. */
  upload(numbers: Float32Array<ArrayBuffer> = this.weight): Tensor {
    return this.backend.upload(new Uint8Array(numbers.buffer), this.rows, this.cols, "F32");
  }

  /** Adds to the gradient what is of its shape. */
  add(more: Tensor): void {
    using before = this.#gradient;
    this.#gradient = this.backend.add(before, more);
  }

  /** Begins the next gradient. */
  clear(): void {
    this.#gradient[Symbol.dispose]();
    this.#gradient = this.backend.allocate(this.rows, this.cols);
  }

  /** Lets go of the gradient. */
  [Symbol.dispose](): void {
    this.#gradient[Symbol.dispose]();
  }
}
