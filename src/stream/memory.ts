/**
 * What a pass will hold on its backend, told before anything is computed: a plan that cannot fit is refused by the name of
 * what is too large, and inputs whose sums do not fit together are observed one after the other.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import type { Effort, Method } from "../method/method.ts";
import { WATCHED_WEIGHTS } from "../method/pcg.ts";
import { ELIMINATION } from "../method/sparsegpt.ts";
import { expertsOf, expertTensors, linearsOf, residentTensors, type TensorSpec } from "../model/layers.ts";
import type { BlockSpec, Linear, ModelSpec } from "../model/spec.ts";
import { type Batch, longestOf } from "../text/batch.ts";
import { chooseGroups } from "./solve.ts";
import type { Targets } from "./target.ts";

/** A number that is kept as a high part and what it lost, and one that is not. */
const F32_PAIR_BYTES = 2 * BYTES.F32, F32_BYTES = BYTES.F32;

/** The inputs of a group, n: the columns of its linears. */
const width = ([{ cols }]: readonly Linear[]) => cols;

/** Bytes that the sums over a group's input take: xᵀx in pairs of numbers. */
export function sumBytes(group: readonly Linear[]): number {
  return F32_PAIR_BYTES * width(group) ** 2;
}

/** Bytes of the largest linear of a group as F32. */
function weightBytes(group: readonly Linear[]): number {
  return Math.max(...group.map(({ rows, cols }) => rows * cols)) * F32_BYTES;
}

/** What a method holds, and how many Grams are summed for an input: two where tokens are held out. */
type Holds = Effort["holds"] & { readonly grams?: number };

/**
 * The most bytes that it takes to observe and solve some groups with Hessians: first their sums beside the activations of a
 * batch; then, while the linears of one group are solved, the factor of the next is under way and the sums of those after it
 * are kept.
 */
export function hessianBytes(
  groups: readonly (readonly Linear[])[],
  activations: number,
  holds: Holds = ELIMINATION.holds,
): number {
  const { grams = 1 } = holds,
    sums = (of: readonly (readonly Linear[])[]) => grams * of.reduce((sum, group) => sum + sumBytes(group), 0);
  // Another Hessian for each of the others.
  const inputs = holds.inputs + grams, weights = grams > 1 ? Math.max(holds.weights, WATCHED_WEIGHTS) : holds.weights;
  let most = activations + sums(groups);
  for (let at = -1; at < groups.length; at++) {
    const now = groups[at], next = groups[at + 1];
    const solving = now ? inputs * F32_BYTES * width(now) ** 2 + weights * weightBytes(now) : 0;
    // A Hessian is made of its sums, which go then, and something of it.
    const coming = next ? Math.max(grams * (F32_PAIR_BYTES + F32_BYTES), inputs * F32_BYTES) * width(next) ** 2 : 0;
    most = Math.max(most, solving + coming + sums(groups.slice(at + 2)));
  }
  return most;
}

/** The name of the expert whose linears a group is; undefined if it is no expert's. */
export function expertOf([{ name, role }]: readonly Linear[]): string | undefined {
  return role.includes("*") ? name.replace(/\.[^.]*$/, "") : undefined;
}

/**
 * Groups in sets: those of a set are observed together. Linears of an expert are apart from all others, since the Hessians
 * of many experts are larger than the experts; and a set takes no more than there is room for.
 */
export function observationSets(
  groups: readonly (readonly Linear[])[],
  { bytes, drafts, activations, holds }: Omit<Room, "holds"> & { readonly holds?: Holds },
): (readonly (readonly Linear[])[])[] {
  const fits = !groups.some(([{ role }]) => role.includes("*")) && hessianBytes(groups, activations, holds) <= bytes;
  if (fits) return [groups];
  return [...Map.groupBy(groups, expertOf).values()].flatMap((own) => {
    const sets: (readonly Linear[])[][] = [];
    for (const group of own) {
      const last = sets.at(-1);
      if (last && hessianBytes([...last, group], activations, holds) <= bytes - drafts) last.push(group);
      else sets.push([group]);
    }
    return sets;
  });
}

/** The most bytes beside a block while one of its linears is masked: its scores in F32, and the weight as it was. */
export function scoringBytes({ tensors }: MemoryOptions["checkpoint"], linears: readonly Linear[] = []): number {
  return linears.reduce((most, { name, rows, cols }) => {
    return Math.max(most, F32_BYTES * rows * cols + (tensors.get(`${name}.weight`)?.bytes ?? 0));
  }, 0);
}

/** What a pass is about to do, as far as its memory depends on it. */
export interface MemoryOptions {
  readonly checkpoint: Pick<Checkpoint, "tensors" | "path">;
  readonly backend: Pick<Backend, "name" | "limits">;
  readonly method: Method;
  readonly targets: Targets;
  /** The sequences that go through the blocks, if any do. */
  readonly batch?: Batch;
  /** Whether their hidden states are kept in a file. */
  readonly spooled: boolean;
  /** Whether some of them are held out of the Hessians. */
  readonly holdout?: boolean;
  /** Whether blocks are reconstructed: there are hidden states of the dense network then, too. */
  readonly reconstructs?: boolean;
}

/** Bytes of a block on the backend, of its experts one. */
export function blockBytes({ tensors }: MemoryOptions["checkpoint"], block: BlockSpec): number {
  const sum = (specs: readonly TensorSpec[]) =>
    specs.reduce((sum, { name }) => sum + (tensors.get(name)?.bytes ?? 0), 0);
  const experts = expertsOf(block)?.experts.map((expert) => sum(expertTensors(expert))) ?? [];
  return sum(residentTensors(block)) + Math.max(0, ...experts);
}

/** Tokens that go through a block together. */
function tokensAtOnce({ batch, backend }: Pick<MemoryOptions, "batch" | "backend">): number {
  return batch ? Math.min(batch.ids.length, Math.max(backend.limits.batchTokens, longestOf(batch))) : 0;
}

/** Bytes of a batch's activations in a block: the residual stream, what goes into a layer and comes out, and the widest input. */
export function activationBytes(spec: ModelSpec, { batch, backend }: MemoryOptions): number {
  if (!batch) return 0;
  const tokens = tokensAtOnce({ batch, backend });
  const widest = spec.blocks.reduce(
    (most, block) => chooseGroups({ spec: block }).reduce((most, [{ cols }]) => Math.max(most, cols), most),
    0,
  );
  return tokens * (4 * spec.hidden + 3 * widest) * F32_BYTES;
}

/**
 * Bytes that the reconstruction of a block takes: of every weight that is fitted itself, its gradient and two moments, in F32;
 * and what a tape keeps of a batch: every layer's output, with gradients of the widest.
 */
function fittingBytes(spec: ModelSpec, block: BlockSpec, options: MemoryOptions, experts: boolean): number {
  const fitted = (options.targets.get(block.index) ?? []).filter(({ role }) => experts || !role.includes("*"));
  const weights = fitted.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const outputs = linearsOf(block).reduce((sum, { rows, cols }) => sum + rows + cols, 0);
  const tokens = tokensAtOnce(options);
  return F32_BYTES * (4 * weights + tokens * outputs) + activationBytes(spec, options);
}

/** Bytes of a block's experts beside the one that {@linkcode blockBytes} counts. */
function otherExpertBytes({ tensors }: MemoryOptions["checkpoint"], block: BlockSpec): number {
  const each = (expertsOf(block)?.experts ?? []).map((expert) =>
    expertTensors(expert).reduce((sum, { name }) => sum + (tensors.get(name)?.bytes ?? 0), 0)
  );
  return each.reduce((sum, bytes) => sum + bytes, 0) - Math.max(0, ...each);
}

/** What a backend that tells no total is trusted to hold of a block's experts while they are fitted. */
const UNTOLD_BYTES = 4 * 2 ** 30;

/** Whether all experts of a block can be on the backend with all that their reconstruction takes. */
export function expertsFit(spec: ModelSpec, block: BlockSpec, options: MemoryOptions): boolean {
  if (!options.reconstructs || !expertsOf(block)) return false;
  const { checkpoint, backend } = options, { limits } = backend;
  const memoryBytes = Math.min(limits.memoryBytes, UNTOLD_BYTES);
  const { bytes } = roomBeside(spec, block, {
    ...options,
    backend: { ...backend, limits: { ...limits, memoryBytes } },
  });
  return fittingBytes(spec, block, options, true) + otherExpertBytes(checkpoint, block) <= bytes;
}

/** Bytes that the reconstruction of a block takes beside it; its experts are fitted where they can be. */
export function reconstructionBytes(spec: ModelSpec, block: BlockSpec, options: MemoryOptions): number {
  if (!options.reconstructs) return 0;
  const experts = expertsFit(spec, block, options);
  return fittingBytes(spec, block, options, experts) + (experts ? otherExpertBytes(options.checkpoint, block) : 0);
}

/** What is left of a backend beside a block. */
export interface Room {
  /** Bytes beside the block's weights and all hidden states. */
  readonly bytes: number;
  /** How many of them pruned copies of the block's weights take, where it is walked more than once before it is pruned. */
  readonly drafts: number;
  /** How many of them a batch's activations take, while one is under way. */
  readonly activations: number;
  /** What the method holds while it works; an elimination's unless given. */
  readonly holds: Holds;
}

/** What is left beside a block of a pass. */
export function roomBeside(spec: ModelSpec, block: BlockSpec, options: MemoryOptions): Room {
  const { batch, spooled, backend, checkpoint, reconstructs } = options;
  const hidden = batch && !spooled ? (reconstructs ? 2 : 1) * batch.ids.length * spec.hidden * F32_BYTES : 0;
  return {
    bytes: backend.limits.memoryBytes - blockBytes(checkpoint, block) - hidden,
    drafts: blockBytes(checkpoint, block),
    activations: activationBytes(spec, options),
    holds: { ...(options.method.effort ?? ELIMINATION).holds, grams: options.holdout ? 2 : 1 },
  };
}

/** The most inputs, fewer than so many, that fit; 0 if none do. */
function mostInputs(fits: (inputs: number) => boolean, tooMany: number): number {
  let most = 0;
  for (let above = tooMany; above - most > 1;) {
    const middle = Math.floor((most + above) / 2);
    if (fits(middle)) most = middle;
    else above = middle;
  }
  return most;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/**
 * Refuses a pass that cannot fit its backend.
 * @throws PareError naming the block or linear that is too large, and what would fit.
 */
export function checkMemory(spec: ModelSpec, options: MemoryOptions): void {
  const { backend, method, targets } = options, { memoryBytes } = backend.limits;
  for (const block of spec.blocks) {
    const beside = roomBeside(spec, block, options), { activations } = beside;
    const scores = method.statistic === "gram" ? 0 : scoringBytes(options.checkpoint, targets.get(block.index));
    const fitting = reconstructionBytes(spec, block, options), needed = Math.max(activations, scores, fitting);
    if (beside.bytes < needed) {
      const [what, fewer] = needed === fitting
        ? ["what --reconstruct keeps of it", "fewer tokens at once, or "]
        : scores > activations
        ? ["the scores of its largest linear", ""]
        : ["its activations", "fewer tokens at once, or "];
      throw new PareError(
        `${block.name} with ${what} takes ${
          gib(memoryBytes - beside.bytes + needed)
        }; the ${backend.name} backend holds ` +
          `${gib(memoryBytes)}: expected ${fewer}a backend with more memory`,
      );
    }
    if (method.statistic !== "gram") continue;
    const groups = chooseGroups({ spec: block }, targets.get(block.index) ?? []);
    const alone = observationSets(groups, beside).length <= 1, room = beside.bytes - (alone ? 0 : beside.drafts);
    const sized = groups.map((group) => ({ group, bytes: hessianBytes([group], activations, beside.holds) }));
    for (const { group, bytes } of sized.sort((a, b) => b.bytes - a.bytes).slice(0, 1)) {
      if (bytes <= room) continue;
      const [{ name, cols }] = group;
      const most = mostInputs((cols) => {
        // Narrower linears would have smaller activations too: these are left out.
        return hessianBytes([group.map((linear) => ({ ...linear, cols }))], 0, beside.holds) <= room;
      }, cols);
      throw new PareError(
        `${name}: the Hessian of its ${cols} inputs takes ${
          gib(bytes)
        } beside the block; the ${backend.name} backend has ` +
          `${gib(room)} for it, enough for about ${most} inputs: expected a method without a Hessian, such as wanda, ` +
          `--exclude '${group[0].role}', or a backend with more memory`,
      );
    }
  }
}
