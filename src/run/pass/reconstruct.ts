/**
 * The pass of `finetune --mode reconstruct` with all that hears of it: the blocks of a model that is pruned already are fitted,
 * one after the other, to the hidden states of the dense model that it was made of: the pass of `prune --reconstruct`, with
 * nothing to prune.
 */
import { overlay } from "../../checkpoint/overlay.ts";
import { keep } from "../../method/keep.ts";
import {
  type BlockReconstruction,
  type Checkpoint,
  type EvaluationRecord,
  linearsOf,
  prune,
  type ReconstructOptions,
  type Targets,
} from "../../mod.ts";
import { lossGradients } from "../../stream/gradients.ts";
import { type Trained, type TrainingPass, writeModel } from "./trained.ts";
import { report, type Watcher } from "./watcher.ts";

/** A line of the journal: what was measured before anything was done, or a block that is done. */
type Entry =
  & {
    /** Of the training until then. */
    readonly seconds: number;
    readonly evaluation?: EvaluationRecord;
  }
  & ({ readonly block?: undefined } | {
    readonly block: number;
    readonly reconstruction?: BlockReconstruction;
    /** Its linears' weights that are zero. */
    readonly zeros: number;
  });

/** What is fitted to what, and how. */
export interface ReconstructionPass extends TrainingPass {
  /** The dense model. */
  readonly teacher: Checkpoint;
  readonly targets: Targets;
  readonly reconstruct: ReconstructOptions;
}

/** Runs the pass to the end: its output stands in its place then. */
export async function runReconstruction(task: ReconstructionPass, watcher: Watcher): Promise<Trained> {
  const { checkpoint, teacher, backend, spec, text, masks, spool, targets, writer, recorder, evalEvery } = task;
  const { terminal, signal } = watcher;
  const entries = writer.steps.map(({ entry }) => entry as Entry), began = performance.now();
  const before = entries.at(-1)?.seconds ?? 0, seconds = () => before + (performance.now() - began) / 1000;
  const blocks = entries.flatMap((entry) => entry.block === undefined ? [] : [entry]);
  if (task.resume) {
    terminal.note(blocks.length ? `going on after block ${blocks.at(-1)!.block}` : "nothing to go on with");
  }
  const namesOf = (block: number) => (targets.get(block) ?? []).map(({ name }) => `${name}.weight`);
  const written = new Set(blocks.flatMap(({ block }) => namesOf(block)));
  const reconstructions = blocks.flatMap(({ reconstruction }) => reconstruction ?? []);
  const zeros = new Map(blocks.map(({ block, zeros }) => [block, zeros]));
  const evaluations = entries.flatMap(({ evaluation }) => evaluation ?? []);
  const evaluate = async (step: number): Promise<EvaluationRecord> => {
    const own = overlay(checkpoint, (name) => written.has(name) ? writer.read(name) : undefined);
    const { loss } = await lossGradients(text.heldOut, { checkpoint: own, backend, spec, spool, signal });
    evaluations.push({ step, loss });
    recorder.curve({ kind: "evaluation", step, perplexity: Math.exp(loss), seconds: seconds() });
    terminal.note(`after ${step} blocks: perplexity ${Math.exp(loss).toFixed(3)} on what is held out`);
    return { step, loss };
  };
  if (!evaluations.length) writer.step({ evaluation: await evaluate(0), seconds: seconds() } satisfies Entry);
  const last = Math.max(...targets.keys());
  const state = { overtime: false };
  await prune({
    ...{ checkpoint, teacher, backend, targets, spool, signal },
    method: keep,
    request: { sparsity: 0 },
    calibration: text.train,
    reconstruct: { ...task.reconstruct, masks: (linear) => masks.get(linear) },
    finished: { blocks: new Set(zeros.keys()), read: (name) => writer.read(name) },
    readBack: (name) => writer.read(name),
    onProgress: report(recorder, watcher),
    onReconstruct: (one) => {
      reconstructions.push(one);
      recorder.curve({ kind: "block", ...one, seconds: seconds() });
    },
    write: (name, bytes) => writer.write(name, bytes),
    onBlock: (block, linears) => void zeros.set(block, linears.reduce((sum, { zeros }) => sum + zeros, 0)),
    afterBlock: async (block) => {
      for (const name of namesOf(block)) written.add(name);
      state.overtime = block < last && seconds() >= task.mostSeconds;
      const done = zeros.size, ends = state.overtime || block === last;
      const evaluation = ends || evalEvery && done % evalEvery === 0 ? await evaluate(done) : undefined;
      const reconstruction = reconstructions.find((one) => one.block === block);
      writer.step(
        {
          ...{ block, zeros: zeros.get(block)!, seconds: seconds() },
          ...reconstruction && { reconstruction },
          ...evaluation && { evaluation },
        } satisfies Entry,
      );
      return !state.overtime;
    },
  });
  // Of what was not fitted the zeros are those of before.
  const counted = spec.blocks.reduce((sum, block) => {
    const own = new Set(namesOf(block.index)), done = zeros.get(block.index);
    const others = linearsOf(block).filter(({ name }) => done === undefined || !own.has(`${name}.weight`));
    return sum + (done ?? 0) + others.reduce((sum, { name }) => sum + masks.count(name), 0);
  }, 0);
  return await writeModel(task, {
    ...{ unit: "blocks", done: zeros.size, reconstructions, evaluations, best: evaluations.at(-1)!, zeros: counted },
    ...state.overtime && { ended: { why: "time" } },
    seconds: seconds(),
  });
}
