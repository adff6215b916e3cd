/** Perplexity by sparsity, of many runs: a line for each method, its n:m patterns as rings. One protocol, one picture. */
import { digits } from "./format.js";
import { describeProtocol, protocolOf } from "./measured.js";
import { drawLines } from "./plot.js";

/** Groups of one model and one protocol, the largest first; those without a pruned model are left out. */
export function groupsOf(entries) {
  const groups = Map.groupBy(entries, ({ model, evaluation }) => `${model} ${protocolOf(evaluation)}`);
  return [...groups.values()].filter((group) => group.some(({ dense }) => !dense)).sort((a, b) => b.length - a.length);
}

const isPattern = ({ asked }) => asked?.includes(":") ?? false;

/** Pairs of percents removed and perplexity, the mean where several have the same. */
function pointsOf(entries) {
  const byShare = Map.groupBy(entries, ({ share }) => +(share * 100).toFixed(3));
  return [...byShare].sort(([a], [b]) => a - b).map((
    [share, alike],
  ) => [share, alike.reduce((sum, { perplexity }) => sum + perplexity, 0) / alike.length]);
}

/** The series of a group: of each method its shares and, apart, its patterns. */
export function seriesOf(entries) {
  const placed = entries.filter(({ share, perplexity, samples }) =>
    share !== undefined && perplexity > 0 && samples === undefined
  );
  const methods = [...new Set(placed.filter(({ dense }) => !dense).map(({ method }) => method))].sort();
  const dense = placed.filter((entry) => entry.dense);
  return [
    ...methods.flatMap((method, color) => {
      const own = placed.filter((entry) => entry.method === method);
      const shares = own.filter((entry) => !isPattern(entry)), patterns = own.filter(isPattern);
      return [
        ...shares.length ? [{ name: method, points: pointsOf(shares), color }] : [],
        ...patterns.length ? [{ name: `${method} n:m`, points: pointsOf(patterns), color, line: false }] : [],
      ];
    }),
    ...dense.length ? [{ name: "dense", points: pointsOf(dense), color: methods.length, line: false }] : [],
  ];
}

/** The picture of a group; nothing if it would show one point alone. */
export function drawSweep(group, signal) {
  const series = seriesOf(group), { evaluation, run } = group[0];
  const points = series.filter(({ name }) => name !== "dense").flatMap(({ points }) => points).length;
  if (points + Number(baseOf(group) !== undefined) < 2) return undefined;
  const pruned = group.filter(({ dense, samples }) => !dense && samples === undefined).length;
  const means = pruned > points ? " Means where several are the same." : "";
  return drawLines({
    caption: `Perplexity by sparsity: ${run.manifest.plan.model.name}, ${describeProtocol(evaluation)}.${means}`,
    x: "weights removed (%)",
    y: "perplexity",
    log: true,
    series,
  }, signal);
}

/** The dense model's perplexity in a group, if it was measured. */
export const baseOf = (group) => group.find(({ dense }) => dense)?.perplexity;

/** How many times the dense model's. */
export const toDense = (perplexity, dense) => dense ? `${digits(perplexity / dense)} x` : "–";
