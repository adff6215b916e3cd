/** Which runs are listed, and in which order: read from the page's address, where it can be kept and passed on. */
import { askedOf, methodOf, shareOf } from "./names.js";
import { secondsOf } from "./format.js";
import { protocolOf } from "./measured.js";

/** Fields that are asked for by a part of what they say, in any case of its letters. */
export const FIELDS = ["search", "model", "method", "pattern"];

/** Where a run may stand. */
export const STATUSES = ["running", "finished", "failed", "interrupted"];

/** What a run says in each field. */
const TEXTS = {
  model: (run) => run.manifest.plan.model.name,
  method: (run) => methodOf(run) ?? run.manifest.plan.kind,
  pattern: ({ manifest: { plan: { kind, request } } }) =>
    kind === "prune" ? request.pattern ?? "unstructured" : (request.sparsities ?? []).join(" "),
  search: (run) =>
    [run.id, run.name, ...run.tags ?? [], run.note, TEXTS.model(run), TEXTS.method(run), TEXTS.pattern(run)]
      .concat(run.status, askedOf(run.manifest.plan.request), run.out, run.error).filter(Boolean).join("\n"),
};

/** What is sorted by: a number or a text of a run; what is unknown comes last both ways. */
const KEYS = {
  run: (run) => run.name ?? run.id,
  status: ({ status }) => STATUSES.indexOf(status),
  model: TEXTS.model,
  method: TEXTS.method,
  sparsity: (run, headline) => shareOf(run.manifest.plan.request) ?? headline?.share,
  perplexity: (_run, headline) => headline?.perplexity,
  on: (_run, headline) => headline && headline.evaluation.description,
  began: ({ startedAt }) => startedAt,
  took: secondsOf,
};

/** The columns that can be sorted by. */
export const SORTABLE = Object.keys(KEYS);

/** The choice that an address names; what it names wrongly is as if it were not there. */
export function readChoice(query) {
  const given = new URLSearchParams(query ?? ""),
    one = (name, allowed) => allowed.includes(given.get(name)) ? given.get(name) : undefined;
  const sort = one("sort", SORTABLE) ?? "began";
  return {
    ...Object.fromEntries(FIELDS.map((name) => [name, given.get(name) ?? ""])),
    status: one("status", STATUSES) ?? "",
    sort,
    order: one("order", ["asc", "desc"]) ?? firstOrder(sort),
  };
}

/** The order in which a column is sorted first: the newest first, else from the least or from A up. */
export const firstOrder = (sort) => sort === "began" ? "desc" : "asc";

/** The address of a choice. */
export function addressOf({ sort, order, ...fields }) {
  const standard = sort === "began" && order === "desc";
  const query = new URLSearchParams([
    ...Object.entries(fields).filter(([, value]) => value.trim()),
    ...standard ? [] : [["sort", sort], ["order", order]],
  ]);
  return query.size ? `#/?${query}` : "#/";
}

/** True if any field is asked for. */
export const isFiltered = ({ sort: _sort, order: _order, ...fields }) =>
  Object.values(fields).some((one) => one.trim());

/** The runs of a choice, in its order. */
export function choose(runs, headlines, { sort, order, status, ...fields }) {
  const asked = FIELDS.map((name) => [TEXTS[name], fields[name].trim().toLowerCase()]).filter(([, part]) => part);
  const found = runs.filter((run) =>
    (!status || run.status === status) && asked.every(([text, part]) => text(run).toLowerCase().includes(part))
  );
  const key = KEYS[sort],
    sign = order === "asc" ? 1 : -1,
    keyed = found.map((run) => {
      const headline = headlines.get(run.id);
      // Of several protocols, each for itself: between them nothing is greater or less.
      const group = sort === "perplexity" && headline ? `${headline.model} ${protocolOf(headline.evaluation)}` : "";
      return { run, group, key: key(run, headline) };
    });
  return keyed.sort((a, b) =>
    Number(a.key === undefined) - Number(b.key === undefined) || a.group.localeCompare(b.group) ||
    sign * compare(a.key, b.key) || b.run.startedAt.localeCompare(a.run.startedAt)
  ).map(({ run }) => run);
}

const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
