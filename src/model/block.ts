/** A block's tensors: read from where they are stored, put on a backend, freed. Experts come and go one at a time. */
import type { Backend, PackedData, PackedWeight, Tensor } from "../backend/backend.ts";
import type { TensorInfo } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import { transpose } from "../checkpoint/transpose.ts";
import { toldElsewhere } from "../errors.ts";
import { expertsOf, expertTensors, residentTensors, type TensorSpec } from "./layers.ts";
import type { BlockSpec, Experts, Linear } from "./spec.ts";

/** Where a block's tensors are stored: a checkpoint, or one of whose tensors some have been pruned already. */
export interface TensorSource {
  /** What is known of each tensor, by its name. */
  readonly tensors: ReadonlyMap<string, Pick<TensorInfo, "dtype" | "bytes">>;
  /** The bytes of these tensors, by name: the caller's own, though maybe views into one buffer. */
  read(names: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>>;
  /**
   * May put others beside a tensor that a block has just put on its backend, or one in its place: they are the block's then. So
   * a weight can be computed with as it will be.
   */
  adapt?(name: string, tensor: Tensor, put: (name: string, tensor: Tensor) => void): void;
  /** The weights of linears that are to be packed on the backend: they are not read otherwise. */
  readonly packedSource?: PackedSource;
  /** Told of every tensor that a block has put on its backend, as often as it does. */
  onUpload?(name: string, tensor: Tensor): void;
}

/** Where the packed weights of linears come from. */
export interface PackedSource {
  /** Whether a tensor is one. */
  has(tensor: TensorSpec): boolean;
  /** It, outputs x inputs. */
  read(tensor: TensorSpec): Promise<PackedData>;
}

/** Bytes of some of a block's tensors, by their names, on their way to a backend. */
type BlockBytes = Map<string, Uint8Array<ArrayBuffer>>;

/**
 * Bytes of a block that are read while the block before it computes, and at most so many that wait for the backend later (one
 * tensor, if it alone is larger): all of a small model's block. The rest of a large one is read when it is its turn, since
 * what waits would be as much memory again as the block takes on the backend: 7B's, 405 MB at a disk's 2 GB/s, for 0.2 s of 20.
 */
export const READ_AHEAD_BYTES = 128 << 20;

/** Tensors that are being read: portion after portion, of which the first is on its way. */
interface Incoming {
  readonly portions: readonly (readonly TensorSpec[])[];
  readonly first: Promise<BlockBytes>;
  /** Those that come packed, one at a time. */
  readonly packed: readonly TensorSpec[];
}

/** A block that is being read, but for its experts. */
export interface IncomingBlock extends Incoming {
  readonly spec: BlockSpec;
}

const namesOf = (tensors: readonly TensorSpec[]) => tensors.map(({ name }) => name);

/** Begins to read tensors, in portions of at most {@linkcode READ_AHEAD_BYTES} bytes where no tensor is larger. */
function beginToRead(source: TensorSource, all: readonly TensorSpec[]): Incoming {
  const packed = all.filter((tensor) => source.packedSource?.has(tensor)),
    tensors = all.filter((each) => !packed.includes(each));
  const portions: TensorSpec[][] = [[]];
  let room = READ_AHEAD_BYTES;
  for (const tensor of tensors) {
    const { bytes } = source.tensors.get(tensor.name)!;
    if (bytes > room && portions.at(-1)!.length) {
      portions.push([]);
      room = READ_AHEAD_BYTES;
    }
    portions.at(-1)!.push(tensor);
    room -= bytes;
  }
  return { portions, packed, first: toldElsewhere(source.read(namesOf(portions[0]))) }; // whoever uploads is told
}

/** The tensors of one block on a backend, in the checkpoint's dtype; disposing it frees them all. */
export class Block implements Disposable {
  readonly #tensors = new Map<string, Tensor>();
  readonly #packed = new Map<string, PackedWeight>();
  /** Pruned copies of weights that the walk goes on to see dense. */
  readonly #drafts = new Map<string, Tensor>();

  private constructor(readonly backend: Backend, readonly source: TensorSource, readonly spec: BlockSpec) {}

  /** Begins to read a block, but for its experts. */
  static read(source: TensorSource, spec: BlockSpec): IncomingBlock {
    return { spec, ...beginToRead(source, residentTensors(spec)) };
  }

  /** Puts a block on a backend as it comes. */
  static async upload(backend: Backend, source: TensorSource, incoming: IncomingBlock): Promise<Block> {
    using scope = new DisposableStack(); // what is there already, should one not fit
    const block = scope.use(new Block(backend, source, incoming.spec));
    await block.#upload(incoming);
    scope.move(); // it is the caller's
    return block;
  }

  async #upload({ portions, packed, first }: Incoming): Promise<void> {
    for (const [at, portion] of portions.entries()) {
      const bytes = await (at === 0 ? first : this.source.read(namesOf(portion)));
      for (const { name, shape, transposed } of portion) {
        const { dtype } = this.source.tensors.get(name)!, stored = bytes.get(name)!;
        const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
        const tensor = transposed
          ? this.backend.upload(transpose(stored, rows, cols, dtype), cols, rows, dtype)
          : this.backend.upload(stored, rows, cols, dtype);
        this.#tensors.set(name, tensor);
        this.source.adapt?.(name, tensor, (name, tensor) => {
          this.#tensors.get(name)?.[Symbol.dispose]();
          this.#tensors.set(name, tensor);
        });
        this.source.onUpload?.(name, this.get(name));
      }
      release(...bytes.values());
    }
    for (const tensor of packed) {
      this.#packed.set(tensor.name, this.backend.uploadPacked(await this.source.packedSource!.read(tensor)));
    }
  }

  /** Puts all of its experts on the backend, to stay there as long as the block does. */
  async holdExperts(): Promise<void> {
    for (const expert of expertsOf(this.spec)?.experts ?? []) {
      await this.#upload(beginToRead(this.source, expertTensors(expert)));
    }
  }

  /** Puts one expert on the backend, unless somebody holds it there; disposing what is given frees it. */
  async loadExpert({ experts }: Experts, index: number): Promise<Disposable> {
    const tensors = expertTensors(experts[index]);
    if (namesOf(tensors).every((name) => this.#tensors.has(name) || this.#packed.has(name))) {
      return new DisposableStack();
    }
    const free = () => {
      for (const held of [this.#tensors, this.#packed, this.#drafts]) {
        for (const name of namesOf(tensors)) {
          held.get(name)?.[Symbol.dispose]();
          held.delete(name);
        }
      }
    };
    try {
      await this.#upload(beginToRead(this.source, tensors));
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

  /** A weight that is on the backend packed, by its tensor's name; undefined if it is dense. */
  packed(name: string): PackedWeight | undefined {
    return this.#packed.get(name);
  }

  /** Every packed weight, by its tensor's name. */
  get packedWeights(): ReadonlyMap<string, PackedWeight> {
    return this.#packed;
  }

  /** The weight of a linear: outputs x inputs, however the file holds it. */
  weight({ name }: Pick<Linear, "name">): Tensor {
    return this.get(`${name}.weight`);
  }

  /** Puts another tensor in the place of one, by its name; the block owns it from now on. No drafts may have been made. */
  replace(name: string, tensor: Tensor): void {
    this.get(name)[Symbol.dispose]();
    this.#tensors.set(name, tensor);
  }

  /** Puts another weight in the place of one: bytes as the checkpoint holds them. */
  store({ name, rows, cols, transposed }: Linear, stored: Uint8Array<ArrayBuffer>): void {
    const tensor = `${name}.weight`, { dtype } = this.source.tensors.get(tensor)!;
    const bytes = transposed ? transpose(stored, cols, rows, dtype) : stored;
    this.replace(tensor, this.backend.upload(bytes, rows, cols, dtype));
  }

  /** Puts a tensor in the place of another, and gives that: from now on the caller's, as this one is the block's. */
  exchange(name: string, tensor: Tensor): Tensor {
    const before = this.get(name);
    this.#tensors.set(name, tensor);
    return before;
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
    for (const held of [this.#tensors, this.#packed, this.#drafts]) {
      for (const tensor of held.values()) tensor[Symbol.dispose]();
      held.clear();
    }
  }
}
