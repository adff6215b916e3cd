/**
 * Whole numbers of which there are more and more, in one typed array: two bytes each while all fit them, then four, where an
 * array of objects has dozens.
 */

/** Whole numbers in two bytes each, or in four. */
export type Integers<B extends ArrayBufferLike = ArrayBufferLike> = Uint16Array<B> | Uint32Array<B>;

/** The largest number of two bytes. */
const NARROW = 2 ** 16 - 1;

/** See the file's head. */
export class Growing {
  #numbers: Integers<ArrayBuffer>;
  #length = 0;

  /** @param room How many there will be, so far as it is known. */
  constructor(room = 1024) {
    this.#numbers = new Uint16Array(room);
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Those that there are; a view that holds until the next is added. */
  get all(): Integers<ArrayBuffer> {
    return this.#numbers.subarray(0, this.#length);
  }

  /** Adds some. */
  push(...numbers: readonly number[]): void {
    this.append(numbers);
  }

  /** Adds as many as there may be. */
  append(numbers: ArrayLike<number>): void {
    const end = this.#length + numbers.length;
    if (end > this.#numbers.length) this.#resize(Math.max(end, Math.ceil(1.5 * this.#length)));
    for (let i = 0; i < numbers.length && this.#numbers instanceof Uint16Array; i++) {
      if (numbers[i] > NARROW) this.#numbers = new Uint32Array(this.#numbers);
    }
    this.#numbers.set(numbers, this.#length);
    this.#length = end;
  }

  /** Those that there are, without room for more. */
  fitted(): Integers<ArrayBuffer> {
    this.#resize(this.#length);
    return this.#numbers;
  }

  /** Lets go of them. */
  release(): void {
    this.#length = 0;
    this.fitted();
  }

  #resize(length: number): void {
    const { buffer, BYTES_PER_ELEMENT: bytes } = this.#numbers, moved = buffer.transfer(length * bytes);
    this.#numbers = this.#numbers instanceof Uint16Array ? new Uint16Array(moved) : new Uint32Array(moved);
  }
}
