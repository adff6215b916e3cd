/** What calibration shows of linears' inputs: running sums over the tokens that they see. */
import { type Backend, BYTES, type Sums, type Tensor } from "../backend/backend.ts";
import { packSymmetric, unpackSymmetric } from "./symmetric.ts";
import type { Linear } from "../model/spec.ts";

/** How an observation is made. */
export interface ObservationOptions {
  /** Whether to collect `xᵀ x` besides the squares. */
  readonly grams: boolean;
  /** Whether a Hessian may be asked for more than once. */
  readonly kept?: boolean;
  /** Whether some tokens are held out, to be observed by themselves. */
  readonly heldOut?: boolean;
}

/** How many tokens were seen, before the sums over them. */
const TOKENS_BYTES = 8;

/** The sums of one input, and how many tokens are in them. */
interface Seen {
  readonly squares: Sums;
  readonly gram?: Sums;
  tokens: number;
}

/** Running sums over the inputs of some linears of a block; those that share an input share its sums. */
export class Observation implements Disposable {
  /** By the name of each linear, the first linear of its group: the one whose input is added for all of them. */
  readonly #first = new Map<string, string>();
  readonly #seen = new Map<string, Seen>();
  /** Of the tokens that are held out, where some are. */
  readonly heldOut?: Observation;

  /**
   * Begins with nothing seen.
   * @param groups The linears to observe, those that share an input together; in the order of the forward pass.
   */
  constructor(
    protected readonly backend: Backend,
    readonly groups: readonly (readonly Linear[])[],
    protected readonly options: ObservationOptions,
  ) {
    for (const group of groups) for (const { name } of group) this.#first.set(name, group[0].name);
    if (options.heldOut) this.heldOut = new Observation(backend, groups, { ...options, heldOut: false });
  }

  /** Whether the squares only are collected, or `xᵀ x` too. */
  get grams(): boolean {
    return this.options.grams;
  }

  /** Adds a batch of the input that these linears are about to see, if it is to be observed and has not been for others. */
  add(linears: readonly Linear[], input: Tensor): void {
    for (const { name } of linears) {
      if (this.#first.get(name) !== name) continue;
      const seen = this.#begin(name, input.cols);
      this.backend.addSquares(seen.squares, input);
      if (seen.gram) this.backend.addGram(seen.gram, input);
      seen.tokens += input.rows;
    }
  }

  #begin(name: string, cols: number): Seen {
    const known = this.#seen.get(name);
    if (known) return known;
    using made = new DisposableStack();
    const squares = made.use(this.backend.allocate(2, cols));
    const gram = this.options.grams ? made.use(this.backend.allocate(2 * cols, cols)) : undefined;
    made.move(); // the observation frees them
    const seen = { squares, gram, tokens: 0 };
    this.#seen.set(name, seen);
    return seen;
  }

  #of({ name }: Linear): Seen | undefined {
    return this.#seen.get(this.#first.get(name) ?? name);
  }

  /** @throws TypeError if nothing was collected. */
  #known(linear: Linear, what: "squares" | "gram"): Sums {
    const sums = this.#of(linear)?.[what];
    if (!sums) throw new TypeError(`${linear.name}: expected sums over its inputs, found none collected`);
    return sums;
  }

  /** Whether a linear's input is to be observed. */
  observes({ name }: Linear): boolean {
    return this.#first.has(name);
  }

  /** How many tokens a linear has seen; an expert may have seen none. */
  tokens(linear: Linear): number {
    return this.#of(linear)?.tokens ?? 0;
  }

  /** The mean over sequences of the column sums of squares: F32 1 x in. */
  squares(linear: Linear, sequences: number): Tensor {
    return this.backend.finish(this.#known(linear, "squares"), 1 / sequences);
  }

  /** SparseGPT's Hessian, `(2/S) Σ_sequences Xᵀ X`: F32 in x in. Its sums, twice as large, go unless they are kept. */
  hessian(linear: Linear, sequences: number): Tensor {
    const gram = this.#known(linear, "gram");
    using _ = this.options.kept ? undefined : gram;
    return this.backend.finish(gram, 2 / sequences);
  }

  /** Whether a part of the sequences is still to be seen. */
  wants(_part: number): boolean | Promise<boolean> {
    return true;
  }

  /** A part of the sequences is through; of interest where parts are observed by themselves (`shards.ts`). */
  endPart(_part: number): Promise<void> {
    return Promise.resolve();
  }

  /** Adds all that another one has seen to what this one has; the other has seen nothing then. */
  absorb(other: Observation): void {
    for (const [name, theirs] of other.#seen) {
      const own = this.#seen.get(name);
      if (!own) {
        this.#seen.set(name, theirs);
        continue;
      }
      own.tokens += theirs.tokens;
      for (const kind of ["squares", "gram"] as const) {
        if (!theirs[kind]) continue;
        this.backend.merge(own[kind]!, theirs[kind]);
        theirs[kind][Symbol.dispose]();
      }
    }
    other.#seen.clear();
  }

  /** What was seen of the linears that share an input, as bytes that {@linkcode absorbBytes} understands. */
  async bytes(group: readonly Linear[]): Promise<Uint8Array<ArrayBuffer>> {
    const seen = this.#of(group[0]);
    if (!seen) return new Uint8Array(TOKENS_BYTES); // an expert may have seen none
    const { squares, gram, tokens } = seen;
    const [row, matrix] = await this.backend.read(squares, ...gram ? [gram] : []);
    const packed = matrix ? packSymmetric(matrix, group[0].cols) : new Uint8Array(0);
    const all = new Uint8Array(TOKENS_BYTES + row.length + packed.length);
    new DataView(all.buffer).setFloat64(0, tokens, true);
    all.set(row, TOKENS_BYTES);
    all.set(packed, TOKENS_BYTES + row.length);
    return all;
  }

  /** How many those bytes are at most. */
  byteLength([{ cols }]: readonly Linear[]): number {
    return TOKENS_BYTES + 2 * cols * BYTES.F32 + (this.options.grams ? BYTES.F32 * cols * (cols + 1) : 0);
  }

  /** Adds what another one has seen of the linears that share an input. @throws RangeError for bytes of another length. */
  absorbBytes(group: readonly Linear[], bytes: Uint8Array<ArrayBuffer>): void {
    const [{ name, cols }] = group, end = TOKENS_BYTES + 2 * cols * BYTES.F32;
    const tokens = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
    if (!tokens) return;
    using made = new DisposableStack();
    const squares = made.use(this.backend.upload(bytes.subarray(TOKENS_BYTES, end), 2, cols, "F32"));
    const gram = this.options.grams
      ? made.use(this.backend.upload(unpackSymmetric(bytes.subarray(end), cols), 2 * cols, cols, "F32"))
      : undefined;
    using part = new Observation(this.backend, [group], { ...this.options, heldOut: false });
    made.move(); // the observation frees them
    part.#seen.set(name, { squares, gram, tokens });
    this.absorb(part);
  }

  /** Frees all sums. */
  [Symbol.dispose](): void {
    this.heldOut?.[Symbol.dispose]();
    for (const { squares, gram } of this.#seen.values()) {
      squares[Symbol.dispose]();
      gram?.[Symbol.dispose]();
    }
  }
}
