/**
 * A run's perplexity beside that of the dense model and of other methods. Under another protocol (text, windows' length,
 * number of windows) a perplexity means nothing beside these, so each protocol has a table of its own.
 */
import { linkTo, make } from "./dom.js";
import { digits } from "./format.js";
import { describeProtocol, measurements, protocolOf } from "./measured.js";
import { baseOf, drawSweep, toDense } from "./sweep.js";
import { makeTable } from "./table.js";

/** Rows of a table that are shown at once. */
const SHOWN = 12;

/** The rows of each protocol under which this run, or what it wrote, was measured; the best first. */
export function byProtocol(run, runs) {
  const entries = measurements(runs), mine = entries.filter(({ id, by }) => id === run.id || by === run.id);
  // What an evaluation measured is another model than the one it was made of.
  const { model } = mine.find(({ dense }) => !dense) ?? { model: run.manifest.plan.model.sha256 };
  const all = entries.filter((entry) => entry.model === model);
  const own = new Set(
    mine.filter(({ dense }) => !dense || run.manifest.plan.kind !== "prune").map(({ evaluation }) =>
      protocolOf(evaluation)
    ),
  );
  const known = new Set();
  const rows = all.filter(({ evaluation, name, id, dense, perplexity, samples, seed }) => {
    const protocol = protocolOf(evaluation);
    // The dense model is measured by many, and is the same.
    const row = JSON.stringify([protocol, name, dense || id, samples, seed, perplexity]);
    return own.has(protocol) && !known.has(row) && known.add(row);
  });
  rows.sort((a, b) => a.perplexity - b.perplexity);
  return Map.groupBy(rows, ({ evaluation }) => protocolOf(evaluation));
}

/** A bar whose length is a share of the longest one. */
function makeBar(share) {
  const bar = make("div.bar");
  bar.style.width = `${100 * share}%`;
  return bar;
}

/** What a row is of, with what a comparison drew it from. */
const titleOf = ({ name, samples, seed }) =>
  [name, samples && `${samples} samples`, seed !== undefined && `seed ${seed}`].filter(Boolean).join(", ");

function showProtocol(rows, run, signal) {
  const dense = baseOf(rows), most = rows.at(-1).perplexity, title = describeProtocol(rows[0].evaluation);
  const cells = (row) => {
    const { id, dense: isDense, perplexity } = row;
    const link = isDense ? undefined : id === run.id ? { show: "this run", value: id } : linkTo(id);
    return [
      titleOf(row),
      link,
      { number: digits(perplexity), value: perplexity },
      { number: toDense(perplexity, dense), value: dense && perplexity / dense },
      { show: makeBar(perplexity / most), value: null },
    ];
  };
  const table = (rows) =>
    makeTable(
      `Perplexities, the best first: ${title}`,
      ["of", "run", "perplexity", "to dense", ""],
      rows.map(cells),
      "bars",
    );
  const own = (row, at) => at < SHOWN || row.dense || row.id === run.id, few = rows.filter(own);
  const place = make("div", {}, table(few));
  const all = make("button", {
    type: "button",
    onclick: () => {
      place.replaceChildren(table(rows));
      place.querySelector("[tabindex]").focus();
    },
  }, `Show all ${rows.length}`);
  if (few.length < rows.length) place.append(all);
  return [make("p", {}, `${title}.`), drawSweep(rows, signal), place].filter(Boolean);
}

/** The tables and pictures; `runs` are those that it may be set beside, newest first, itself among them. */
export function showPerplexities(run, runs, signal) {
  const protocols = byProtocol(run, runs.map((one) => one.id === run.id ? run : one));
  if (!protocols.size) return [make("p.faint", {}, "None was measured.")];
  return [...protocols.values()].flatMap((rows) => showProtocol(rows, run, signal));
}
