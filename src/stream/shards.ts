/**
 * One run on several machines: the calibration sequences are cut into shards, each rank carries the hidden states of its own,
 * and sums over inputs are made by the shard and merged **in the order of the shards**. So the unit is the shard and not the
 * rank, and 1, 2 or 4 ranks give the same bytes. Linears that share an input are pruned by one rank, and so are all of an
 * expert, and read by all.
 */
import { BYTES } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Linear } from "../model/spec.ts";
import { type Batch, countSequences } from "../text/batch.ts";
import { type Exchange, inTurn, type Ranks } from "./exchange.ts";
import { Observation } from "./observation.ts";
import type { RunOrders } from "./permute.ts";
import type { LinearResult } from "./results.ts";

/** How a run is cut. */
export interface ShardOptions {
  /** Into how many shards the calibration sequences are cut: it is a part of what is computed. */
  readonly shards: number;
  /** Where ranks meet; without it this process has all shards. */
  readonly exchange?: Exchange;
  /** Which of the ranks this process is. */
  readonly ranks?: Ranks;
}

/** Sequences from `first` up to `end`. */
export interface Shard {
  readonly index: number;
  readonly first: number;
  readonly end: number;
}

/** Which of a block's sums: inputs are seen once before it is pruned, and before that once to be permuted, if they are. */
export interface SumsOf {
  readonly block: number;
  readonly before: "permuting" | "pruning";
}

/** Where a linear stands among those that ranks prune. */
export interface Place {
  readonly block: number;
  /** The linears that share its input. */
  readonly group: readonly Linear[];
  /** Ranks take turns in a block: a group is one, and an expert. */
  readonly turn: number;
}

/** The cut of a run, and this process's part of it. */
export class Shards {
  /** All of them. */
  readonly all: readonly Shard[];
  /** The sequences that are held out: as many as there are, they are one shard more, the last rank's. */
  readonly apart?: Shard;
  /** Those whose hidden states are here. */
  readonly own: readonly Shard[];
  readonly #ranks: Ranks;
  /** Of how many of a group's linears this process has given the results. */
  readonly #given = new WeakMap<readonly Linear[], number>();
  readonly exchange?: Exchange;

  /**
   * @param heldOut How many of the sequences, the last ones, are observed by themselves.
   * @param failed Aborted when this process cannot give what others may wait for: it waits for none of them then.
   * @throws PareError if there are more shards than other sequences, or more ranks than shards.
   */
  constructor(
    { shards, exchange, ranks = { rank: 0, ranks: 1 } }: ShardOptions,
    batch: Batch,
    heldOut = 0,
    private readonly failed?: AbortSignal,
  ) {
    const all = countSequences(batch), sequences = all - heldOut;
    if (shards > sequences) {
      throw new PareError(
        `--shards ${shards}: expected at most one for each of the ${sequences} calibration sequences`,
      );
    }
    if (ranks.ranks > shards) {
      throw new PareError(`--ranks ${ranks.ranks}: expected at most one for each of the ${shards} shards`);
    }
    this.exchange = exchange;
    this.#ranks = ranks;
    const bound = (index: number) => Math.floor(index * sequences / shards);
    this.all = Array.from({ length: shards }, (_, index) => ({ index, first: bound(index), end: bound(index + 1) }));
    if (heldOut > 0) this.apart = { index: shards, first: sequences, end: all };
    this.own = this.#each.filter(({ index }) => this.#ownerOf(index) === ranks.rank);
  }

  /** All shards, and what is held out. */
  get #each(): readonly Shard[] {
    return this.apart ? [...this.all, this.apart] : this.all;
  }

  /** The rank that has a shard. */
  #ownerOf(shard: number): number {
    return Math.floor(Math.min(shard, this.all.length - 1) * this.#ranks.ranks / this.all.length);
  }

  /** The rank that prunes linears, so that all have something to do. */
  #solverOf({ block, turn }: Omit<Place, "group">): number {
    return (block + turn) % this.#ranks.ranks;
  }

  /**
   * Sets of groups in rounds: those of a round are observed before any is pruned. A round has one for every rank to prune, and
   * not more, since the sums of all are in the exchange until then.
   */
  rounds<T>(sets: readonly T[]): T[][] {
    const size = this.#ranks.ranks;
    return Array.from({ length: Math.ceil(sets.length / size) }, (_, at) => sets.slice(at * size, (at + 1) * size));
  }

  /** Those of a block's groups of linears whose results are not there. */
  async missing(block: number, groups: readonly (readonly Linear[])[]): Promise<(readonly Linear[])[]> {
    if (!this.exchange) return [...groups];
    const there = await Promise.all(groups.map((group) => this.#hasResults(block, group)));
    return groups.filter((_, at) => !there[at]);
  }

  /** Whether all of a group is pruned. */
  #hasResults(block: number, group: readonly Linear[]): Promise<boolean> {
    return this.#hasAll(group.map(({ name }) => resultName(block, name)));
  }

  async #hasAll(names: readonly string[]): Promise<boolean> {
    for (const name of names) if (!await this.exchange!.has(name)) return false;
    return true;
  }

  #get(name: string, from: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.exchange!.get(name, from, this.failed);
  }

  /** Whether this process prunes a linear. */
  solves(place: Place): boolean {
    return this.#solverOf(place) === this.#ranks.rank;
  }

  /** Whether a shard's sums over some inputs are there already: from a process that died. */
  async hasSums(of: SumsOf, shard: number, groups: readonly (readonly Linear[])[]): Promise<boolean> {
    return this.exchange !== undefined && await this.#hasAll(groups.map((group) => sumsName(of, group, shard)));
  }

  /** Gives a shard's sums to all. */
  async putSums(of: SumsOf, shard: number, observation: Observation): Promise<void> {
    const { groups } = observation;
    const put = async (group: readonly Linear[]) =>
      await this.exchange!.put(sumsName(of, group, shard), await observation.bytes(group));
    for await (const _ of inTurn(groups, largestSums(observation, groups), put));
  }

  /** Adds the sums of all shards over groups' inputs to an observation, in their order, and what is held out to its own. */
  async gatherSums(of: SumsOf, groups: readonly (readonly Linear[])[], observation: Observation): Promise<void> {
    const parts = groups.flatMap((group) => this.#each.map((shard) => ({ group, shard })));
    const get = async ({ group, shard }: typeof parts[number]) => {
      const bytes = await this.#get(sumsName(of, group, shard.index), this.#ownerOf(shard.index));
      return { group, shard, bytes };
    };
    for await (const { group, shard, bytes } of inTurn(parts, largestSums(observation, groups), get)) {
      this.sumsOf(shard, observation).absorbBytes(group, bytes);
    }
  }

  /** Removes the sums of all shards over a group's input, which nobody will ask for. */
  async #dropSums(of: SumsOf, group: readonly Linear[]): Promise<void> {
    await Promise.all(this.#each.map(({ index }) => this.exchange!.drop(sumsName(of, group, index))));
  }

  /** Where a shard's sums belong. */
  sumsOf(shard: Shard, observation: Observation): Observation {
    return shard === this.apart ? observation.heldOut! : observation;
  }

  /** Whether this process chooses the order of a block's inputs: the ranks in turns. */
  choosesOrders(block: number): boolean {
    return this.#solverOf({ block, turn: 0 }) === this.#ranks.rank;
  }

  /** Whether the orders of a block's inputs are there already. */
  async hasOrders(block: number): Promise<boolean> {
    return this.exchange !== undefined && await this.exchange.has(ordersName(block));
  }

  /** Gives the orders of a block's inputs to all; the sums that they were chosen by are of no use then. */
  async putOrders(block: number, orders: RunOrders, groups: readonly (readonly Linear[])[]): Promise<void> {
    if (!this.exchange) return;
    const lists = [...orders].map(([linear, runs]) => [linear, runs.map((order) => [...order])]);
    await this.exchange.put(ordersName(block), new TextEncoder().encode(JSON.stringify(lists)));
    for (const group of groups) await this.#dropSums({ block, before: "permuting" }, group);
  }

  /** The orders of a block's inputs, waited for. */
  async getOrders(block: number): Promise<RunOrders> {
    const bytes = await this.#get(ordersName(block), this.#solverOf({ block, turn: 0 }));
    const lists: [string, number[][]][] = JSON.parse(new TextDecoder().decode(bytes));
    return new Map(lists.map(([linear, runs]) => [linear, runs.map((order) => Uint32Array.from(order))]));
  }

  /** Gives what became of a linear to all; the sums over its group's input are of no use once all of the group is there. */
  async putResult(
    { block, group }: Place,
    { report, distribution, stored, kept }: LinearResult,
  ): Promise<void> {
    const { exchange } = this;
    if (!exchange) return;
    const text = JSON.stringify(
      { report, distribution, kept: kept.length },
      (_key, value) =>
        value instanceof Float32Array
          ? { f32: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64() }
          : value,
    );
    const head = new TextEncoder().encode(text), length = new Uint8Array(Uint32Array.of(head.length).buffer);
    await exchange.put(resultName(block, report.name), length, head, kept, stored);
    // A group is pruned as a whole, whatever of it a process that died has given.
    const given = 1 + (this.#given.get(group) ?? 0);
    this.#given.set(group, given);
    if (given === group.length) await this.#dropSums({ block, before: "pruning" }, group);
  }

  /** What became of linears, waited for, each with its own. */
  getResults(linears: readonly Linear[], placeOf: (linear: Linear) => Place) {
    const largest = Math.max(0, ...linears.map(({ rows, cols }) => rows * cols * BYTES.F32));
    return inTurn(
      linears,
      largest,
      async (linear) => ({ linear, result: await this.getResult(placeOf(linear), linear.name) }),
    );
  }

  /** What became of a linear, waited for. */
  async getResult(place: Place, linear: string): Promise<LinearResult> {
    const bytes = await this.#get(resultName(place.block, linear), this.#solverOf(place));
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), end = 4 + length;
    const { report, distribution, kept } = JSON.parse(
      new TextDecoder().decode(bytes.subarray(4, end)),
      (_key, value) =>
        typeof value?.f32 === "string" ? new Float32Array(Uint8Array.fromBase64(value.f32).buffer) : value,
    );
    return { report, distribution, kept: bytes.slice(end, end + kept), stored: bytes.slice(end + kept) };
  }
}

/** Bytes of the largest sums over an input. */
const largestSums = (observation: Observation, groups: readonly (readonly Linear[])[]) =>
  Math.max(0, ...groups.map((group) => observation.byteLength(group)));

const ordersName = (block: number) => `block-${block}/orders`;
const resultName = (block: number, linear: string) => `block-${block}/${linear}`;
const sumsName = ({ block, before }: SumsOf, [{ name }]: readonly Linear[], shard: number) =>
  `block-${block}/${name}.${before === "permuting" ? "order-" : ""}sums-${shard}`;

/** Sums over inputs, shard by shard: those of one at a time, and of those that are through all together. */
export class ShardedObservation extends Observation {
  #part?: Observation;

  /** Begins with nothing seen. */
  constructor(
    backend: ConstructorParameters<typeof Observation>[0],
    groups: readonly (readonly Linear[])[],
    options: ConstructorParameters<typeof Observation>[2],
    private readonly shards: Shards,
    private readonly of: SumsOf,
  ) {
    super(backend, groups, options);
  }

  override add(...seen: Parameters<Observation["add"]>): void {
    this.#part ??= this.#begin();
    this.#part.add(...seen);
  }

  /** Nothing seen of a shard. */
  #begin(): Observation {
    return new Observation(this.backend, this.groups, { ...this.options, heldOut: false });
  }

  override async wants(part: number): Promise<boolean> {
    return !await this.shards.hasSums(this.of, this.shards.own[part].index, this.groups);
  }

  override async endPart(part: number): Promise<void> {
    using seen = this.#part ?? this.#begin();
    this.#part = undefined;
    const shard = this.shards.own[part];
    if (this.shards.exchange) await this.shards.putSums(this.of, shard.index, seen);
    else this.shards.sumsOf(shard, this).absorb(seen);
  }

  /** Has the sums of all shards over the inputs of these groups. */
  async complete(groups: readonly (readonly Linear[])[]): Promise<void> {
    if (!this.shards.exchange) return;
    await this.shards.gatherSums(this.of, groups, this);
  }

  override [Symbol.dispose](): void {
    this.#part?.[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
