/** What `finetune` prints: what it is going to train, and what came of it. */
import { table } from "../../src/cli/table.ts";
import { showCount, showSeconds, showShare } from "../../src/cli/units.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import type { BlockReconstruction } from "../../src/mod.ts";
import type { Trained } from "../../src/run/pass/trained.ts";
import type { Prepared } from "./prepared.ts";

/** What every mode says of itself. */
function aboutText({ backend, text }: Prepared, { evalWindows }: FinetuneValues): string[] {
  return [
    `backend: ${backend.name} (${backend.description})`,
    `text: ${text.windows} x ${text.length} tokens of ${text.description}, ${evalWindows} windows held out`,
  ];
}

const aboutMasks = ({ masks }: Prepared) =>
  `${showShare(masks.removed / masks.weights)} of the linears' weights are removed`;

/** What is going to be done. */
export function aboutTraining(task: Prepared, values: FinetuneValues): string[] {
  const { masks, linears, steps, microBatch, dtype } = task, { mode, rank, batch, unmasked } = values;
  if (task.teacher) {
    const { epochs, rate } = task.reconstruct;
    return [
      ...aboutText(task, values),
      `to fit: the kept weights of ${task.spec.blocks.length} blocks to the hidden states of ${values.teacher}, ${epochs} ` +
      `${epochs === 1 ? "epoch" : "epochs"} from a rate of ${rate}; ${aboutMasks(task)}`,
    ];
  }
  const weights = task.trainee.parameters.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const rounding = dtype === "BF16" ? ", rounded stochastically" : "";
  const what = mode === "full"
    ? `all of the model in ${dtype}${rounding}`
    : `adapters of rank ${rank} on ${linears.length} linears`;
  const how = !masks.removed
    ? ""
    : mode === "lora" && unmasked
    ? ", which may fill removed weights"
    : ", inside the masks";
  return [
    ...aboutText(task, values),
    `to train: ${what} (${showCount(weights)} weights)${how}; ${aboutMasks(task)}`,
    `steps: ${steps} of ${batch} windows, ${microBatch} at a time`,
  ];
}

/** The perplexities on what was held out, a row each. */
function curve({ evaluations, best, steps = [] }: Trained): string {
  const rows = evaluations.map((one) => {
    const last = steps[one.step - 1];
    return [
      `${one.step}`,
      last ? last.loss.toFixed(4) : "-",
      one.loss.toFixed(4),
      Math.exp(one.loss).toFixed(3),
      one === best ? "best" : "",
    ];
  });
  return table(["step", "loss", "held-out loss", "perplexity", ""], rows);
}

/** What reconstruction did to the blocks, a row each. */
function reconstructionCurve(blocks: readonly BlockReconstruction[]): string {
  const error = (share: number) => `${(100 * share).toPrecision(3)} %`;
  return table(
    ["block", "error before", "after", ""],
    blocks.map(({ block, before, after, undone }) => [
      `${block}`,
      error(before),
      error(after),
      undone ? "undone: no better" : "",
    ]),
  );
}

/** What there is to know of the model that was written. */
export function summary({ masks }: Prepared, trained: Trained, values: FinetuneValues): string[] {
  const { evaluations: [before], best, done, unit, zeros, seconds, ended, reconstructions } = trained;
  const { out, adapter, unmasked } = values;
  const perplexity = ({ loss }: { readonly loss: number }) => Math.exp(loss).toFixed(3);
  return [
    reconstructions ? reconstructionCurve(reconstructions) : curve(trained),
    `perplexity on the held-out windows: ${perplexity(before)} before, ${perplexity(best)} after ` +
    (unit === "steps" ? `step ${best.step}; ` : "") + `${done} ${unit} in ${showSeconds(seconds)}`,
    `sparsity: ${showShare(masks.removed / masks.weights)} before (${showCount(masks.removed)} zeros), ` +
    `${showShare(zeros / masks.weights)} after (${showCount(zeros)} zeros)`,
    ...adapter === undefined ? [] : [
      `${adapter}: adapters as PEFT loads them` +
      (masks.removed && !unmasked
        ? `; they were trained under the mask, which PEFT does not apply: ${out} is what was trained`
        : ""),
    ],
    ...ended?.why === "time"
      ? [`--hours ${values.hours}: ended before its last ${unit === "steps" ? "step" : "block"}`]
      : [],
  ];
}

/** What went wrong, where that is no reason to throw away what is there. */
export function problemsOf({ ended }: Trained, { out }: FinetuneValues): string[] {
  return ended?.why !== "loss" ? [] : [
    `the loss of step ${ended.step} is ${ended.loss}: training ended there, and what was best before is in ${out}; ` +
    "expected a lower --rate",
  ];
}
