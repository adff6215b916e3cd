/**
 * The inputs of a block's linears in an order that serves n:m, where the linears before them can store their rows in it
 * (`model/channels.ts`): the block computes the same, and what is pruned and written is an ordinary checkpoint.
 */
import { type Backend, BYTES, type Formula } from "../backend/backend.ts";
import { maskBits } from "../checkpoint/mask.ts";
import { type MatrixOrder, reorder } from "../checkpoint/reorder.ts";
import { PareError } from "../errors.ts";
import type { Method, Pattern } from "../method/method.ts";
import { regroup, retained, type ScoreMatrix, WORTH_BYTES } from "../method/permutation.ts";
import type { Block } from "../model/block.ts";
import { type Channels, channelsOf, columnsOf } from "../model/channels.ts";
import { expertsOf } from "../model/layers.ts";
import type { BlockSpec, Linear, ModelSpec } from "../model/spec.ts";
import type { Observation } from "./observation.ts";
import { requestFor, type Requests, type Targets } from "./target.ts";

/** What is permuted of a block: inputs that n:m is asked of. */
function asked(block: BlockSpec, linears: readonly Linear[], requests: Requests) {
  const names = new Set(linears.map(({ name }) => name));
  return channelsOf(block).flatMap((channels) => {
    const { pattern } = requestFor(requests, channels.to.name);
    return pattern && names.has(channels.to.name) ? [{ channels, pattern }] : [];
  });
}

/**
 * Checks that what n:m is asked of can be permuted.
 * @throws PareError naming what cannot, or if n:m is asked of nothing.
 */
export function checkPermutable(spec: ModelSpec, targets: Targets, requests: Requests): void {
  let any = false;
  for (const [index, linears] of targets) {
    const block = spec.blocks[index], names = new Set(linears.map(({ name }) => name));
    if (expertsOf(block)) {
      throw new PareError(`--permute: ${block.name} has experts, which are loaded one by one: expected a dense model`);
    }
    for (const { channels: { to, from, runs }, pattern: { n, m } } of asked(block, linears, requests)) {
      any = true;
      const left = from.find(({ name }) => !names.has(name));
      if (left) {
        throw new PareError(
          `--permute: the inputs of ${to.name} are rows of ${left.name}, which is not pruned: expected both or neither`,
        );
      }
      const { width } = runs[0];
      if (width % m) {
        throw new PareError(
          `--permute: ${to.name}: ${n}:${m} does not divide its heads' ${width} inputs, within which they can be permuted`,
        );
      }
    }
  }
  if (!any) throw new PareError("--permute is for n:m, which is asked of no linear whose inputs can be permuted");
}

/** The biases that are written with a block's permuted linears: those of the linears before them. */
export function permutedBiases(block: BlockSpec, linears: readonly Linear[], requests: Requests): string[] {
  const from = asked(block, linears, requests).flatMap(({ channels }) => channels.from);
  return from.filter(({ bias }) => bias).map(({ name }) => `${name}.bias`);
}

/** A linear whose inputs are one run is judged by its scores as they are read. */
const isWhole = ({ to, runs }: Channels): boolean => runs.length === 1 && runs[0].width === to.cols;

/**
 * Bytes that permuting a block's inputs takes beside it: of a linear its scores, on the backend and as they are read, and again
 * where they fall into runs, and what columns are worth in each other's places; and the largest weight that is moved, as it is
 * read and as it is written.
 */
export function permutingBytes(
  block: BlockSpec,
  linears: readonly Linear[],
  bytesOf: (tensor: string) => number,
): number {
  const names = new Set(linears.map(({ name }) => name));
  return channelsOf(block).filter(({ to }) => names.has(to.name)).reduce((most, channels) => {
    const { to, from } = channels, scores = BYTES.F32 * to.rows * to.cols;
    const moved = Math.max(...[to, ...from].map(({ name }) => bytesOf(`${name}.weight`)));
    return Math.max(most, (isWhole(channels) ? 2 : 3) * scores + WORTH_BYTES + 2 * moved);
  }, 0);
}

/** What was done to a block. */
export interface Permuted {
  /** The order of each linear's inputs by its name: which of the model's own comes to each place. */
  readonly orders: ReadonlyMap<string, Uint32Array<ArrayBuffer>>;
  /** Tensors that changed and are not pruned, by their names: biases, and a bit for each number that is not zero. */
  readonly others: ReadonlyMap<
    string,
    { readonly bytes: Uint8Array<ArrayBuffer>; readonly kept: Uint8Array<ArrayBuffer> }
  >;
}

/** The orders of the runs of linears' inputs, by the linear's name: what all else about a permuted block follows from. */
export type RunOrders = ReadonlyMap<string, readonly Uint32Array[]>;

/** What a block's inputs are permuted by. */
export interface PermuteOptions {
  readonly backend: Backend;
  readonly method: Method;
  readonly requests: Requests;
  /** The linears that are pruned. */
  readonly linears: readonly Linear[];
  /** What was seen of their inputs, if the method asks for it, and in how many sequences. */
  readonly observation?: Observation;
  readonly sequences: number;
}

/**
 * Chooses orders for a block that is on a backend, before any of it is pruned: those in which the scores that n:m keeps sum to
 * more, the method's own scores, where they are its masks, else Wanda's.
 */
export async function chooseOrders(block: Block, options: PermuteOptions): Promise<RunOrders> {
  const orders = new Map<string, readonly Uint32Array[]>();
  for (const { channels, pattern } of asked(block.spec, options.linears, options.requests)) {
    orders.set(channels.to.name, await ordersOf(block, channels, pattern, options));
  }
  return orders;
}

/** Permutes the weights of a block that is on a backend, before any of it is pruned, by orders that were chosen for it. */
export async function permute(
  block: Block,
  chosen: RunOrders,
  { backend, requests, linears }: Pick<PermuteOptions, "backend" | "requests" | "linears">,
): Promise<Permuted> {
  const orders = new Map<string, Uint32Array<ArrayBuffer>>(),
    others: Map<string, { bytes: Uint8Array<ArrayBuffer>; kept: Uint8Array<ArrayBuffer> }> = new Map();
  const move = async (name: string, order: MatrixOrder): Promise<Uint8Array<ArrayBuffer>> => {
    const { rows, cols, dtype } = block.get(name), [bytes] = await backend.read(block.get(name));
    const moved = reorder(bytes, rows, cols, dtype, order);
    block.replace(name, backend.upload(moved, rows, cols, dtype));
    return moved;
  };
  for (const { channels } of asked(block.spec, linears, requests)) {
    const { to, from } = channels, own = chosen.get(to.name)!;
    const columns = columnsOf(channels, own);
    await move(`${to.name}.weight`, { cols: columns });
    for (const linear of from) {
      const rows = channels.rows(linear, own), bias = `${linear.name}.bias`;
      await move(`${linear.name}.weight`, { rows });
      if (!linear.bias) continue;
      const bytes = await move(bias, { cols: rows });
      others.set(bias, { bytes, kept: maskBits(bytes, block.get(bias).dtype) });
    }
    orders.set(to.name, columns as Uint32Array<ArrayBuffer>);
  }
  return { orders, others };
}

/** The order of each run of a linear's inputs; as they are, if no other keeps more. */
async function ordersOf(
  block: Block,
  channels: Channels,
  pattern: Pattern,
  { backend, method, observation, sequences }: PermuteOptions,
): Promise<Uint32Array[]> {
  const { to, runs } = channels;
  using squares = observation?.squares(to, sequences);
  const formula: Formula = method.criterion?.formula({ squares }) ?? { kind: "activation", statistic: squares! };
  using scores = backend.score(block.weight(to), formula);
  const [{ buffer }] = await backend.read(scores), values = new Float32Array(buffer);
  return runs.map(({ width, parts }) => {
    // One order for all parts: their rows are judged together.
    const all: ScoreMatrix = {
      rows: to.rows * parts.length,
      cols: width,
      values: isWhole(channels) ? values : new Float32Array(to.rows * parts.length * width),
    };
    for (const [part, first] of isWhole(channels) ? [] : parts.entries()) {
      for (let row = 0; row < to.rows; row++) {
        const at = row * to.cols + first;
        all.values.set(values.subarray(at, at + width), (part * to.rows + row) * width);
      }
    }
    const order = regroup(all, pattern), present = Uint32Array.from({ length: width }, (_, j) => j);
    return retained(all, pattern, order) > retained(all, pattern, present) ? order : present;
  });
}
