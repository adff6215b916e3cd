/** Whole numbers of which there are more and more, in one typed array: four bytes each, where an array of objects has dozens. */

/** See the file's head. */
export class Growing {
  #numbers = new Uint32Array(1024);
  #length = 0;

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Those that there are; a view that holds until the next is added. */
  get all(): Uint32Array<ArrayBuffer> {
    return this.#numbers.subarray(0, this.#length);
  }

  /** Adds some. */
  push(...numbers: readonly number[]): void {
    this.#reserve(numbers.length);
    for (const number of numbers) this.#numbers[this.#length++] = number;
  }

  /** Adds as many as there may be. */
  append(numbers: Uint32Array): void {
    this.#reserve(numbers.length);
    this.#numbers.set(numbers, this.#length);
    this.#length += numbers.length;
  }

  /** Those that there are, without room for more. */
  fitted(): Uint32Array<ArrayBuffer> {
    const bytes = this.#length * Uint32Array.BYTES_PER_ELEMENT;
    return this.#numbers = new Uint32Array(this.#numbers.buffer.transfer(bytes));
  }

  /** Lets go of them. */
  release(): void {
    this.#length = 0;
    this.fitted();
  }

  #reserve(more: number): void {
    const end = this.#length + more;
    if (end <= this.#numbers.length) return;
    const bytes = Math.max(end, Math.ceil(1.5 * this.#length)) * Uint32Array.BYTES_PER_ELEMENT;
    this.#numbers = new Uint32Array(this.#numbers.buffer.transfer(bytes));
  }
}
