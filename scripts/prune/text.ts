/** What `prune` prints: what it is going to do, and what came of it. */
import { table } from "../../src/cli/table.ts";
import { showBytes, showCount, showSeconds, showShare } from "../../src/cli/units.ts";
import type { BlockReconstruction, Damping, LinearReport, Plan } from "../../src/mod.ts";

/** What a dry run says. */
export function planLines(plan: Plan, backend: string): string[] {
  const { hiddenBytes, spooled } = plan;
  return [
    `backend: ${backend}`,
    `to prune: ${showCount(plan.weights)} weights of ${plan.linears} linears`,
    `to read: ${showBytes(plan.readBytes)}; hidden states: ${showBytes(hiddenBytes)}${spooled ? ", in a file" : ""}`,
    `estimates: peak memory ${showBytes(plan.peakBytes)}, time ${showSeconds(plan.seconds)}`,
  ];
}

/** A linear's name within its block, the number of an expert as `*`. */
function roleOf(name: string): string {
  return name.replace(/^.*?\.\d+\./, "").replace(/\.\d+\./, ".*.");
}

/** One row for each kind of linear, and their sum. */
export function summary(reports: readonly LinearReport[]): string {
  const sum = (group: readonly LinearReport[], of: (report: LinearReport) => number) =>
    group.reduce((sum, report) => sum + of(report), 0);
  const measured = reports.some(({ outputError }) => outputError !== undefined);
  const row = (label: string, group: readonly LinearReport[]): string[] => {
    const weights = sum(group, ({ rows, cols }) => rows * cols), zeros = sum(group, ({ zeros }) => zeros);
    const error = measured ? [showShare(sum(group, ({ outputError }) => outputError!) / group.length)] : [];
    const seconds = sum(group, ({ seconds }) => seconds);
    return [
      label,
      `${group.length}`,
      showCount(weights),
      showCount(zeros),
      showShare(zeros / weights),
      ...error,
      showSeconds(seconds),
    ];
  };
  const rows = [...Map.groupBy(reports, ({ name }) => roleOf(name))].map(([role, group]) => row(role, group));
  const error = measured ? ["output error"] : [];
  return table(["linear", "count", "weights", "zeros", "sparsity", ...error, "time"], [...rows, row("all", reports)]);
}

/** What the table's mean output error is. */
export function aboutErrors(reports: readonly LinearReport[]): string[] {
  switch (reports[0].outputErrorFrom) {
    case "hessian":
      return ["output error: the mean over linears of |(W - W') X|² / |W X|² on the calibration data"];
    case "diagonal":
      return [
        "output error: an estimate of the mean over linears of |(W - W') X|² / |W X|², as if inputs were uncorrelated",
      ];
    default:
      return [];
  }
}

/** What was found on the sequences that were held out, if some were. */
export function aboutHoldout(reports: readonly LinearReport[]): string[] {
  const held = reports.filter(({ heldOutError }) => heldOutError !== undefined);
  if (!held.length) return [];
  const mean = (of: (report: LinearReport) => number) =>
    held.reduce((sum, report) => sum + of(report), 0) / held.length;
  const left = held.filter(({ updateLeft }) => updateLeft).length;
  return [
    `held out: an output error of ${showShare(mean(({ heldOutError }) => heldOutError!))}, beside ` +
    `${showShare(mean(({ outputError }) => outputError!))} on what was fitted` +
    (left ? `; ${left} of ${held.length} updates raised it and were not made` : ""),
  ];
}

/** What reconstruction did to the blocks, if any were. */
export function aboutReconstruction(blocks: readonly BlockReconstruction[]): string[] {
  if (!blocks.length) return [];
  const mean = (of: (block: BlockReconstruction) => number) =>
    blocks.reduce((sum, block) => sum + of(block), 0) / blocks.length;
  const undone = blocks.filter((block) => block.undone).map(({ block }) => block);
  return [
    `reconstruction: the distance from the dense network's hidden states after a block, as a share of their squares, was ` +
    `${showShare(mean(({ before }) => before))} and is ${
      showShare(mean(({ after }) => after))
    } in the mean over blocks` +
    (undone.length ? `; undone in block ${undone.join(", ")}, where it made no better` : ""),
  ];
}

/** Which linears of experts saw no token, if any. */
export function aboutExperts(reports: readonly LinearReport[]): string[] {
  const blind = reports.filter(({ tokens }) => tokens === 0).map(({ name }) => name);
  if (!blind.length) return [];
  return [`no calibration token was routed to ${blind.join(", ")}: pruned by magnitude`];
}

/** Which dampings were chosen by the tokens, or had to be raised. */
export function aboutDamping(reports: readonly LinearReport[], damping: Damping): string[] {
  if (damping === "auto") {
    const dampings = reports.flatMap(({ damping }) => damping ?? []).toSorted((a, b) => a - b);
    if (!dampings.length) return [];
    const [least, most] = [dampings[0], dampings.at(-1)!].map((each) => Number(each.toPrecision(2)));
    return [
      `damping: ${least === most ? least : `${least} to ${most}`}, by how many tokens an input saw; --json names them`,
    ];
  }
  const raised = reports.filter((report) => report.damping !== undefined && report.damping > damping);
  if (!raised.length) return [];
  const most = Math.max(...raised.map((report) => report.damping!));
  return [`the damping was raised for ${raised.length} linears, to ${most} at most; --json names them`];
}
