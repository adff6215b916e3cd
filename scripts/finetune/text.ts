/** What `finetune` prints: what it is going to train, and what came of it. */
import { table } from "../../src/cli/table.ts";
import { showCount, showSeconds, showShare } from "../../src/cli/units.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import type { BlockReconstruction, Trainee, Tuned } from "../../src/mod.ts";
import type { Prepared } from "./prepared.ts";
import type { Told } from "./written.ts";

/** What every mode says of itself. */
function aboutText({ backend, text }: Prepared, { evalWindows }: FinetuneValues): string[] {
  return [
    `backend: ${backend.name} (${backend.description})`,
    `text: ${text.windows} x ${text.length} tokens of ${text.description}, ${evalWindows} windows held out`,
  ];
}

const aboutMasks = ({ masks }: Prepared) =>
  `${showShare(masks.removed / masks.weights)} of the linears' weights are removed`;

/** What training by steps is going to do. */
export function trainingLines(task: Prepared, trainee: Trainee, values: FinetuneValues): string[] {
  const { masks, linears, steps, microBatch } = task, { mode, rank, batch, unmasked } = values;
  const weights = trainee.parameters.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const { dtype } = task, rounding = dtype === "BF16" ? ", rounded stochastically" : "";
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

/** What a reconstruction is going to do. */
export function reconstructionLines(
  task: Prepared,
  values: FinetuneValues,
  { epochs, rate }: { readonly epochs: number; readonly rate: number },
): string[] {
  return [
    ...aboutText(task, values),
    `to fit: the kept weights of ${task.spec.blocks.length} blocks to the hidden states of ${values.teacher}, ${epochs} ` +
    `${epochs === 1 ? "epoch" : "epochs"} from a rate of ${rate}; ${aboutMasks(task)}`,
  ];
}

/** The perplexities on what was held out, a row each. */
export function curve({ evaluations, bestEvaluation, steps }: Tuned): string {
  const rows = evaluations.map((one) => {
    const last = steps[one.step - 1];
    return [
      `${one.step}`,
      last ? last.loss.toFixed(4) : "-",
      one.loss.toFixed(4),
      Math.exp(one.loss).toFixed(3),
      one === bestEvaluation ? "best" : "",
    ];
  });
  return table(["step", "loss", "held-out loss", "perplexity", ""], rows);
}

/** What reconstruction did to the blocks, a row each. */
export function reconstructionCurve(blocks: readonly BlockReconstruction[]): string {
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
export function summary(
  { masks }: Prepared,
  told: Told & { readonly zeros: number; readonly seconds: number; readonly overtime: boolean },
  values: FinetuneValues,
): string[] {
  const { before, best, steps, unit, zeros, seconds, overtime } = told, { out, adapter, unmasked } = values;
  const perplexity = ({ loss }: { readonly loss: number }) => Math.exp(loss).toFixed(3);
  return [
    `perplexity on the held-out windows: ${perplexity(before)} before, ${perplexity(best)} after ` +
    (unit === "steps" ? `step ${best.step}; ` : "") + `${steps} ${unit} in ${showSeconds(seconds)}`,
    `sparsity: ${showShare(masks.removed / masks.weights)} before (${showCount(masks.removed)} zeros), ` +
    `${showShare(zeros / masks.weights)} after (${showCount(zeros)} zeros)`,
    ...adapter === undefined ? [] : [
      `${adapter}: adapters as PEFT loads them` +
      (masks.removed && !unmasked
        ? `; they were trained under the mask, which PEFT does not apply: ${out} is what was trained`
        : ""),
    ],
    ...overtime ? [`--hours ${values.hours}: ended before its last ${unit === "steps" ? "step" : "block"}`] : [],
  ];
}
