/**
 * What is known of perplexity: every number beside whose it is and the protocol without which it means nothing. A pruned
 * model may have been measured by the run that made it or by an `eval` of what that run wrote, which is found by the files
 * that it read.
 */
import { askedOf, methodOf, shareOf } from "./names.js";

/** Names the text, the windows' length and their number: only under one such name may perplexities stand together. */
export const protocolOf = ({ sha256, seqlen, sequences, protocol = "" }) =>
  `${sha256} ${sequences} x ${seqlen} ${protocol}`;

/** A protocol in words. */
export const describeProtocol = ({ description, sequences, seqlen, protocol }) =>
  `${description}${protocol === undefined ? "" : `, ${protocol}`}, ${sequences} windows of ${seqlen} tokens`;

/** The folder that a file stands in; relative paths are relative to where the run was begun. */
function folderOf(path, directory) {
  const whole = /^([/\\]|[a-z]:)/i.test(path) ? path : `${directory ?? ""}/${path.replace(/^\.\//, "")}`;
  return whole.slice(0, Math.max(whole.lastIndexOf("/"), whole.lastIndexOf("\\")));
}

/** One text for the weights that a run wrote or read; nothing where they are not known. */
const weightsOf = (files = []) =>
  files.filter(({ path }) => path.endsWith(".safetensors")).map(({ sha256 }) => sha256).sort().join() || undefined;

/**
 * Finds the run whose result another one read: of those that wrote the same weights, or wrote where it read, the last one
 * before it.
 */
function makersOf(runs) {
  const makers = runs.filter(({ manifest }) => ["prune", "finetune"].includes(manifest.plan.kind));
  const byOut = Map.groupBy(makers.filter(({ out }) => out), ({ out }) => out);
  const byWeights = Map.groupBy(makers, ({ manifest }) => weightsOf(manifest.outputs));
  return ({ startedAt, manifest: { inputs, directory } }) => {
    const folders = new Set(inputs.map(({ path }) => folderOf(path, directory))), weights = weightsOf(inputs);
    const places = [...folders].map((folder) => byOut.get(folder));
    const found = [weights && byWeights.get(weights), ...places].flatMap((some) => some ?? [])
      .filter((one) => one.startedAt < startedAt);
    return found.sort((a, b) => b.startedAt.localeCompare(a.startedAt)).at(0);
  };
}

/** What a comparison's label says: `wanda 0.5`, or the same with the samples and the seed that it was drawn with. */
function readLabel(label, { methods = [], sparsities = [] }) {
  for (const method of methods) {
    for (const asked of sparsities) {
      const start = `${method} ${asked}`;
      if (label === start) return { method, asked };
      const [, samples, seed] = label.startsWith(start)
        ? /^, (\d+|undefined) samples, seed (\d+)$/.exec(label.slice(start.length)) ?? []
        : [];
      if (seed) return { method, asked, samples: Number(samples) || undefined, seed: Number(seed) };
    }
  }
  return undefined;
}

/** What `compare` was asked for by a share such as `0.5` or a pattern, as a request has it. */
const requestOf = (asked) => asked.includes(":") ? { pattern: asked } : { sparsity: Number(asked) };

/**
 * Every perplexity of some runs: `perplexity`, `evaluation`, the `run` that it is of and its `id`, the id of the run that
 * measured it (`by`), the `model` (SHA-256) that was pruned or is dense, `method`, `asked` and `name` of both, `share` removed, `dense`; of a comparison `samples` and
 * `seed` where it drew several. In the order of the runs, each record of each run once. An evaluation of what a run wrote
 * is of that run, and of itself as the dense model of those that prune it further.
 */
export function measurements(runs) {
  const makerOf = makersOf(runs), known = new Set();
  return runs.flatMap((run) => {
    const { kind, request } = run.manifest.plan, maker = kind === "eval" ? makerOf(run) : undefined;
    return run.perplexities.flatMap((record) => {
      const entry = (of, method, asked, rest) => ({
        ...record,
        by: run.id,
        run: of,
        id: of.id,
        model: of.manifest.plan.model.sha256,
        method,
        asked,
        name: [method, asked].filter(Boolean).join(" "),
        dense: false,
        ...rest,
      });
      const pruned = (of) => {
        const { request } = of.manifest.plan;
        return entry(of, methodOf(of), askedOf(request), { share: shareOf(request) ?? record.sparsity });
      };
      const dense = () => entry(run, "dense", undefined, { dense: true, share: 0 });
      if (kind === "prune") return record.label === "dense" ? [dense()] : [pruned(run)];
      // What was tuned was pruned before, and measured as that first.
      if (kind === "finetune") return [record.label === "pruned" ? entry(run, "before tuning") : pruned(run)];
      if (kind === "eval") return [dense(), ...maker ? [pruned(maker)] : []];
      const said = readLabel(record.label, request);
      if (!said) return record.label === "dense" ? [dense()] : [entry(run, record.label)];
      const part = requestOf(said.asked), asked = askedOf(part);
      return [entry(run, said.method, asked, { ...said, asked, share: shareOf(part) })];
    });
  }).filter(({ evaluation, id, method, asked, samples, seed, perplexity }) => {
    // What an evaluation found stands in the record of the run that made the model, too.
    const row = JSON.stringify([protocolOf(evaluation), id, method, asked, samples, seed, perplexity]);
    return !known.has(row) && known.add(row);
  });
}

/**
 * The perplexity that each run is about, by its id: of a prune or a training what came of it, of an evaluation its own, of a comparison the
 * best that was pruned, with `of` saying of how many.
 */
export function headlines(entries) {
  const found = new Map();
  for (const [id, own] of Map.groupBy(entries, ({ id }) => id)) {
    const pruned = own.filter(({ dense }) => !dense), [first] = own, { kind } = first.run.manifest.plan;
    if (kind !== "compare") found.set(id, (kind === "finetune" ? pruned.at(-1) : pruned[0]) ?? first);
    else if (pruned.length) {
      found.set(id, { ...pruned.toSorted((a, b) => a.perplexity - b.perplexity)[0], of: pruned.length });
    }
  }
  return found;
}
