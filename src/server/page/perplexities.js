/**
 * A run's perplexity beside that of the dense model and of other methods. A run may have measured it itself; if not, an
 * `eval` of what it wrote did, and is found by the files that it read. On another text a perplexity means nothing beside
 * these, so each text has a table of its own.
 */
import { digits, make, makeTable } from "./dom.js";

/** Such as `wanda 2:4`; undefined for a run without a method. */
function methodOf({ manifest: { plan: { request: { method, pattern } } } }) {
  return method && [method, pattern].filter(Boolean).join(" ");
}

/** True if `other` read what `run` wrote. */
const reads = (other, run) =>
  run.out !== undefined && other.startedAt > run.startedAt &&
  other.manifest.inputs.some(({ path }) => path.startsWith(`${run.out}/`));

/** What each record of a run is of: its name, and the run that made it; nothing if it is of another model. */
function entries(measured, run, runs) {
  const sameModel = ({ manifest }) => manifest.plan.model.sha256 === run.manifest.plan.model.sha256;
  const dense = sameModel(measured), { kind } = measured.manifest.plan;
  const maker = kind === "eval" && !dense
    ? runs.find((one) => sameModel(one) && one.manifest.plan.kind === "prune" && reads(measured, one))
    : measured;
  if (!maker || !sameModel(maker)) return [];
  return measured.perplexities.map((record) => {
    const { label } = record, pruned = kind === "eval" ? !dense : label === "pruned";
    const name = pruned ? methodOf(maker) ?? label : kind === "eval" ? "dense" : label;
    return { ...record, id: maker.id, name, dense: name === "dense" };
  });
}

/** The rows of each text on which this run, or what it wrote, was measured; the best first. */
function byText(run, runs) {
  const all = runs.flatMap((one) => entries(one, run, runs));
  const own = new Set(
    all.filter(({ id, dense }) => id === run.id && !dense).map(({ evaluation }) => evaluation.sha256),
  );
  const known = new Set();
  const rows = all.filter(({ evaluation, name, id, dense, perplexity }) => {
    // The dense model is measured by many, and is the same.
    const row = JSON.stringify([evaluation.sha256, name, dense || id, perplexity]);
    return own.has(evaluation.sha256) && !known.has(row) && known.add(row);
  });
  rows.sort((a, b) => a.perplexity - b.perplexity);
  return Map.groupBy(rows, ({ evaluation }) => evaluation.sha256);
}

function showText(rows, run) {
  const dense = rows.find((row) => row.dense)?.perplexity, most = rows.at(-1).perplexity;
  const { description, sequences, seqlen } = rows[0].evaluation;
  const bar = (perplexity) => {
    const made = make("div.bar");
    made.style.width = `${100 * perplexity / most}%`;
    return made;
  };
  const link = (id) => id === run.id ? "this run" : make("a.id", { href: `#/runs/${encodeURIComponent(id)}` }, id);
  return [
    makeTable(
      "Perplexities, the best first",
      ["of", "run", "perplexity", "to dense", ""],
      rows.map(({ name, id, perplexity, dense: isDense }) => [
        name,
        isDense ? "–" : link(id),
        { number: digits(perplexity) },
        { number: dense ? `${digits(perplexity / dense)} x` : "–" },
        bar(perplexity),
      ]),
      "bars",
    ),
    make("p.faint", {}, `${description}, ${sequences} windows of ${seqlen} tokens.`),
  ];
}

/** The tables; `runs` are those that it may be set beside, newest first, itself among them. */
export function showPerplexities(run, runs) {
  const texts = byText(run, runs.map((one) => one.id === run.id ? run : one));
  if (!texts.size) return [make("p.faint", {}, "None was measured.")];
  return [...texts.values()].flatMap((rows) => showText(rows, run));
}
