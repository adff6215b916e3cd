/**
 * Low-rank adapters (LoRA; Hu et al., 2022) of a pruned model. A linear computes `x (W + s (B A) ⊙ M)ᵀ`, with A rank x in,
 * B out x rank, `s = alpha / rank` and M 1 where the mask keeps: so what is merged at the end is exactly as sparse as the
 * pruned model, and computes the same (SparsePEFT; Munoz et al., 2024). Without masks it is the published `W + s B A`.
 *
 * Under dropout, while it is trained, it is `x Wᵀ + s dropout(x) ((B A) ⊙ M)ᵀ`: the sum goes two ways then (`additions.ts`).
 *
 * The adapted weight is made anew whenever its block comes to the backend. From the gradient D by it (D ⊙ M where it is
 * masked) come `G_B = s D Aᵀ` and `G_A = s Bᵀ D`.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { TensorSource } from "../model/block.ts";
import type { Linear } from "../model/spec.ts";
import type { WalkOperations } from "../model/walk.ts";
import { Random } from "../text/random.ts";
import { Additions, deltaOf } from "./additions.ts";
import { hash } from "./hash.ts";
import { Parameter } from "./parameter.ts";
import type { Trainee } from "./trainee.ts";

/** How adapters are made. */
export interface LoraOptions {
  /** Rows of A, columns of B. */
  readonly rank: number;
  /** What is added is scaled by `alpha / rank`. */
  readonly alpha: number;
  /** The share of an input's numbers that what is added does not see while it is trained; none by default. */
  readonly dropout?: number;
  /** Draws A, and what dropout leaves out. */
  readonly seed: number;
  /** The mask of a linear that what is added keeps to; none for the published way, or where nothing is removed. */
  readonly mask: (linear: string) => Mask | undefined;
}

/** One linear's adapter. */
export interface Adapter {
  /** What it adds to. */
  readonly linear: Linear;
  /** rank x inputs. */
  readonly a: Parameter;
  /** outputs x rank. */
  readonly b: Parameter;
  /** What is removed of the linear: there nothing is added. */
  readonly mask?: Mask;
}

/** A's numbers as PEFT draws them, uniform in ±1/sqrt(in), but by CPython's generator. */
function drawA(random: Random, rank: number, cols: number): Float32Array<ArrayBuffer> {
  const most = 1 / Math.sqrt(cols);
  return Float32Array.from({ length: rank * cols }, () => (random.getrandbits(32) / 2 ** 31 - 1) * most);
}

/** See the file's head. */
export class LoraAdapters implements Trainee {
  /** One a linear. */
  readonly adapters: readonly Adapter[];
  readonly parameters: readonly Parameter[];
  readonly source: TensorSource;
  /** `B A` is multiplied by it: alpha over the rank. */
  readonly scale: number;
  readonly #backend: Backend;
  readonly #byWeight: ReadonlyMap<string, Adapter>;
  readonly #byDelta: ReadonlyMap<string, Adapter>;
  /** A and B as they are now. */
  readonly #held = new Map<Parameter, Tensor>();
  /** Gradients by adapted weights (under dropout: by what is added to them), of the block that is gone back over. */
  readonly #incoming = new Map<string, Tensor>();
  readonly #dropout: number;
  readonly #seed: number;
  /** What this pass leaves out follows from; nothing where it leaves out nothing. */
  #key?: number;

  /** Makes an adapter for each of some linears: A is drawn, B is zero. */
  constructor(backend: Backend, readonly checkpoint: Checkpoint, linears: readonly Linear[], options: LoraOptions) {
    const { rank, alpha, seed, mask, dropout = 0 } = options, random = new Random(seed);
    this.#backend = backend;
    this.#dropout = dropout;
    this.#seed = seed;
    this.scale = alpha / rank;
    this.adapters = linears.map((linear) => {
      const { name, rows, cols } = linear;
      const a = new Parameter(backend, `${name}.lora_A.weight`, rank, cols, drawA(random, rank, cols));
      const b = new Parameter(backend, `${name}.lora_B.weight`, rows, rank, new Float32Array(rows * rank));
      return { linear, a, b, mask: mask(name) };
    });
    this.parameters = this.adapters.flatMap(({ a, b }) => [a, b]);
    this.#byWeight = new Map(this.adapters.map((adapter) => [`${adapter.linear.name}.weight`, adapter]));
    this.#byDelta = new Map(this.adapters.map((adapter) => [deltaOf(adapter.linear), adapter]));
    this.source = {
      tensors: checkpoint.tensors,
      read: (names) => checkpoint.read(names),
      adapt: (name, weight, put) => this.#adapt(name, weight, put),
    };
  }

  refresh(): void {
    for (const tensor of this.#held.values()) tensor[Symbol.dispose]();
    for (const parameter of this.parameters) this.#held.set(parameter, parameter.upload());
  }

  /** What is added to a weight, before it is scaled and masked. */
  #product({ a, b }: Adapter): Tensor {
    return this.#backend.linearBackward(this.#held.get(b)!, this.#held.get(a)!);
  }

  /** The adapted weight, in F32. */
  merged(adapter: Adapter, weight: Tensor): Tensor {
    const { scale } = this, { mask } = adapter;
    using product = this.#product(adapter);
    return this.#backend.combine(
      [{ tensor: weight, kept: 1 }, { tensor: product, kept: scale, removed: mask ? 0 : scale }],
      { mask },
    );
  }

  begin(training?: readonly number[]): void {
    this.#key = training && this.#dropout > 0 ? hash([this.#seed, ...training]) : undefined;
  }

  /** Under dropout what is added goes its own way; else it is a part of the weight. */
  #adapt(name: string, weight: Tensor, put: (name: string, tensor: Tensor) => void): void {
    this.collect(); // of the block before
    const adapter = this.#byWeight.get(name);
    if (!adapter) return;
    if (this.#key === undefined) return put(name, this.merged(adapter, weight));
    const { scale } = this, { mask, linear } = adapter;
    using product = this.#product(adapter);
    put(
      deltaOf(linear),
      this.#backend.combine([{ tensor: product, kept: scale, removed: mask ? 0 : scale }], { mask }),
    );
  }

  readonly operations = (operations: WalkOperations, part: number): WalkOperations => {
    const key = this.#key, rate = this.#dropout;
    if (key === undefined) return operations;
    return new Additions(operations, (linear) => {
      const adapter = this.#byWeight.get(`${linear.name}.weight`);
      return adapter && { rate, key: hash([key, part, this.adapters.indexOf(adapter)]) };
    });
  };

  readonly trains = (name: string): boolean => this.#byWeight.has(name) || this.#byDelta.has(name);

  readonly gradients = (name: string): Tensor | undefined => {
    const adapter = (this.#key === undefined ? this.#byWeight : this.#byDelta).get(name);
    if (!adapter) return undefined;
    const known = this.#incoming.get(name);
    if (known) return known;
    const { rows, cols } = adapter.linear, gradient = this.#backend.allocate(rows, cols);
    this.#incoming.set(name, gradient);
    return gradient;
  };

  collect(): void {
    const backend = this.#backend, { scale } = this;
    for (const [name, incoming] of this.#incoming) {
      const { a, b, mask } = (this.#byWeight.get(name) ?? this.#byDelta.get(name))!;
      using gradient = incoming;
      using own = backend.combine([{ tensor: gradient, kept: scale, removed: mask ? 0 : scale }], { mask });
      using byB = backend.linear(own, this.#held.get(a)!);
      b.add(byB);
      backend.addWeightGradient(a.gradient, this.#held.get(b)!, own);
    }
    this.#incoming.clear();
  }

  /** Lets go of the parameters and of what is under way. */
  [Symbol.dispose](): void {
    for (const tensor of [...this.#held.values(), ...this.#incoming.values()]) tensor[Symbol.dispose]();
    for (const parameter of this.parameters) parameter[Symbol.dispose]();
  }
}
