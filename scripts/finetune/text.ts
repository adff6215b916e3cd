/** What `finetune` prints: what it is going to train, and what came of it. */
import { table } from "../../src/cli/table.ts";
import { showCount, showSeconds, showShare } from "../../src/cli/units.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import type { Trainee } from "../../src/tune/trainee.ts";
import type { Tuned } from "../../src/tune/tune.ts";
import type { Prepared } from "./prepared.ts";

/** What a dry run says. */
export function planLines(
  { backend, text, masks, linears, steps, microBatch }: Prepared,
  trainee: Trainee,
  values: FinetuneValues,
): string[] {
  const { mode, rank, batch, evalWindows, unmasked } = values;
  const weights = trainee.parameters.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const what = mode === "full" ? "all of the model" : `adapters of rank ${rank} on ${linears.length} linears`;
  const how = !masks.removed
    ? ""
    : mode === "lora" && unmasked
    ? ", which may fill removed weights"
    : ", inside the masks";
  return [
    `backend: ${backend.name} (${backend.description})`,
    `text: ${text.windows} x ${text.length} tokens of ${text.description}, ${evalWindows} windows held out`,
    `to train: ${what} (${showCount(weights)} weights)${how}; ${
      showShare(masks.removed / masks.weights)
    } of the linears' ` +
    "weights are removed",
    `steps: ${steps} of ${batch} windows, ${microBatch} at a time`,
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

/** What there is to know of the model that was written. */
export function summary(
  { masks }: Prepared,
  tuned: Tuned,
  zeros: number,
  values: FinetuneValues,
): string[] {
  const { evaluations: [before], bestEvaluation: best, seconds, steps } = tuned, { out, adapter, unmasked } = values;
  return [
    `perplexity on the held-out windows: ${Math.exp(before.loss).toFixed(3)} before, ${
      Math.exp(best.loss).toFixed(3)
    } after ` +
    `step ${best.step}; ${steps.length} steps in ${showSeconds(seconds)}`,
    `sparsity: ${showShare(masks.removed / masks.weights)} before (${showCount(masks.removed)} zeros), ` +
    `${showShare(zeros / masks.weights)} after (${showCount(zeros)} zeros)`,
    ...adapter === undefined ? [] : [
      `${adapter}: adapters as PEFT loads them` +
      (masks.removed && !unmasked
        ? `; they were trained under the mask, which PEFT does not apply: ${out} is what was trained`
        : ""),
    ],
    ...tuned.ended?.why === "time" ? [`--hours ${values.hours}: ended before its last step`] : [],
  ];
}
