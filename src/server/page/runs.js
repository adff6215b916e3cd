/** The list of runs: which ones and in which order, their status and live progress, and those to compare. */
import { get, runPath } from "./api.js";
import { benchmarksByRun } from "./benchmarks.js";
import { linkTo, linkToTag, make, say } from "./dom.js";
import { makeDownloads } from "./download.js";
import { addressOf, choose, FIELDS, firstOrder, isFiltered, readChoice, SORTABLE, STATUSES } from "./filter.js";
import { asked, digits, duration, secondsOf, time } from "./format.js";
import { headlines, measurements } from "./measured.js";
import { askedOf, methodOf, shareOf } from "./names.js";
import { statusOf } from "./progress.js";
import { drawSweep, groupsOf } from "./sweep.js";
import { makeWelcome } from "./welcome.js";

/** Milliseconds between two looks at the list; what did not change costs a 304. */
const LOOK = 2000;

/** Runs of a request, and those that are loaded without being asked for. */
const PAGE = 500, LOADED = 2000;

/** Rows that are shown at once. */
const SHOWN = 50;

/** Runs that are compared at most, as the server has it; and what so many are called. */
const NUMBERS = ["two", "two", "two", "three", "four", "five", "six", "seven", "eight"], MOST = 8;

const COLUMNS = ["run", "status", "model", "method", "sparsity", "perplexity", "on", "began", "took"];

/** What the perplexity column shows, and what it was measured on. */
function measuredOf(headline) {
  if (!headline) return ["–", undefined];
  const { perplexity, of, name, evaluation: { description, sequences, seqlen } } = headline;
  return [
    of > 1
      ? [
        `${digits(perplexity)} `,
        make("span.faint", {}, `(${name.replaceAll(" ", "\u00a0")}, best\u00a0of\u00a0${of})`),
      ]
      : digits(perplexity),
    `${description}, ${sequences}\u00a0x\u00a0${seqlen}`,
  ];
}

const sparsityOf = ({ manifest: { plan: { request } } }, headline) =>
  askedOf(request) ?? (headline?.sparsity > 0 && !headline.of ? asked(headline.sparsity) : "–");

/** The cells of a run behind its box. */
function cells(run, headline) {
  const { plan } = run.manifest, [perplexity, on] = measuredOf(headline);
  const contents = {
    run: [
      run.name ? make("strong", {}, run.name, " ") : undefined,
      linkTo(run.id),
      (run.tags ?? []).map((tag) => [" ", linkToTag(tag)]),
    ].flat(2),
    status: statusOf(run),
    model: plan.model.name,
    method: methodOf(run) ?? plan.kind,
    sparsity: sparsityOf(run, headline),
    perplexity,
    on,
    began: time(run.startedAt),
    took: duration(run),
  };
  return COLUMNS.map((name) => make(`td.of-${name}`, { role: "cell", "data-head": name }, contents[name]));
}

/** The same as data. */
function valuesOf(run, headline) {
  const { plan } = run.manifest, { perplexity, evaluation } = headline ?? {};
  return {
    run: run.id,
    name: run.name ?? null,
    tags: (run.tags ?? []).join(" "),
    note: run.note ?? null,
    status: run.status,
    command: plan.kind,
    model: plan.model.name,
    method: methodOf(run) ?? null,
    pattern: plan.request.pattern ?? null,
    sparsity: shareOf(plan.request) ?? headline?.sparsity ?? null,
    perplexity: perplexity ?? null,
    corpus: evaluation?.description ?? null,
    windows: evaluation?.sequences ?? null,
    seqlen: evaluation?.seqlen ?? null,
    began: run.startedAt,
    seconds: secondsOf(run),
    "peak bytes": run.peakBytes ?? null,
  };
}

/** How far runs have come that belong together, such as a sweep's. */
const countByStatus = (runs) =>
  STATUSES.map((one) => [runs.filter(({ status }) => status === one).length, one])
    .flatMap(([count, one]) => count ? [`${count} ${one}`] : []);

/** Shows the list. */
export async function showRuns(here, signal, query) {
  const runs = new Map(), rows = new Map(), chosen = new Set(), body = make("tbody", { role: "rowgroup" });
  let choice = readChoice(query), shown = SHOWN, next, found = [], best = new Map(), entries = [];

  const compare = make("button", {
    type: "button",
    disabled: true,
    onclick: () => location.hash = `#/compare/${[...chosen].map(encodeURIComponent).join(",")}`,
  });
  const tellChosen = () => {
    compare.disabled = chosen.size < 2 || chosen.size > MOST;
    compare.textContent = chosen.size > MOST
      ? `At most ${NUMBERS[MOST]} runs are compared`
      : `Compare ${NUMBERS[chosen.size]} chosen runs`;
  };
  const older = make("button", {
    type: "button",
    onclick: async () => {
      shown += SHOWN;
      if (shown > found.length && next) await load(next);
      draw();
    },
  }, "Older runs");

  const fields = new Map([
    ...FIELDS.map((name) => [name, make("input", { name, type: "search", oninput: () => change(readFields()) })]),
    [
      "status",
      make(
        "select",
        { name: "status", onchange: () => change(readFields()) },
        make("option", { value: "" }, "any"),
        STATUSES.map((one) => make("option", {}, one)),
      ),
    ],
  ]);
  const readFields = () => Object.fromEntries([...fields].map(([name, { value }]) => [name, value]));
  const showFields = () => fields.forEach((field, name) => field.value = choice[name]);
  const clear = make("button", {
    type: "button",
    onclick: () => {
      change(Object.fromEntries([...fields.keys()].map((name) => [name, ""])));
      showFields();
      fields.get("search").focus();
    },
  }, "Clear");
  const filter = make(
    "form",
    {
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        change(readFields());
        say(`${found.length} runs`);
      },
    },
    [...fields].map(([name, field]) => make("label", {}, `${name} `, field)),
    make("button", {}, "Filter"),
    clear,
  );
  /** Another choice: the address says it, and going back goes back behind the list, not behind every letter. */
  const change = (part) => {
    choice = { ...choice, ...part };
    shown = SHOWN;
    history.replaceState(null, "", addressOf(choice));
    draw();
  };

  const heads = new Map(COLUMNS.map((name) => {
    const turn = () =>
      change({
        sort: name,
        order: choice.sort !== name ? firstOrder(name) : choice.order === "asc" ? "desc" : "asc",
      });
    const sortable = SORTABLE.includes(name);
    const text = name === "on" ? "measured on" : name;
    return [
      name,
      make(
        "th",
        { scope: "col", role: "columnheader" },
        sortable ? make("button.sort", { type: "button", onclick: turn }, text) : text,
      ),
    ];
  }));

  const none = make("div"), wrong = make("p.problem", { role: "alert" }), count = make("span.faint");
  const plots = make("div.plots"),
    plotted = make(
      "details",
      { ontoggle: () => drawPlots() },
      make("summary", {}, "Perplexity by sparsity of these runs"),
      plots,
    );
  /** Draws once it is open, and again when other runs or numbers are there. */
  let drawn = "", drawing = new AbortController();
  const drawPlots = () => {
    if (!plotted.open) return;
    const listed = new Set(found.map(({ id }) => id));
    const groups = groupsOf(entries.filter(({ id, dense }) => dense || listed.has(id)));
    const key = JSON.stringify(groups.map((group) => group.map(({ id, perplexity }) => [id, perplexity])));
    if (key === drawn) return;
    drawn = key;
    drawing.abort();
    drawing = new AbortController();
    const figures = groups.map((group) => drawSweep(group, AbortSignal.any([signal, drawing.signal]))).filter(Boolean);
    plots.replaceChildren(...figures.length ? figures : [make("p.faint", {}, "Too few were measured.")]);
  };

  /** The same of their benchmarks. */
  const accuracies = make("div"),
    benchmarks = make(
      "details",
      { ontoggle: () => drawBenchmarks() },
      make("summary", {}, "Benchmarks of these runs"),
      accuracies,
    );
  let told = "";
  const drawBenchmarks = () => {
    if (!benchmarks.open) return;
    const key = JSON.stringify(found.map(({ id, name, tasks }) => [id, name, tasks]));
    if (key === told) return;
    told = key;
    accuracies.replaceChildren(benchmarksByRun(found) ?? make("p.faint", {}, "None was asked."));
  };

  /** A row of a run: its box and its link stay, so that neither the choice nor the focus is lost. */
  const rowOf = (run) => {
    const headline = best.get(run.id), text = JSON.stringify([run, headline]), known = rows.get(run.id);
    if (known && known.text === text && run.status !== "running") return known.row;
    const row = known?.row ?? make(
      "tr",
      { role: "row" },
      make(
        "td.box",
        { role: "cell" },
        make("input", {
          type: "checkbox",
          "aria-label": `choose ${run.id}${run.name ? `, ${run.name}` : ""}`,
          onchange: ({ target }) => {
            if (target.checked) chosen.add(run.id);
            else chosen.delete(run.id);
            tellChosen();
          },
        }),
      ),
    );
    cells(run, headline).forEach((cell, at) => {
      const before = row.children[at + 1];
      if (!before) row.append(cell);
      else if (before.innerHTML !== cell.innerHTML) before.replaceWith(cell);
    });
    rows.set(run.id, { text, row });
    return row;
  };
  const draw = () => {
    entries = measurements([...runs.values()].sort((a, b) => b.startedAt.localeCompare(a.startedAt)));
    best = headlines(entries);
    found = choose([...runs.values()], best, choice);
    const listed = found.slice(0, shown).map(rowOf);
    if (listed.some((row, at) => body.children[at] !== row) || body.children.length !== listed.length) {
      body.replaceChildren(...listed);
    }
    heads.forEach((head, name) =>
      name === choice.sort
        ? head.setAttribute("aria-sort", choice.order === "asc" ? "ascending" : "descending")
        : head.removeAttribute("aria-sort")
    );
    older.hidden = found.length <= shown && next === undefined;
    clear.hidden = !isFiltered(choice);
    count.textContent = [
      `${found.length === runs.size ? "" : `${found.length} of `}${runs.size}${next ? " or more" : ""} ${
        runs.size === 1 ? "run" : "runs"
      }`,
      ...listed.length < found.length ? [`${listed.length} shown`] : [],
      ...isFiltered(choice) ? countByStatus(found) : [],
    ].join(", ");
    list.hidden = runs.size === 0;
    const empty = runs.size === 0
      ? makeWelcome
      : found.length === 0
      ? () => make("p.faint", {}, "No run agrees with the filter.")
      : undefined;
    if (none.dataset.why !== String(runs.size === 0)) none.replaceChildren();
    none.dataset.why = String(runs.size === 0);
    if (!empty) none.replaceChildren();
    else if (!none.hasChildNodes()) none.append(empty());
    drawPlots();
    drawBenchmarks();
  };
  /** Takes runs in: the newest, or those behind a cursor. Returns the cursor of the next. */
  const take = async (given) => {
    const page = await get(`/api/runs?${new URLSearchParams(given)}`, signal);
    for (const run of page.runs) runs.set(run.id, run);
    return page;
  };
  const load = async (cursor) => ({ next } = await take({ limit: PAGE, ...cursor && { cursor } }));
  /** What is new since, and how far live runs have come, those behind the newest too. */
  const look = async () => {
    const live = [...runs.values()].filter(({ status }) => status === "running").map(({ id }) => id);
    const { runs: newest, next: more } = await take({ limit: SHOWN });
    const seen = new Set(newest.map(({ id }) => id)), oldest = more ? newest.at(-1).startedAt : "";
    // Among the newest there is no room for it any more, or it was removed.
    const gone = [...runs.values()].filter(({ id, startedAt }) => !seen.has(id) && startedAt > oldest);
    for (const id of new Set([...live, ...gone.map(({ id }) => id)])) {
      if (seen.has(id)) continue;
      try {
        runs.set(id, await get(runPath(id), signal));
      } catch (error) {
        if (error.status !== 404) throw error;
        runs.delete(id);
        rows.delete(id);
        chosen.delete(id);
      }
    }
    tellChosen();
    draw();
  };

  const list = make(
    "div",
    {},
    filter,
    make("div.row", {}, compare, count),
    plotted,
    benchmarks,
    make(
      "div.scroll",
      {},
      make(
        "table.runs",
        { role: "table" },
        make("caption.hidden", {}, "Runs"),
        make(
          "thead",
          { role: "rowgroup" },
          make("tr", { role: "row" }, make("td", { role: "cell" }), [...heads.values()]),
        ),
        body,
      ),
    ),
    make(
      "div.row",
      {},
      older,
      makeDownloads("Runs", () => {
        const values = found.map((run) => valuesOf(run, best.get(run.id)));
        return { heads: Object.keys(values[0] ?? {}), rows: values.map(Object.values) };
      }),
    ),
  );
  here.append(make("h1", {}, "Runs"), wrong, list, none);
  showFields();
  tellChosen();
  await load();
  draw();
  // The rest, while the newest stand there already.
  const rest = async () => {
    while (next && runs.size < LOADED && !signal.aborted) await load(next);
    draw();
  };
  const attempt = async (act) => {
    try {
      await act();
      wrong.textContent = "";
    } catch (error) {
      // That the server does not answer is said at the top of the page.
      if (!signal.aborted && error.status < 500) wrong.textContent = error.message;
    }
  };
  attempt(rest);
  let looking = false;
  const timer = setInterval(async () => {
    if (document.hidden || looking) return;
    looking = true;
    await attempt(look);
    looking = false;
  }, LOOK);
  signal.addEventListener("abort", () => clearInterval(timer));
  return "Runs";
}
