/**
 * One block's linears, pruned: what calibration has shown of each input is made ready, the method does its work, and what
 * that cost is measured. Operations are queued; only the factor of a Hessian is waited for, and the next one is under way
 * meanwhile, so that a GPU has the linears of one input to work on while the factor of the next is computed elsewhere.
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import { PareError, toldElsewhere } from "../errors.ts";
import { magnitude } from "../method/magnitude.ts";
import { dampingFor, type Input, type Method, type Pruner, type SolverOptions } from "../method/method.ts";
import type { Block } from "../model/block.ts";
import { inputGroups } from "../model/layers.ts";
import type { Linear } from "../model/spec.ts";
import { measure, type Measuring } from "./distribution.ts";
import type { Observation } from "./observation.ts";
import { requestFor, type Requests } from "./target.ts";

/** What became of one linear, as far as the backend has come. */
export interface Solved {
  readonly linear: Linear;
  /** The pruned weight; the block owns it. */
  readonly weight: Tensor;
  /** What is told of it beside its bytes. */
  readonly measuring: Measuring;
  /** The statistic of its input. */
  readonly squares?: Tensor;
  /** See {@linkcode Backend.error}. */
  readonly error?: Tensor;
  /** Whether the error is by the Hessian, or by its diagonal alone. */
  readonly exact: boolean;
  /** The damping that its input's Hessian needed. */
  readonly damping?: number;
  /** The relative error on tokens that are held out, where some are, and whether the update that raised it was not made. */
  readonly heldOut?: { readonly error: number; readonly left: boolean };
  /** How many tokens it has seen, where that is not the same for all linears: an expert's. */
  readonly tokens?: number;
  /** Seconds that it took; the factor of a shared input counts for the first linear that uses it. */
  readonly seconds: Promise<number>;
}

/** What is asked of all linears. */
export interface Task {
  readonly backend: Backend;
  readonly method: Method;
  readonly requests: Requests;
  readonly solve: SolverOptions;
  /** Whether the block is to be walked as it was before, after this: its linears are pruned as drafts. */
  readonly drafts?: boolean;
  /** How many sequences are held out of the Hessians. */
  readonly heldOut?: number;
  /** Whether it is to be told how weights and scores are distributed. */
  readonly distributions?: boolean;
}

/** An input made ready for a method. */
interface Ready {
  readonly input: Input;
  /** What prunes the linears that see it. */
  readonly pruner: Pruner;
}

/** Seconds between events that come about in this order, or as if they did. */
class Laps {
  #before: Promise<number>;

  constructor(start: Promise<unknown>) {
    this.#before = start.then(() => performance.now());
    toldElsewhere(this.#before); // whoever waits for a lap is told
  }

  /** Seconds from the event before to this one. */
  lap(event: Promise<unknown>): Promise<number> {
    const before = this.#before, end = Promise.all([before, event]).then(() => performance.now());
    const seconds = Promise.all([before, end]).then(([from, to]) => (to - from) / 1000);
    this.#before = end;
    for (const promise of [end, seconds]) toldElsewhere(promise);
    return seconds;
  }
}

/**
 * Queues the pruning of some linears of a block, whose weights are on the backend.
 * @param take Takes one after the other as soon as it is queued; what it promises is waited for, then all but the weight goes.
 * @throws PareError naming the linears whose Hessian cannot be inverted.
 */
export async function solveLinears(
  task: Task,
  block: Block,
  linears: readonly Linear[],
  observation: Observation | undefined,
  sequences: number,
  take: (solved: Solved) => Promise<void>,
): Promise<void> {
  const { backend, requests, distributions = false } = task, laps = new Laps(backend.read());
  const groups = chooseGroups(block, linears);
  const start = (at: number) => {
    const scope = new DisposableStack(), method = methodFor(task, groups[at], observation);
    const ready = makeReady(task, method, groups[at], observation, sequences, scope);
    ready.catch((_error) => scope.dispose()); // whoever waits is told
    return { scope, method, ready, seconds: laps.lap(ready) };
  };
  let next = start(0);
  // However this is left, what is under way comes to its end and is freed.
  await using _ = {
    [Symbol.asyncDispose]: () => next.ready.then(() => {}, (_error) => {}).finally(() => next.scope.dispose()),
  };
  for (const [at, group] of groups.entries()) {
    const { scope, method, ready, seconds } = next;
    using _scope = scope;
    const { input, pruner } = await ready, moment = input.hessian ?? input.squares;
    if (at + 1 < groups.length) next = start(at + 1);
    for (const [i, linear] of group.entries()) {
      const { name } = linear, weight = task.drafts ? block.draft(linear) : block.weight(linear);
      using held = new DisposableStack();
      const before = moment || distributions ? held.use(backend.copy(weight)) : undefined;
      using removed = await pruner.prune({ name, weight, dense: before }, requestFor(requests, name));
      const heldOut = input.heldOut && await guard(backend, before!, weight, removed, input.heldOut);
      // Not from the elimination's own loss, Σ err² - λ‖D‖²: that is the loss before the weight is rounded to its dtype. On
      // simulated inputs the rounding changed it by 1e-4 to 2e-2 in BF16, up to 1e-3 in F16, and by 5e-7 at most without.
      const error = moment && held.use(backend.error(before!, weight, moment));
      const dense = distributions ? before : undefined, formula = method.criterion?.formula(input);
      const measuring = measure(backend, weight, dense, formula, held);
      const own = laps.lap(backend.read());
      await take({
        linear,
        weight,
        measuring,
        squares: input.squares,
        error,
        exact: input.hessian !== undefined,
        damping: pruner.damping,
        heldOut,
        seconds: i > 0 ? own : sum(seconds, own),
        ...linear.role.includes("*") && observation && { tokens: observation.tokens(linear) },
      });
    }
  }
}

/** Some linears of a block, those that share an input together; all of them if none are named. */
export function chooseGroups(block: Pick<Block, "spec">, linears?: readonly Linear[]): Linear[][] {
  if (!linears) return inputGroups(block.spec);
  const chosen = new Set(linears.map(({ name }) => name));
  return inputGroups(block.spec).map((group) => group.filter(({ name }) => chosen.has(name))).filter(({ length }) =>
    length
  );
}

/** The method that was asked for; of an expert that no token came to nothing is known but its weights. */
function methodFor({ method }: Task, [linear]: readonly Linear[], observation: Observation | undefined): Method {
  return observation && !observation.tokens(linear) ? magnitude : method;
}

/** The sum of two times; whoever waits for it is told of a failure. */
function sum(one: Promise<number>, other: Promise<number>): Promise<number> {
  const both = Promise.all([one, other]).then(([one, other]) => one + other);
  return toldElsewhere(both);
}

async function makeReady(
  { backend, solve, heldOut = 0 }: Task,
  method: Method,
  group: readonly Linear[],
  observation: Observation | undefined,
  sequences: number,
  scope: DisposableStack,
): Promise<Ready> {
  const input = inputOf(method, group, observation, { sequences, heldOut }, scope);
  const [{ cols }] = group, tokens = observation?.tokens(group[0]) ?? 0;
  const damping = solve.damping === "auto" ? dampingFor(cols, tokens) : solve.damping;
  const pruner = await method.begin(backend, input, { ...solve, damping });
  if (pruner) return { input, pruner: scope.use(pruner) };
  const names = group.map(({ name }) => name).join(", ");
  const [bytes] = await backend.read(input.squares!);
  checkStatistic(names, new Float32Array(bytes.buffer));
  const tried = damping > 0
    ? `, even with ${
      damping * 1000
    } of its mean diagonal added: expected more calibration tokens, or a larger --damping`
    : ": expected more calibration tokens, or a --damping above 0";
  throw new PareError(`${names}: the Hessian of the inputs cannot be inverted${tried}`);
}

/** What a method asks to know of an input. */
function inputOf(
  { statistic }: Method,
  [linear]: readonly Linear[],
  observation: Observation | undefined,
  { sequences, heldOut }: { readonly sequences: number; readonly heldOut: number },
  scope: DisposableStack,
): Input {
  if (!observation || statistic === "none") return {};
  const squares = scope.use(observation.squares(linear, sequences));
  if (statistic !== "gram") return { squares };
  const hessian = scope.use(observation.hessian(linear, sequences)), apart = observation.heldOut;
  // An expert may have seen none of what is held out.
  return { squares, hessian, ...apart?.tokens(linear) && { heldOut: scope.use(apart.hessian(linear, heldOut)) } };
}

/**
 * Looks at tokens that are held out: where the updated weights lose more of their output than the same mask does without an
 * update, the dense weights that it keeps are put back.
 */
async function guard(backend: Backend, before: Tensor, weight: Tensor, removed: Mask, heldOut: Tensor) {
  using masked = backend.copy(before);
  backend.apply(masked, removed);
  using updated = backend.error(before, weight, heldOut), plain = backend.error(before, masked, heldOut);
  const [now, without] = (await backend.read(updated, plain)).map(({ buffer }) => {
    const [lost, all] = new Float32Array(buffer);
    return all === 0 ? 0 : lost / all;
  });
  const left = now > without;
  if (left) {
    using wide = backend.combine([{ tensor: masked, kept: 1 }]);
    backend.assign(weight, wide);
  }
  return { error: Math.min(now, without), left };
}

/**
 * A statistic that is no number would end as a mask that means nothing.
 * @throws PareError naming the linears.
 */
export function checkStatistic(linears: string, statistic: Float32Array): void {
  if (statistic.every(Number.isFinite)) return;
  throw new PareError(`${linears}: the model's activations overflow: its inputs' squares sum to NaN or Inf`);
}
