/** What a bench measured as a table: what the bench prints, and what is shown of a recorded one. */
import { table } from "../../src/cli/table.ts";
import type { Measured, RatioRecord } from "../../src/run/record.ts";

/** Whether a ratio is what was asked; undefined where nothing was. */
export function met({ ratio, target }: RatioRecord): boolean | undefined {
  return target && ("least" in target ? ratio >= target.least : ratio <= target.most);
}

/** `44.1 [43.0, 44.5] GFLOP/s Pare, 1 worker`: the median, and its extremes. */
function showFigure({ label, unit, median, min, max, n }: Measured): string {
  const digits = (value: number) => value < 1000 ? value.toPrecision(3) : value.toFixed(0);
  const extremes = n > 1 ? ` [${digits(min)}, ${digits(max)}]` : "";
  return `${digits(median)}${extremes} ${unit} ${label}`;
}

/** A line for each ratio; a name stands at the first of its lines. */
export function ratioTable(ratios: readonly RatioRecord[]): string {
  const rows = ratios.map((ratio, i) => {
    const { name, ours, theirs, target } = ratio;
    const asked = !target ? "" : "least" in target ? `≥ ${target.least}` : `≤ ${target.most}`;
    const verdict = { true: "met", false: "missed", undefined: "" }[`${met(ratio)}`];
    const first = name !== ratios[i - 1]?.name;
    return [
      ...[first ? name : "", ratio.ratio.toFixed(2), asked, verdict],
      ...[`${ours.n}`, showFigure(ours), showFigure(theirs)],
    ];
  });
  return table(["what", "ratio", "asked", "", "n", "ours", "against"], rows);
}
