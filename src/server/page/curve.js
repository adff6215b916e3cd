/**
 * How trainings went: loss and learning rate by step, perplexity on what is held out by step and by minute, and the errors of
 * blocks that were reconstructed. A line for each run, one run or several over each other.
 */
import { make } from "./dom.js";
import { digits, error, seconds } from "./format.js";
import { drawLines } from "./plot.js";
import { makeTable } from "./table.js";

/** The points of a run of a kind. */
const ofKind = (points, kind) => points.filter((point) => point.kind === kind);

/** Lines of several trainings: of each, pairs of x and y of its points of a kind; those without any have none. */
export const linesOf = (curves, kind, x, y) =>
  curves.map(({ name, points }, color) => ({
    name,
    color,
    points: ofKind(points, kind).map((one) => [x(one), y(one)]),
  }))
    .filter(({ points }) => points.length);

const stepOf = ({ step }) => step, minuteOf = ({ seconds }) => seconds / 60;

/** What is drawn of trainings: x and y of the points of a kind. */
const PLOTS = [
  {
    ...{ kind: "evaluation", x: minuteOf, y: ({ perplexity }) => perplexity },
    ...{
      caption: "Perplexity on the held-out text by minute",
      across: "minutes, evaluations included",
      up: "perplexity",
    },
  },
  {
    ...{ kind: "evaluation", x: stepOf, y: ({ perplexity }) => perplexity },
    ...{ caption: "Perplexity on the held-out text by step", across: "step", up: "perplexity" },
  },
  {
    ...{ kind: "step", x: stepOf, y: ({ loss }) => loss },
    ...{ caption: "Loss by step", across: "step", up: "loss (nats)", dots: false },
  },
  {
    ...{ kind: "step", x: stepOf, y: ({ rate }) => rate },
    ...{ caption: "Learning rate by step", across: "step", up: "learning rate", zero: true, dots: false },
  },
];

/** The errors of blocks, before and after, as lines over the blocks. */
const blockLines = (curves) => [
  ...linesOf(curves, "block", ({ block }) => block, ({ after }) => 100 * after)
    .map((line) => ({ ...line, name: `${line.name}, reconstructed` })),
  ...linesOf(curves, "block", ({ block }) => block, ({ before }) => 100 * before)
    .map((line) => ({ ...line, name: `${line.name}, before`, line: false })),
];

const number = (value, show = digits) => value === undefined ? undefined : { number: show(value), value };

/** Every point in numbers. */
function makePoints(curves) {
  const several = curves.length > 1,
    rows = curves.flatMap(({ name, points }) => points.map((point) => ({ name, ...point })));
  const any = (field) => rows.some((row) => row[field] !== undefined);
  const columns = [
    ["step", "step"],
    ["block", "block"],
    ["loss", "loss"],
    ["rate", "learning rate"],
    ["norm", "gradient norm"],
    ["perplexity", "perplexity"],
    ["before", "error before", error],
    ["after", "error after", error],
    ["seconds", "time", seconds],
  ].filter(([field]) => any(field));
  return makeTable(
    "Points of the training",
    [...several ? ["run"] : [], "what", ...columns.map(([, title]) => title)],
    rows.map((row) => [
      ...several ? [row.name] : [],
      row.undone ? "block, left as it was" : row.kind,
      ...columns.map(([field, , show]) => number(row[field], show)),
    ]),
    "tall",
  );
}

/**
 * The plots of some trainings and their numbers; nothing where there is nothing to plot.
 * @param curves Of each run its `name` and its `points`, as `/api/runs/ID/curve` has them; held-out perplexities of several
 * runs are drawn over each other, so they must be of the same text.
 */
export function showCurves(curves, signal) {
  const known = curves.filter(({ points }) => points.length);
  if (!known.length) return [];
  const plots = PLOTS.flatMap(({ kind, x, y, across, up, caption, zero = false, dots = true }) => {
    const series = linesOf(known, kind, x, y);
    return series.length ? [drawLines({ caption, x: across, y: up, zero, dots, series }, signal)] : [];
  });
  const blocks = blockLines(known);
  return [
    ...plots,
    ...blocks.length
      ? [
        drawLines({
          caption: "Relative error of each block's output to the dense network's, before and after its reconstruction",
          ...{ x: "block", y: "error (%)", series: blocks },
        }, signal),
      ]
      : [],
    make("details", {}, make("summary", {}, "The same in numbers"), makePoints(known)),
  ];
}

/** What it is called: blocks alone are no training. */
export const titleOf = (curves) =>
  curves.some(({ points }) => points.some(({ kind }) => kind !== "block")) ? "Training" : "Reconstruction";

/** Which trainings may be drawn over each other: those whose perplexity is of the same text. */
export const textOf = ({ manifest: { plan: { evaluation, calibration } } }) => {
  const { sha256, sequences, seqlen } = evaluation ?? calibration ?? {};
  return `${sha256} ${sequences} x ${seqlen}`;
};
