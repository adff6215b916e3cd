/** What a `compare` found, in place: its table, perplexity by sparsity, and perplexity by calibration sequences. */
import { make } from "./dom.js";
import { digits, memory, percent, seconds } from "./format.js";
import { describeProtocol, measurements } from "./measured.js";
import { drawLines } from "./plot.js";
import { baseOf, drawSweep, toDense } from "./sweep.js";
import { makeTable } from "./table.js";

const number = (value, show) => value === undefined ? undefined : { number: show(value), value };

function makeRows(entries, dense) {
  return makeTable(
    "Comparison",
    [
      "method",
      "asked",
      "zeros",
      "perplexity",
      "to dense",
      "metric",
      "in all",
      "peak memory",
    ],
    entries.map(({ method, asked, sparsity, perplexity, cost = {} }) => [
      method,
      asked,
      number(sparsity, percent),
      number(perplexity, digits),
      { number: toDense(perplexity, dense), value: dense && perplexity / dense },
      number(cost.metricSeconds, seconds),
      number(cost.seconds, seconds),
      number(cost.peakBytes, memory),
    ]),
  );
}

const mean = (numbers) => numbers.reduce((a, b) => a + b) / numbers.length;

/** The deviation of a sample; of one number 0. */
function deviation(numbers) {
  const middle = mean(numbers), squares = numbers.reduce((sum, each) => sum + (each - middle) ** 2, 0);
  return numbers.length > 1 ? Math.sqrt(squares / (numbers.length - 1)) : 0;
}

/** By the number of calibration sequences, each with its perplexities over the seeds. */
export function samplePoints(entries, { samples: numbers, seeds = [] }) {
  // The table's own run is the one of the most samples and the first seed.
  const all = entries.filter(({ dense }) => !dense).map((entry) =>
    entry.samples === undefined && numbers?.length ? { ...entry, samples: numbers.at(-1), seed: seeds[0] } : entry
  ).filter(({ samples }) => samples !== undefined);
  const asked = entries.find(({ seed }) => seed !== undefined)?.asked;
  const groups = Map.groupBy(
    all.filter((entry) => entry.asked === asked),
    ({ method, samples }) => `${method} ${samples}`,
  );
  return [...groups.values()].map((group) => {
    const perplexities = group.sort((a, b) => a.seed - b.seed).map(({ perplexity }) => perplexity);
    const { method, samples } = group[0];
    return { method, samples, perplexities, mean: mean(perplexities), deviation: deviation(perplexities) };
  }).sort((a, b) => a.method.localeCompare(b.method) || a.samples - b.samples);
}

function showSamples(points, signal) {
  const methods = Map.groupBy(points, ({ method }) => method);
  return [
    make("h2", {}, "Calibration sequences"),
    drawLines({
      caption: "Perplexity by the number of calibration sequences, the mean over the seeds",
      x: "calibration sequences",
      y: "perplexity",
      series: [...methods].map(([name, own]) => ({ name, points: own.map(({ samples, mean }) => [samples, mean]) })),
    }, signal),
    makeTable(
      "Perplexity by calibration sequences",
      ["method", "samples", "mean perplexity", "deviation", "of each seed"],
      points.map(({ method, samples, mean, deviation, perplexities }) => [
        method,
        { number: String(samples), value: samples },
        { number: digits(mean), value: mean },
        { number: digits(deviation), value: deviation },
        { show: perplexities.map(digits).join(", "), value: perplexities.join(" ") },
      ]),
    ),
  ];
}

/** Everything of a comparison that has been measured so far. */
export function showResults(run, signal) {
  const entries = measurements([run]), table = entries.filter(({ samples }) => samples === undefined);
  if (!entries.length) return [make("p.faint", {}, "Nothing was measured yet.")];
  const points = samplePoints(entries, run.manifest.plan.request);
  return [
    make("p", {}, `Perplexity on ${describeProtocol(entries[0].evaluation)}.`),
    makeRows(table, baseOf(table)),
    drawSweep(table, signal),
    ...points.length ? showSamples(points, signal) : [],
  ].filter(Boolean);
}
