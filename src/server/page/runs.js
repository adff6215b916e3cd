/** The list of runs: filters, status and live progress, and two to compare. */
import { get } from "./api.js";
import { digits, duration, make, time } from "./dom.js";
import { progressOf } from "./progress.js";

/** Milliseconds between two looks at the list; what did not change costs a 304. */
const LOOK = 2000;

const FILTERS = ["model", "method", "pattern"];
const STATUSES = ["running", "finished", "failed", "interrupted"];
const HEADS = ["", "run", "status", "model", "method", "pattern", "sparsity", "perplexity", "began", "took"];

/** The perplexity that a run is about. */
const result = ({ perplexities }) => (perplexities.find(({ label }) => label === "pruned") ?? perplexities.at(-1));

function cells(run, box) {
  const { plan } = run.manifest, { request } = plan;
  return [
    box,
    make("a.id", { href: `#/runs/${encodeURIComponent(run.id)}` }, run.id),
    run.status === "running" ? progressOf(run.progress) : make(`span.status.${run.status}`, {}, run.status),
    plan.model.name,
    request.method ?? plan.kind,
    request.method ? request.pattern ?? "unstructured" : "–",
    request.sparsity === undefined ? "–" : String(request.sparsity),
    digits(result(run)?.perplexity),
    time(run.startedAt),
    duration(run),
  ].map((content) => make("td", {}, content));
}

/** Shows the list. */
export async function showRuns(here, signal) {
  const rows = new Map(), chosen = new Set(), body = make("tbody");
  const compare = make("button", {
    type: "button",
    disabled: true,
    onclick: () => location.hash = `#/compare/${encodeURIComponent([...chosen].join(","))}`,
  }, "Compare two chosen runs");
  const older = make("button", { type: "button", onclick: () => show(next) }, "Older runs");
  const fields = [
    ...FILTERS.map((name) => make("input", { name })),
    make(
      "select",
      { name: "status" },
      make("option", { value: "" }, "any"),
      STATUSES.map((one) => make("option", {}, one)),
    ),
  ];
  const filter = make(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        rows.clear();
        load();
      },
    },
    fields.map((field) => make("label", {}, `${field.name} `, field)),
    make("button", {}, "Filter"),
  );
  const none = make("p.faint", {}, "No runs."), wrong = make("p.problem", { role: "alert" });
  let next;

  const choose = (id, { target }) => {
    if (target.checked) chosen.add(id);
    else chosen.delete(id);
    compare.disabled = chosen.size !== 2;
  };
  const put = (run) => {
    const text = JSON.stringify(run), known = rows.get(run.id);
    if (known?.text === text && run.status !== "running") return;
    const box = known?.box ??
      make("input", { type: "checkbox", "aria-label": `choose ${run.id}`, onchange: (event) => choose(run.id, event) });
    const row = known?.row ?? make("tr");
    // The box and the link stay, so that neither the choice nor the focus is lost.
    if (known) cells(run, box).slice(2).forEach((cell, at) => row.children[at + 2].replaceWith(cell));
    else row.append(...cells(run, box));
    rows.set(run.id, { text, box, row, startedAt: run.startedAt });
  };
  /** Takes a page of runs into the list. */
  const load = async (cursor) => {
    const given = Object.fromEntries(
      fields.map(({ name, value }) => [name, value.trim()]).filter(([, value]) => value),
    );
    const query = String(new URLSearchParams({ ...given, ...cursor && { cursor } }));
    const page = await get(`/api/runs?${query}`, signal);
    page.runs.forEach(put);
    const sorted = [...rows.values()].sort((a, b) => b.startedAt.localeCompare(a.startedAt)).map(({ row }) => row);
    if (sorted.some((row, at) => body.children[at] !== row) || body.children.length !== sorted.length) {
      body.replaceChildren(...sorted);
    }
    none.hidden = rows.size > 0;
    return page.next;
  };
  /** Loads what was asked for: the first page, or an older one. */
  const show = async (cursor) => {
    try {
      next = await load(cursor);
      older.hidden = next === undefined;
      wrong.textContent = "";
    } catch (error) {
      if (!signal.aborted) wrong.textContent = error.message;
    }
  };

  here.append(
    make("h1", {}, "Runs"),
    filter,
    wrong,
    make("div.row", {}, compare),
    make(
      "div.scroll",
      {},
      make(
        "table.runs",
        {},
        make("caption.hidden", {}, "Runs, newest first"),
        make("thead", {}, make("tr", {}, HEADS.map((head) => head ? make("th", { scope: "col" }, head) : make("td")))),
        body,
      ),
    ),
    none,
    older,
  );
  next = await load();
  older.hidden = next === undefined;
  const timer = setInterval(() => document.hidden || load().catch(() => {}), LOOK);
  signal.addEventListener("abort", () => clearInterval(timer));
  return "Runs";
}
