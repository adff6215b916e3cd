/** A block's tensors: read from where they are stored, put on a backend, freed. Experts come and go one at a time. */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { TensorInfo } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { expertTensors, residentTensors, type TensorSpec } from "./layers.ts";
import type { BlockSpec, Experts, Linear } from "./spec.ts";

/** Where a block's tensors are stored: a checkpoint, or one of whose tensors some have been pruned already. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, Pick<TensorInfo, "dtype" | "bytes">>;
  /** The bytes of these tensors, by name: the caller's own, though maybe views into one buffer. */
  read(names: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>>;
}

/** The bytes of a block's tensors, by their names, on their way to a backend. */
export type BlockBytes = Map<string, Uint8Array<ArrayBuffer>>;

/** The tensors of one block on a backend, in the checkpoint's dtype; disposing it frees them all. */
export class Block implements Disposable {
  readonly #tensors = new Map<string, Tensor>();
  /** Pruned copies of weights that the walk goes on to see dense. */
  readonly #drafts = new Map<string, Tensor>();

  private constructor(readonly backend: Backend, readonly source: TensorSource, readonly spec: BlockSpec) {}

  /** Reads the bytes of a block, but for its experts. */
  static read(source: TensorSource, spec: BlockSpec): Promise<BlockBytes> {
    return source.read(residentTensors(spec).map(({ name }) => name));
  }

  /** Puts a block's bytes, as {@linkcode Block.read} gives them, on a backend; they are the block's from then on. */
  static upload(backend: Backend, source: TensorSource, spec: BlockSpec, bytes: BlockBytes): Block {
    using scope = new DisposableStack(); // what is there already, should one not fit
    const block = scope.use(new Block(backend, source, spec));
    block.#upload(residentTensors(spec), bytes);
    scope.move(); // it is the caller's
    return block;
  }

  #upload(specs: readonly TensorSpec[], bytes: BlockBytes): void {
    for (const { name, shape, transposed } of specs) {
      const { dtype } = this.source.tensors.get(name)!, stored = bytes.get(name)!;
      const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
      const tensor = transposed
        ? this.backend.upload(transpose(stored, rows, cols, dtype), cols, rows, dtype)
        : this.backend.upload(stored, rows, cols, dtype);
      this.#tensors.set(name, tensor);
    }
    release(...bytes.values());
  }

  /** Puts one expert on the backend, unless somebody holds it there; disposing what is given frees it. */
  async loadExpert({ experts }: Experts, index: number): Promise<Disposable> {
    const specs = expertTensors(experts[index]), names = specs.map(({ name }) => name);
    if (names.every((name) => this.#tensors.has(name))) return new DisposableStack();
    const free = () => {
      for (const held of [this.#tensors, this.#drafts]) {
        for (const name of names) {
          held.get(name)?.[Symbol.dispose]();
          held.delete(name);
        }
      }
    };
    const bytes = await this.source.read(names);
    try {
      this.#upload(specs, bytes);
    } catch (error) {
      free();
      throw error;
    }
    return { [Symbol.dispose]: free };
  }

  /** A tensor that is on the backend, by its name. */
  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new RangeError(`${name} is not on the backend`);
    return tensor;
  }

  /** The weight of a linear: outputs x inputs, however the file holds it. */
  weight({ name }: Pick<Linear, "name">): Tensor {
    return this.get(`${name}.weight`);
  }

  /** A copy of a weight to be pruned while the block is still walked as it was, until {@linkcode Block.adopt}. */
  draft({ name }: Pick<Linear, "name">): Tensor {
    const tensor = `${name}.weight`, known = this.#drafts.get(tensor);
    if (known) return known;
    const draft = this.backend.copy(this.get(tensor));
    this.#drafts.set(tensor, draft);
    return draft;
  }

  /** Puts all drafts in the places of the weights that they are copies of. */
  adopt(): void {
    for (const [name, draft] of this.#drafts) {
      this.#tensors.get(name)![Symbol.dispose]();
      this.#tensors.set(name, draft);
    }
    this.#drafts.clear();
  }

  [Symbol.dispose](): void {
    for (const held of [this.#tensors, this.#drafts]) {
      for (const tensor of held.values()) tensor[Symbol.dispose]();
      held.clear();
    }
  }
}
