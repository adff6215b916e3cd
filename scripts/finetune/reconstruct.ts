/**
 * `finetune --mode reconstruct`: the blocks of a model that is pruned already are fitted, one after the other, to the hidden
 * states of the dense model that it was made of: the pass of `prune --reconstruct`, with nothing to prune.
 */
import { overlay } from "../../src/checkpoint/overlay.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import {
  type BlockReconstruction,
  chooseTargets,
  type EvaluationRecord,
  linearsOf,
  openCheckpoint,
  prune,
} from "../../src/mod.ts";
import { keep } from "../../src/method/keep.ts";
import { lossGradients } from "../../src/stream/gradients.ts";
import { report } from "../../src/run/pass/watcher.ts";
import { type Prepared, reconstructionOf } from "./prepared.ts";
import { reconstructionCurve, reconstructionLines, summary } from "./text.ts";
import type { Work } from "./work.ts";
import { writeModel } from "./written.ts";

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

/** Opens the teacher. */
export async function openReconstruction(task: Prepared, values: FinetuneValues): Promise<Work> {
  const { checkpoint, backend, spec, text, masks, spool } = task, asked = reconstructionOf(task, values);
  const targets = chooseTargets(spec, { sparsity: 0 }, { include: values.targets });
  const teacher = await openCheckpoint(values.teacher!);
  const all = new Map(spec.blocks.map((block) => [block.index, linearsOf(block)]));
  return {
    lines: reconstructionLines(task, values, asked),
    [Symbol.dispose]() {},
    async run({ writer, recorder, manifest, context }) {
      const { terminal, signal } = context;
      await using _teacher = teacher;
      const entries = writer.steps.map(({ entry }) => entry as Entry), began = performance.now();
      const before = entries.at(-1)?.seconds ?? 0, seconds = () => before + (performance.now() - began) / 1000;
      const blocks = entries.flatMap((entry) => entry.block === undefined ? [] : [entry]);
      if (values.resume) {
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
        reconstruct: { ...asked, masks: (linear) => masks.get(linear) },
        finished: { blocks: new Set(zeros.keys()), read: (name) => writer.read(name) },
        readBack: (name) => writer.read(name),
        onProgress: report(recorder, context),
        onReconstruct: (one) => {
          reconstructions.push(one);
          recorder.curve({ kind: "block", ...one, seconds: seconds() });
        },
        write: (name, bytes) => writer.write(name, bytes),
        onBlock: (block, linears) => void zeros.set(block, linears.reduce((sum, { zeros }) => sum + zeros, 0)),
        afterBlock: async (block) => {
          for (const name of namesOf(block)) written.add(name);
          state.overtime = block < last && seconds() >= values.hours * 3600;
          const done = zeros.size, ends = state.overtime || block === last;
          const evaluation = ends || values.evalEvery && done % values.evalEvery === 0
            ? await evaluate(done)
            : undefined;
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
      const counted = [...all].reduce((sum, [block, linears]) => {
        const own = new Set(namesOf(block)), done = zeros.get(block);
        const others = linears.filter(({ name }) => done === undefined || !own.has(`${name}.weight`));
        return sum + (done ?? 0) + others.reduce((sum, { name }) => sum + masks.count(name), 0);
      }, 0);
      const { overtime } = state, [first] = evaluations, best = evaluations.at(-1)!, took = seconds();
      const told = { before: first, best, steps: zeros.size, unit: "blocks" } as const;
      const complete = await writeModel(task, writer, manifest, told, { reconstructions, evaluations });
      return {
        ...{ seconds: took, before: first, best, zeros: counted, manifest: complete },
        lines: [
          reconstructionCurve(reconstructions),
          ...summary(task, { ...told, zeros: counted, seconds: took, overtime }, values),
        ],
        json: { reconstructions, evaluations, best, ...overtime && { ended: { why: "time" } } },
      };
    },
  };
}
