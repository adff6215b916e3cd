/**
 * The pass of pruning: for each block observe (run it dense on the calibration sequences, collect the statistic of every
 * linear's input), prune, and propagate (run it pruned, to feed the next block). One block's weights are in memory at a
 * time, of its experts one; the next one's begin to be read and what is pruned is written while this one computes.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import type { Method, SolverOptions } from "../method/method.ts";
import { makeSolverOptions } from "../method/request.ts";
import type { Block, TensorSource } from "../model/block.ts";
import { expertsOf, inputGroups, modelTensors } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { Linear, ModelSpec } from "../model/spec.ts";
import { type Batch, countSequences } from "../text/batch.ts";
import type { LinearDistribution } from "./distribution.ts";
import { goesToFile, type SpoolOptions } from "./hidden.ts";
import { checkMemory, expertOf, expertsFit, observationSets, roomBeside } from "./memory.ts";
import { Observation } from "./observation.ts";
import { checkPermutable, chooseOrders, permute, permutedBiases, type RunOrders } from "./permute.ts";
import type { OnProgress } from "./progress.ts";
import { type BlockReconstruction, reconstruct, type ReconstructOptions } from "./reconstruct.ts";
import { BlockResults, type LinearReport, type LinearResult, Results } from "./results.ts";
import { type Place, ShardedObservation, type ShardOptions, Shards } from "./shards.ts";
import { type BlockSchedule, countPasses, runSchedule, type Step } from "./schedule.ts";
import { chooseGroups, solveLinears } from "./solve.ts";
import { goesStepwise, Stream, type StreamOptions } from "./stream.ts";
import { chooseTargets, type Requests, type Targets } from "./target.ts";
import { units } from "./units.ts";

/** What {@linkcode prune} takes. */
export interface PruneOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How a linear is pruned. */
  readonly method: Method;
  /** How much of it: of all linears, or of each by its full name. */
  readonly request: Requests;
  /** How the method uses a Hessian, where it does; what is left out is the method's own. */
  readonly solve?: Partial<SolverOptions>;
  /**
   * Holds the last tenth of the sequences out of the Hessians (at least one): the output error on them is reported beside, and
   * an update of weights, or a step of one, that raises it is not made. For a method that has Hessians.
   */
  readonly holdout?: boolean;
  /** Cuts the calibration into shards, whose sums are merged in their order; other ranks may have some of them. */
  readonly shards?: ShardOptions;
  /** Which linears; all by default. */
  readonly targets?: Targets;
  /** Calibration sequences; a method that asks for a statistic needs them. */
  readonly calibration?: Batch;
  /**
   * Observes a block in four steps (q k v, then o, then gate and up, then down), each after the linears before it were
   * pruned (SparseGPT's `--true-sequential`); else all linears see the inputs that the unpruned block gives them.
   */
  readonly trueSequential?: boolean;
  /**
   * Permutes the inputs of linears that are asked for n:m, where what comes before them can be stored in their order: more of
   * what counts stays. Each block is observed once more, before it. Not for models with experts.
   */
  readonly permute?: boolean;
  /** Told of every linear whose inputs were permuted: which of its own inputs comes to each place. */
  readonly onPermutation?: (linear: string, order: Uint32Array<ArrayBuffer>) => void;
  /**
   * What {@linkcode observeFirst} has found on the same model and calibration: the first block is not observed again. It
   * stays its owner's.
   */
  readonly first?: Observation;
  /**
   * Takes each pruned weight: its tensor's full name, bytes in the checkpoint's dtype, to keep or to release, and its mask: a
   * bit for each number in the order of the bytes, 1 = not zero, in bytes from the lowest bit up.
   */
  readonly write: (name: string, bytes: Uint8Array<ArrayBuffer>, kept: Uint8Array<ArrayBuffer>) => Promise<unknown>;
  /** Told of every block whose pruned weights have all been written. */
  readonly onBlock?: (block: number, linears: readonly LinearReport[]) => void;
  /**
   * Reads a written weight again: a block's experts are pruned one by one and then run one by one. Without it they are read
   * where ranks meet, or kept in memory until the block is done.
   */
  readonly readBack?: (name: string) => Promise<Uint8Array<ArrayBuffer>>;
  /** What an earlier run of the same options has finished: it is only run through, to feed the blocks after it. */
  readonly finished?: Finished;
  /** Fits the kept weights of every block to what the dense network has after it, before the next is pruned. */
  readonly reconstruct?: ReconstructOptions;
  /** Whose hidden states blocks are fitted to: the model itself, as it was before it was pruned, unless another is given. */
  readonly teacher?: Checkpoint;
  /** Waited for when a block's pruned weights have all been written; with false the blocks after it are left as they are. */
  readonly afterBlock?: (block: number) => Promise<boolean>;
  /** Told of every block that was reconstructed, before its linears are reported. */
  readonly onReconstruct?: (reconstruction: BlockReconstruction) => void;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Told of every statistic: the linear's full name, and F32 of its input width. */
  readonly onStatistic?: (linear: string, statistic: Float32Array) => void;
  /**
   * Told how every pruned linear's weights and scores are distributed, before its weight is written. The arrays are for the
   * time of the call.
   */
  readonly onDistribution?: (linear: string, distribution: LinearDistribution) => void;
  /** Stops the pass between two batches. */
  readonly signal?: AbortSignal;
}

/** A step of reconstruction goes forward once, and back at about twice the cost. */
const BACKWARD_PASSES = 3;

/** Blocks that are pruned already. */
export interface Finished {
  /** Their numbers. */
  readonly blocks: ReadonlySet<number>;
  /** The bytes of a pruned weight by its tensor's full name, as `write` was given them. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Prunes the linears of a model, block after block, and hands each pruned weight to `write`.
 * @returns A report of every pruned linear, in the order of the forward pass.
 * @throws PareError for a checkpoint, calibration or request that does not fit, activations that overflow, or a Hessian
 * that cannot be inverted; then nothing more is written.
 */
export async function prune(options: PruneOptions): Promise<LinearReport[]> {
  const { checkpoint, backend, method, request, calibration, finished, signal, trueSequential = false } = options;
  const spec = readSpec(checkpoint), targets = options.targets ?? chooseTargets(spec, request);
  if (options.permute) checkPermutable(spec, targets, request);
  if (options.teacher) checkTeacher(spec, checkpoint, options.teacher);
  let enough = false;
  const observes = method.statistic !== "none", grams = method.statistic === "gram", fit = options.reconstruct;
  const streams = fit ? 2 : 1;
  /** Whether tokens go through blocks at all. */
  const walks = observes || fit !== undefined;
  if (walks && !calibration) throw new TypeError(`prune: ${method.name} needs calibration sequences`);
  const task = {
    backend,
    method,
    requests: request,
    solve: makeSolverOptions(method, grams ? options.solve : {}),
    distributions: options.onDistribution !== undefined,
  };
  const all = calibration ? countSequences(calibration) : 0, heldOut = options.holdout ? heldOutOf(all) : 0;
  const sequences = all - heldOut, observed = { grams, heldOut: heldOut > 0 };

  /** Of a rank that cannot give what it has pruned: it and those that wait for it would wait for each other. */
  const failed = new AbortController();
  const cut = options.shards && new Shards(options.shards, refuseShards(options), heldOut, failed.signal);

  const hiddenBytes = streams * (calibration?.ids.length ?? 0) * spec.hidden * BYTES.F32;
  const memory = {
    checkpoint,
    backend,
    method,
    targets,
    batch: calibration,
    spooled: goesToFile(backend, hiddenBytes, options.spool),
    holdout: heldOut > 0,
    reconstructs: fit !== undefined,
  };
  checkMemory(spec, memory);

  // Blocks after the last target change nothing; without a statistic neither do those that are not pruned.
  const missing = [...targets.keys()].filter((block) => !finished?.blocks.has(block));
  if (!missing.length) return [];
  const last = Math.max(...missing);
  const path = walks ? Array.from({ length: last + 1 }, (_, block) => block) : missing;
  const serves = options.first && (options.first.grams || !grams) && !trueSequential && !heldOut && !options.permute;

  await using opened = new AsyncDisposableStack();
  let stream: Stream | undefined, dense: Stream | undefined;
  /** By the name of each linear. */
  const places = new Map<string, Place>();
  const onResult = cut?.exchange && ((result: LinearResult) => cut.putResult(places.get(result.report.name)!, result));
  const fromExchange = cut?.exchange && (async (tensor: string) => {
    const name = tensor.replace(/\.weight$/, "");
    return (await cut.getResult(places.get(name)!, name)).stored;
  });
  const onFailure = (error: unknown) => failed.abort(error);
  const results = opened.use(
    new Results({ ...options, onResult, onFailure, readBack: options.readBack ?? fromExchange }),
  );
  const source = new PrunedSource(options, spec, targets, results);

  /** The steps of a block: how its linears come to be pruned, and what the next block sees. */
  const stepsOf = (index: number): Step[] => {
    const block = spec.blocks[index], linears = missing.includes(index) ? targets.get(index)! : [];
    const propagate: Step = { passes: 1, run: (block) => stream!.propagate(block) };
    const onwards = walks && index < last ? [propagate] : [];
    const densePass: Step = { passes: 1, run: (block) => dense!.propagate(block) };
    const towards = fit && (linears.length || index < last) ? [densePass] : [];
    if (!linears.length) return [...towards, ...onwards];
    const solved = new BlockResults(results, index);
    let drafts = false;
    // Experts that do not all fit beside what fitting takes come and go, and stay as they are pruned.
    const whole = expertsFit(spec, block, memory);
    const fits = ({ role }: Linear) => fit !== undefined && (whole || !role.includes("*"));
    const fitted = linears.filter(fits), hold: Step = { passes: 0, run: (block) => block.holdExperts() };
    const solve = (block: Block, chosen: readonly Linear[], observation?: Observation) =>
      solveLinears(
        { ...task, drafts, heldOut },
        block,
        chosen,
        observation,
        sequences,
        (solution) => fits(solution.linear) ? Promise.resolve(solved.hold(solution)) : solved.take(solution),
      );
    const solveAll = async (block: Block, chosen: readonly Linear[], observation?: Observation) => {
      for await (const portion of units(block, chosen)) await solve(block, portion, observation);
    };
    const observe = (groups: readonly (readonly Linear[])[]): Step => ({
      passes: 1,
      async run(block) {
        using observation = new Observation(backend, groups, observed);
        await stream!.observe(block, observation);
        await solveAll(block, groups.flat(), observation);
      },
    });
    /** The linears that this process has pruned itself. */
    const here = new Set<string>();
    /** All of these sets are observed before any is pruned, so that no rank waits while another prunes. */
    const observeShards = (sets: readonly (readonly (readonly Linear[])[])[], cut: Shards): Step => ({
      passes: sets.length,
      async run(block) {
        using held = new DisposableStack();
        const seen: ShardedObservation[] = [];
        for (const groups of sets) {
          const missing = await cut.missing(index, groups);
          if (!missing.length) continue;
          const of = { block: index, before: "pruning" } as const;
          const observation = held.use(new ShardedObservation(backend, missing, observed, cut, of));
          await stream!.observe(block, observation);
          seen.push(observation);
        }
        for (const observation of seen) {
          const mine = observation.groups.filter(([{ name }]) => cut.solves(places.get(name)!));
          await observation.complete(mine);
          for (const { name } of mine.flat()) here.add(name);
          if (mine.length) await solveAll(block, mine.flat(), observation);
        }
        if (trueSequential) await receive(block, sets.flat(), cut);
      },
    });
    /** Takes what the other ranks have pruned. */
    const receive = async (block: Block, groups: readonly (readonly Linear[])[], cut: Shards) => {
      const others = groups.flat().filter(({ name }) => !here.has(name));
      for await (const { linear, result } of cut.getResults(others, ({ name }) => places.get(name)!)) {
        here.add(linear.name);
        if (!linear.role.includes("*")) block.store(linear, result.stored);
        await solved.adopt(linear, result);
      }
    };
    /** From here on the block is pruned. */
    const adopt: Step = {
      passes: 0,
      run(block) {
        block.adopt();
        results.show();
      },
    };
    const save: Step = {
      passes: 0,
      async run() {
        await solved.save(cut && linears);
        if (!options.afterBlock) return;
        await results.all();
        enough = !await options.afterBlock(index);
      },
    };
    /** The weights that are kept are fitted, and handed on. */
    const reconstruction: Step[] = !fit || !fitted.length ? [] : [{
      passes: BACKWARD_PASSES * fit.epochs,
      async run(block) {
        const onStep = (tokens: number) => stream!.meter.step("reconstruct", index, BACKWARD_PASSES * tokens);
        const found = await reconstruct(block, fitted, stream!, dense!, fit, onStep);
        options.onReconstruct?.(found);
        await solved.takeHeld();
      },
    }];
    const groups = chooseGroups({ spec: block }, linears);
    const turns = Map.groupBy(groups, (group) => expertOf(group) ?? group[0].name);
    for (const [turn, own] of [...turns.values()].entries()) {
      for (const group of own) for (const { name } of group) places.set(name, { block: index, group, turn });
    }
    const permuting = { backend, method, requests: request, linears, sequences };
    const reorder = async (block: Block, chosen: RunOrders) => {
      const { orders, others } = await permute(block, chosen, permuting);
      for (const [linear, order] of orders) options.onPermutation?.(linear, order);
      for (const [name, { bytes, kept }] of others) {
        results.enqueue(bytes.length, () => results.write(name, bytes, kept));
      }
    };
    const permuted: Step = {
      passes: observes ? 1 : 0,
      async run(block) {
        if (!observes) return await reorder(block, await chooseOrders(block, permuting));
        await reorder(block, await (cut ? chooseTogether(block, cut) : chooseHere(block)));
      },
    };
    const squares = { grams: false, heldOut: heldOut > 0 };
    const chooseHere = async (block: Block) => {
      using observation = new Observation(backend, groups, squares);
      await stream!.observe(block, observation);
      return await chooseOrders(block, { ...permuting, observation });
    };
    /** The orders that one rank chooses by the sums of all. */
    const chooseTogether = async (block: Block, cut: Shards) => {
      if (await cut.hasOrders(index)) return await cut.getOrders(index);
      using observation = new ShardedObservation(backend, groups, squares, cut, { block: index, before: "permuting" });
      await stream!.observe(block, observation);
      if (!cut.choosesOrders(index)) return await cut.getOrders(index);
      await observation.complete(groups);
      const orders = await chooseOrders(block, { ...permuting, observation });
      await cut.putOrders(index, orders, groups);
      return orders;
    };
    // What the dense network gives, whatever becomes of the block.
    const before = [...towards, ...whole ? [hold] : [], ...options.permute ? [permuted] : []];
    const after = [adopt, ...reconstruction, ...onwards, save];
    if (!observes) return [...before, { passes: 0, run: (block) => solveAll(block, linears) }, ...after];
    if (serves && index === 0) {
      return [...before, { passes: 0, run: (block) => solveAll(block, linears, options.first) }, ...after];
    }
    if (trueSequential && !cut && goesStepwise(backend, spec, block, calibration!)) {
      const keep = !fit && index < last;
      const stepwise: Step = {
        passes: 1,
        async run(block) {
          using observation = new Observation(backend, groups, observed);
          await stream!.observeStepwise(block, observation, (shared) => solve(block, shared, observation), keep);
        },
      };
      return [...before, stepwise, ...fit ? after : [adopt, save]];
    }
    const together = trueSequential
      ? groups.map((group) => [group])
      : grams
      ? observationSets(groups, roomBeside(spec, block, memory))
      : [groups];
    // Linears see what the dense block gives, however many walks it takes to observe them; or else, in true order, what those
    // before them give when they are pruned.
    drafts = !trueSequential && together.length > 1;
    const show: Step = { passes: 0, run: () => results.show() };
    // In true order, too, experts do not see what becomes of each other: linears of one role go together.
    const stages = trueSequential ? [...Map.groupBy(together, ([[{ role }]]) => role).values()] : [together];
    const observing: Step[] = !cut ? together.map(observe) : [
      ...stages.flatMap((sets) => cut.rounds(sets)).map((sets) => observeShards(sets, cut)),
      { passes: 0, run: (block) => receive(block, groups, cut) },
    ];
    return [...before, ...trueSequential ? [show] : [], ...observing, ...after];
  };
  const schedule = path.flatMap((index): BlockSchedule[] => {
    const steps = stepsOf(index);
    // Of a block that an earlier run has pruned the dense stream sees the weights of before.
    if (!fit || !steps.length || !options.teacher && !finished?.blocks.has(index)) return [{ block: index, steps }];
    const [first, ...rest] = steps;
    return [{ block: index, steps: [first], source: options.teacher ?? checkpoint }, { block: index, steps: rest }];
  });
  if (walks) {
    stream = opened.use(
      await Stream.open(options, spec, calibration!, countPasses(schedule), heldOut, cut?.own, streams),
    );
    if (fit) dense = await stream.fork(options.teacher);
  }
  await runSchedule(schedule, { backend, spec, source, signal, enough: () => enough });
  return await results.all();
}

/** @throws PareError if another model's blocks are not of this one's shapes. */
function checkTeacher(spec: ModelSpec, checkpoint: Checkpoint, teacher: Checkpoint): void {
  for (const { name } of modelTensors(spec)) {
    const [own, other] = [checkpoint, teacher].map(({ tensors }) => tensors.get(name)?.shape.join(" x "));
    if (own === other) continue;
    throw new PareError(
      `--teacher ${teacher.path}: expected the model that was pruned, with ${name} of ${own}, found ${other ?? "none"}`,
    );
  }
}

/**
 * The sequences that are cut into shards.
 * @throws PareError for what cannot be cut so.
 */
function refuseShards({ method, calibration, reconstruct, first }: PruneOptions): Batch {
  if (first) throw new TypeError("prune: observed by one process, and cut into shards");
  if (method.statistic === "none") throw new PareError(`--shards: ${method.name} looks at no calibration sequences`);
  if (reconstruct) {
    throw new PareError(
      "--shards and --reconstruct exclude each other: prune without it, then finetune --mode reconstruct on one machine",
    );
  }
  return calibration!;
}

/** How many of so many sequences are held out: the last tenth, at least one. @throws PareError if none would be left. */
function heldOutOf(sequences: number): number {
  if (sequences > 1) return Math.max(1, Math.floor(sequences / 10));
  throw new PareError(`--holdout: expected two calibration sequences or more, found ${sequences}`);
}

/** A checkpoint, but with the pruned weights in place of those that are pruned by now. */
class PrunedSource implements TensorSource {
  readonly tensors;
  readonly #before = new Set<string>();

  constructor(readonly options: PruneOptions, spec: ModelSpec, targets: Targets, readonly results: Results) {
    this.tensors = options.checkpoint.tensors;
    for (const block of options.finished?.blocks ?? []) {
      const linears = targets.get(block) ?? [];
      for (const { name } of linears) this.#before.add(`${name}.weight`);
      const biases = options.permute ? permutedBiases(spec.blocks[block], linears, options.request) : [];
      for (const name of biases) this.#before.add(name);
    }
  }

  async read(names: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
    const bytes = await this.options.checkpoint.read(names);
    for (const name of names) {
      if (this.#before.has(name)) bytes.set(name, await this.options.finished!.read(name));
      else if (this.results.has(name)) bytes.set(name, await this.results.read(name));
    }
    return bytes;
  }
}

/**
 * Observes the first block alone, dense: what several methods on the same calibration can share.
 * @param grams Whether one of them asks for `gram`. Of a block with experts it gets none: their Hessians would all be there at
 * once, where a pass of its own has one expert's at a time.
 */
export async function observeFirst(
  options: StreamOptions & { readonly calibration: Batch },
  grams: boolean,
): Promise<Observation> {
  const { checkpoint, backend, calibration, signal } = options, spec = readSpec(checkpoint);
  const [first] = spec.blocks;
  await using stream = await Stream.open(options, spec, calibration, 1);
  using scope = new DisposableStack();
  const observation = scope.use(
    new Observation(backend, inputGroups(first), { grams: grams && !expertsOf(first), kept: true }),
  );
  const observe: Step = { passes: 1, run: (block) => stream.observe(block, observation) };
  await runSchedule([{ block: 0, steps: [observe] }], { backend, spec, source: checkpoint, signal });
  scope.move(); // it is the caller's
  return observation;
}
