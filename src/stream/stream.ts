/**
 * Token sequences on their way through a model's blocks: the hidden states of all batches before some block, and what moves
 * them through it. A block is walked batch by batch (`model/walk.ts`); where the batches must stand still together, for the
 * weights of one expert or for a linear to be pruned between its input and its output, several walks go side by side.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Block } from "../model/block.ts";
import { expertsOf, linearsOf, mlpLinears } from "../model/layers.ts";
import type { BlockSpec, Linear, Mlp, ModelSpec } from "../model/spec.ts";
import { type Walk, walk, type WalkAnswer, type WalkBatch, type WalkRequest } from "../model/walk.ts";
import { type Batch, countSequences, positionsOf, sequencesOf } from "../text/batch.ts";
import { batches, Pace } from "./batches.ts";
import { lookUp, openEmbedder } from "./ends.ts";
import { type HiddenStates, type Lease, openHiddenStates, type SpoolOptions } from "./hidden.ts";
import type { Observation } from "./observation.ts";
import { Meter, type OnProgress, type Phase } from "./progress.ts";
import type { Shard } from "./shards.ts";
import { RotaryTables } from "./rotary.ts";
import { checkTokens } from "./tokens.ts";

/** What a stream takes. */
export interface StreamOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Stops it between two batches. */
  readonly signal?: AbortSignal;
}

/** Bytes that walks side by side may hold on a backend: half of what its hidden states may. */
function sideBySideBytes({ limits }: Pick<Backend, "limits">): number {
  return limits.spoolAbove / 2;
}

/**
 * Bytes that the walk of a token holds at most between two layers: the residual stream before and after a half of the block,
 * what goes into its layers and what comes out, and the widest input of a linear.
 */
function heldBytes(spec: ModelSpec, block: BlockSpec): number {
  const widest = linearsOf(block).reduce((most, { cols }) => Math.max(most, cols), 0);
  return (4 * spec.hidden + widest) * Float32Array.BYTES_PER_ELEMENT;
}

/**
 * Whether all of a batch can go through a block side by side, so that its linears can be pruned one after the other on the
 * way: experts must be loaded one by one, and many tokens do not fit.
 */
export function goesStepwise(
  backend: Pick<Backend, "limits">,
  spec: ModelSpec,
  block: BlockSpec,
  { ids }: Batch,
): boolean {
  return !expertsOf(block) && ids.length * heldBytes(spec, block) <= sideBySideBytes(backend);
}

/** What becomes of the batches in a pass through a block. */
interface Visit {
  readonly phase: Phase;
  /** The batches that go side by side. */
  readonly numbers: readonly number[];
  /** Told of every input that linears are about to see; it may have all batches wait for each other there, or leave. */
  see(linears: readonly Linear[], x: Tensor, batch: number): "go" | "wait" | "leave";
  /** Called when all batches have come to where they wait for each other; true if none needs to go on. */
  between?(): Promise<boolean>;
  /** Whether an expert is run. */
  runs(expert: Mlp): boolean;
  /** Whether a part of the sequences goes through at all, and what follows when it has. */
  readonly parts?: Pick<Observation, "wants" | "endPart">;
  /** The hidden states after the block take the place of those before it; else they are of no interest. */
  readonly keep: boolean;
}

/** A batch on its way through a block. */
interface Traveller {
  readonly number: number;
  readonly walk: Walk;
  readonly loan: Disposable;
}

/** Where a walk has come. */
type Stop =
  | { readonly kind: "end"; readonly hidden: Tensor }
  | { readonly kind: "left" }
  | Exclude<WalkRequest, { kind: "read" }>;

/** Some sequences of a part of a stream. */
export interface Portion {
  /** The part's number. */
  readonly part: number;
  /** The sequences. */
  readonly batch: Batch;
  /** Where their tokens begin among the part's. */
  readonly first: number;
}

/** Hidden states that lie behind those of another stream. */
class Behind implements HiddenStates {
  constructor(readonly states: HiddenStates, readonly first: number) {}

  load(batch: number): Promise<Lease> {
    return this.states.load(this.first + batch);
  }
  store(batch: number, tensor: Tensor): Promise<void> {
    return this.states.store(this.first + batch, tensor);
  }
  drop(batch: number): void {
    this.states.drop(this.first + batch);
  }
  /** The other's end is theirs. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** See the file's head. */
export class Stream implements AsyncDisposable {
  private constructor(
    readonly backend: Backend,
    readonly spec: ModelSpec,
    readonly parts: readonly Batch[],
    /** How many of them, from the first on, are not held out. */
    private readonly fitted: number,
    readonly hidden: HiddenStates,
    readonly tables: RotaryTables,
    readonly pace: Pace,
    readonly meter: Meter,
    /** The batches of each part of the sequences that is observed by itself. */
    private readonly shards: readonly (readonly number[])[],
  ) {}

  /**
   * Embeds the sequences.
   * @param sequences Several sets of them, each in batches of its own, where nothing is held out and there are no shards.
   * @param passes Tokens will go through a block this many times in all.
   * @param heldOut How many of the sequences, the last ones, are observed by themselves.
   * @param shards Only these sequences, those of each shard in batches of their own.
   * @param streams How many there will be, with those that {@linkcode Stream.fork} makes.
   * @throws PareError for tokens that do not suit the model.
   */
  static async open(
    options: StreamOptions,
    spec: ModelSpec,
    sequences: Batch | readonly Batch[],
    passes: number,
    heldOut = 0,
    shards?: readonly Shard[],
    streams = 1,
  ): Promise<Stream> {
    const { checkpoint, backend, spool, signal } = options, sets = [sequences].flat(), [batch] = sets;
    const end = countSequences(batch), held = end - heldOut, { batchTokens } = backend.limits;
    const cut = (from: number, to: number) => batches(sequencesOf(batch, from, to), batchTokens);
    const fitted = heldOut ? cut(0, held) : sets.flatMap((set) => batches(set, batchTokens));
    const own = shards?.map(({ first, end }) => cut(first, end));
    const parts = own ? own.flat() : heldOut ? [...fitted, ...cut(held, end)] : fitted;
    const tokens = parts.reduce((sum, { ids }) => sum + ids.length, 0);
    for (const set of sets) checkTokens(spec, set);
    await using opened = new AsyncDisposableStack();
    const hidden = opened.use(await openHiddenStates(backend, streams * tokens * spec.hidden * 4, spool));
    using embedder = await openEmbedder(backend, checkpoint, spec);
    for (const [i, part] of parts.entries()) {
      await hidden.store(i, await embedder.apply(part.ids, positionsOf(part)));
    }
    opened.move(); // the stream disposes of them
    const pace = new Pace(() => backend.read(), signal);
    const meter = new Meter(passes, tokens, options.onProgress, spec.blocks.length);
    let number = 0;
    const numbers = (own ?? [parts]).map((batches) => batches.map(() => number++));
    const fittedParts = own ? parts.length : fitted.length;
    return new Stream(backend, spec, parts, fittedParts, hidden, new RotaryTables(backend), pace, meter, numbers);
  }

  /**
   * Another stream of the same sequences, whose hidden states are these as they are now. It ends with this one.
   * @param embedding Another model, by whose tables they are embedded instead.
   */
  async fork(embedding?: Checkpoint): Promise<Stream> {
    const hidden = new Behind(this.hidden, this.parts.length);
    using embedder = embedding && await openEmbedder(this.backend, embedding, this.spec);
    for (const [i, part] of this.parts.entries()) {
      using lease = await this.hidden.load(i);
      const own = embedder ? await embedder.apply(part.ids, positionsOf(part)) : this.backend.copy(lease.tensor);
      await hidden.store(i, own);
    }
    const { backend, spec, parts, fitted, tables, pace, meter, shards } = this;
    return new Stream(backend, spec, parts, fitted, hidden, tables, pace, meter, shards);
  }

  /** The parts that are not held out. */
  get fittedParts(): readonly Batch[] {
    return this.parts.slice(0, this.fitted);
  }

  /** Sequences `from` to `end` of a part. */
  cut(part: number, from: number, end: number): Portion {
    const batch = this.parts[part];
    return { part, batch: sequencesOf(batch, from, end), first: batch.offsets[from] };
  }

  /** Lends the hidden states of some sequences of a part. */
  async portion({ part, batch, first }: Portion): Promise<Lease> {
    const lease = await this.hidden.load(part), rows = batch.ids.length;
    if (rows === lease.tensor.rows) return lease;
    using _lease = lease;
    const tensor = lookUp(this.backend, lease.tensor, Uint32Array.from({ length: rows }, (_, row) => first + row));
    return { tensor, [Symbol.dispose]: () => tensor[Symbol.dispose]() };
  }

  /** Runs a block on every batch as far as the inputs go that are to be observed, and adds them up. */
  async observe(block: Block, observation: Observation): Promise<void> {
    const last = lastOf(block, observation);
    await this.#run(block, {
      phase: "observe",
      see: (linears, x, batch) => {
        this.#add(observation, linears, x, batch);
        return linears.some(({ name }) => name === last) ? "leave" : "go";
      },
      // What the others add to the residual stream nobody will see.
      runs: (expert) => mlpLinears(expert).some((linear) => observation.observes(linear)),
      parts: observation,
      keep: false,
    });
  }

  /** Runs a block on every batch: the hidden states are those before the next block then. Observes on the way, if asked. */
  async propagate(block: Block, phase: Phase = "propagate", observation?: Observation): Promise<void> {
    await this.#run(block, {
      phase,
      see: (linears, x, batch) => {
        if (observation) this.#add(observation, linears, x, batch);
        return "go";
      },
      runs: () => true,
      keep: true,
    });
  }

  /**
   * Runs a block on all batches side by side, and stops at every input that is observed: what `between` does to the linears
   * that share it is what the rest of the block sees. Only where {@linkcode goesStepwise} says so.
   * @param keep Whether the hidden states after the block take the place of those before it.
   */
  async observeStepwise(
    block: Block,
    observation: Observation,
    between: (linears: readonly Linear[]) => Promise<void>,
    keep: boolean,
  ): Promise<void> {
    const last = lastOf(block, observation);
    let waiting: readonly Linear[] = [];
    await this.#runTogether(block, {
      phase: "observe",
      numbers: [...this.parts.keys()],
      see: (linears, x, batch) => {
        this.#add(observation, linears, x, batch);
        const groups = observation.groups.filter(([{ name }]) => linears.some((linear) => linear.name === name));
        waiting = groups.flat();
        return waiting.length ? "wait" : "go";
      },
      between: async () => {
        await between(waiting);
        return !keep && waiting.some(({ name }) => name === last);
      },
      runs: () => true,
      keep,
    });
  }

  /** Adds what a batch shows to an observation, or to that of what is held out. */
  #add(observation: Observation, linears: readonly Linear[], x: Tensor, batch: number): void {
    (batch < this.fitted ? observation : observation.heldOut ?? observation).add(linears, x);
  }

  async #run(block: Block, visit: Omit<Visit, "numbers">): Promise<void> {
    const together = this.#together(block.spec);
    for (const [part, all] of this.shards.entries()) {
      if (visit.parts && !await visit.parts.wants(part)) continue;
      for (let first = 0; first < all.length; first += together) {
        await this.#runTogether(block, { ...visit, numbers: all.slice(first, first + together) });
      }
      await visit.parts?.endPart(part);
    }
  }

  /** How many batches go side by side: one, unless there are experts, whose weights they share. */
  #together(block: BlockSpec): number {
    if (!expertsOf(block)) return 1;
    const most = this.parts.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    return Math.max(1, Math.floor(sideBySideBytes(this.backend) / (most * heldBytes(this.spec, block))));
  }

  async #runTogether(block: Block, visit: Visit): Promise<void> {
    using held = new DisposableStack();
    let travellers: Traveller[] = [];
    for (const number of visit.numbers) {
      const loan = held.use(await this.hidden.load(number));
      const own = walk(block, this.tables.batch(this.parts[number]), loan.tensor);
      held.defer(() => void own.return(undefined as never));
      travellers.push({ number, walk: own, loan });
    }
    let lease: Disposable | undefined, answer: WalkAnswer;
    try {
      for (;;) {
        const waiting: Traveller[] = [];
        let stop: Stop | undefined;
        for (const each of travellers) {
          const own = await this.#advance(each, answer, visit);
          if (own.kind === "end" || own.kind === "left") {
            await this.#arrive(block, visit, each, own);
          } else {
            waiting.push(each);
            stop = own;
          }
        }
        lease?.[Symbol.dispose]();
        lease = answer = undefined;
        if (!stop) return;
        travellers = waiting;
        if (stop.kind === "input") {
          if (!await visit.between!()) continue;
          for (const each of travellers) await this.#arrive(block, visit, each, leave(each.walk));
          return;
        }
        if (stop.kind === "expert" && visit.runs(stop.layer.experts[stop.expert])) {
          lease = await block.loadExpert(stop.layer, stop.expert);
          answer = true;
        }
      }
    } finally {
      lease?.[Symbol.dispose]();
    }
  }

  /** Drives a walk until it ends, leaves, or has to wait for the others. */
  async #advance({ walk, number }: Traveller, answer: WalkAnswer, { see }: Visit): Promise<Stop> {
    for (;;) {
      const { done, value } = walk.next(answer);
      if (done) return { kind: "end", hidden: value };
      switch (value.kind) {
        case "read":
          [answer] = await this.backend.read(value.tensor);
          break;
        case "expert":
          return value;
        case "input": {
          const next = see(value.linears, value.x, number);
          if (next === "wait") return value;
          if (next === "leave") return leave(walk);
          answer = undefined;
        }
      }
    }
  }

  /** A batch is through. */
  async #arrive(block: Block, { keep, phase }: Visit, { number, loan }: Traveller, stop: Stop): Promise<void> {
    if (stop.kind === "end") {
      if (keep) await this.hidden.store(number, stop.hidden);
      else stop.hidden[Symbol.dispose]();
    }
    await this.pace.step();
    this.meter.step(phase, block.spec.index, this.parts[number].ids.length);
    loan[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tables[Symbol.dispose]();
    await this.hidden[Symbol.asyncDispose]();
  }
}

/**
 * Runs a block on one batch that is on its own.
 * @returns The residual stream after the block, a new tensor.
 */
export function forwardBlock(block: Block, batch: WalkBatch, hidden: Tensor): Promise<Tensor> {
  return drive(block, walk(block, batch, hidden));
}

/** Drives a walk of a block to its end, forward or (`model/tape.ts`) backward: reads what it must know, loads its experts. */
export async function drive<T>(block: Block, walk: Generator<WalkRequest, T, WalkAnswer>): Promise<T> {
  let answer: WalkAnswer, lease: Disposable | undefined;
  try {
    for (;;) {
      const { done, value } = walk.next(answer);
      if (done) return value;
      answer = undefined;
      if (value.kind === "read") [answer] = await block.backend.read(value.tensor);
      if (value.kind === "expert") {
        lease?.[Symbol.dispose]();
        lease = await block.loadExpert(value.layer, value.expert);
        answer = true;
      }
    }
  } finally {
    lease?.[Symbol.dispose]();
    walk.return(undefined as never);
  }
}

/** Ends a walk where it stands, and frees what it holds. */
function leave(walk: Walk): Stop {
  walk.return(undefined as never);
  return { kind: "left" };
}

/** The linear at whose input an observation has seen all that it wants; none if experts are among it. */
function lastOf({ spec }: Block, observation: Observation): string | undefined {
  const firsts = new Set(observation.groups.map(([{ name }]) => name));
  const last = linearsOf(spec).findLast(({ name }) => firsts.has(name));
  const experts = expertsOf(spec)?.experts.flatMap(mlpLinears) ?? [];
  return experts.some(({ name }) => name === last?.name) ? undefined : last?.name;
}
