/** One run: where it stands, what it was asked, its perplexity beside others, and its linears as a heat map to look into. */
import { follow, get, runPath } from "./api.js";
import { isSame, showBenchmarks } from "./benchmarks.js";
import { makeCommand } from "./command.js";
import { showResults } from "./comparison.js";
import { showCurves, titleOf } from "./curve.js";
import { linkToTag, make, makeFacts, say } from "./dom.js";
import { digits, duration, error, memory, percent, seconds, time } from "./format.js";
import { HeatMap } from "./heatmap.js";
import { showLayer } from "./layer.js";
import { protocolOf } from "./measured.js";
import { askedOf, methodOf, nameOf } from "./names.js";
import { showPerplexities } from "./perplexities.js";
import { factsOf, statusOf } from "./progress.js";
import { makeTable } from "./table.js";

/** Runs that a perplexity is set beside at most: the newest. */
const BESIDE = 500;

/** Milliseconds between two looks at the clock of a live run. */
const TICK = 1000;

/** A path as short as it is where the run was begun. */
const shorten = (path, { directory }) => path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;

function showFacts(run) {
  const { plan, inputs, environment, backend, planId } = run.manifest;
  const { seed } = plan.request;
  return makeFacts({
    model: plan.model.name,
    method: methodOf(run),
    sparsity: askedOf(plan.request),
    seed: seed === undefined ? undefined : String(seed),
    calibration: plan.calibration &&
      `${plan.calibration.description}: ${plan.calibration.sequences} x ${plan.calibration.seqlen} tokens`,
    [plan.backend ? "backend" : "machine"]: backend,
    plan: make("span.id", {}, planId),
    Pare: `${plan.pare}, Deno ${environment.deno}, ${environment.os} ${environment.arch}`,
    inputs: inputs.length ? `${inputs.length} ${inputs.length === 1 ? "file" : "files"}` : undefined,
    began: time(run.startedAt),
    took: duration(run),
    ...factsOf(run),
    phases: Object.entries(run.phases).map(([phase, count]) => `${phase} ${seconds(count)}`).join(", ") || undefined,
    "peak memory": run.peakBytes === undefined ? undefined : memory(run.peakBytes),
    result: run.out && shorten(run.out, run.manifest),
    tags: run.tags?.length ? run.tags.flatMap((tag) => [linkToTag(tag), " "]) : undefined,
    note: run.note && make("span.note", {}, run.note),
    error: run.error && make("span.problem", {}, run.error),
  });
}

/** Puts facts in place; where the same terms stand already, only what changed: text that is being selected stays so. */
function update(place, facts) {
  const [before] = place.children,
    terms = (list) => [...list.querySelectorAll("dt")].map((term) => term.textContent).join();
  if (!before || terms(before) !== terms(facts)) return place.replaceChildren(facts);
  [...facts.children].forEach((one, at) => {
    if (before.children[at].innerHTML !== one.innerHTML) before.children[at].replaceWith(one);
  });
}

/** Every linear as a table, for those who want the numbers. */
const makeLinears = (layers) =>
  makeTable(
    "Linears",
    [
      "linear",
      "block",
      "rows",
      "columns",
      "sparsity",
      "output error",
      "error from",
      "time",
      "damping",
      "mask",
      "weight",
    ],
    layers.map((one) => [
      one.name,
      ...[one.block, one.rows, one.cols].map((value) => ({ number: String(value), value })),
      { number: percent(one.sparsity), value: one.sparsity },
      { number: error(one.outputError), value: one.outputError },
      one.outputErrorFrom,
      { number: seconds(one.seconds), value: one.seconds },
      { number: digits(one.damping), value: one.damping },
      ...[one.maskSha256, one.weightSha256].map((value) => ({ show: make("span.id", {}, value.slice(0, 12)), value })),
    ]),
  );

/** What a bench measured, both sides of every ratio. */
const makeRatios = (ratios) => {
  const side = ({ median, unit, label }) => `${digits(median)} ${unit} ${label}`;
  return makeTable(
    "Ratios",
    ["what", "ratio", "asked", "ours", "against", "repetitions"],
    ratios.map(({ name, ratio, target, ours, theirs }) => [
      name,
      { number: ratio.toFixed(2), value: ratio },
      target && ("least" in target ? `≥ ${target.least}` : `≤ ${target.most}`),
      side(ours),
      side(theirs),
      { number: String(ours.n), value: ours.n },
    ]),
  );
};

/** What a model wrote, behind its prompts. */
const makeText = ({ prompt, text }) => make("pre", {}, make("span.faint", {}, prompt), text);

/** Shows a run. */
export async function showRun(here, signal, id) {
  let run = await get(runPath(id), signal);
  const { runs } = await get(`/api/runs?limit=${BESIDE}`, signal);
  // A run of long ago is not among the newest.
  if (!runs.some((one) => one.id === id)) runs.push(run);
  const isComparison = run.manifest.plan.kind === "compare", isPrune = run.manifest.plan.kind === "prune";
  const isBench = run.manifest.plan.kind === "bench", writes = run.manifest.plan.kind === "generate";
  const layers = new Map(), heading = make("h1"), status = make("p"), facts = make("div"), layer = make("div");
  const perplexities = make("div"),
    benchmarks = make("div"),
    linears = make("div"),
    training = make("div"),
    ratios = make("div"),
    texts = make("div");
  const curve = new Map();
  const heat = new HeatMap((name) => showLayer(layer, id, layers.get(name), signal));
  const numbers = make(
    "details",
    { ontoggle: () => draw.numbers() },
    make("summary", {}, "The same in numbers"),
    linears,
  );
  let drawing = new AbortController(), drawn = "", plotting = new AbortController(), plotted = 0;

  // Each part for itself: what did not change keeps the focus that stands in it.
  const draw = {
    heading: () => heading.textContent = run.name ? `${run.name} (run ${id})` : `Run ${id}`,
    status: () => status.replaceChildren(statusOf(run)),
    facts: () => update(facts, showFacts(run)),
    perplexities: () => {
      const measured = JSON.stringify(run.perplexities);
      if (measured === drawn) return;
      drawn = measured;
      // The plots that go listen no more.
      drawing.abort();
      drawing = new AbortController();
      const each = AbortSignal.any([signal, drawing.signal]);
      perplexities.replaceChildren(...isComparison ? showResults(run, each) : showPerplexities(run, runs, each));
    },
    ratios: () => ratios.replaceChildren(...run.ratios?.length ? [makeRatios(run.ratios)] : []),
    texts: () => texts.replaceChildren(...(run.texts ?? []).map(makeText)),
    benchmarks: () => {
      benchmarks.hidden = !run.tasks.length && !run.manifest.plan.tasks;
      benchmarks.replaceChildren(make("h2", {}, "Benchmarks"), ...showBenchmarks(run));
    },
    training: () => {
      // A curve only grows, or is reported anew from some point on.
      if (!curve.size || plotted === curve.size && run.status === "running") return;
      plotted = curve.size;
      plotting.abort();
      plotting = new AbortController();
      const each = AbortSignal.any([signal, plotting.signal]), points = [...curve.values()];
      const curves = [{ name: nameOf(run), points }];
      training.replaceChildren(make("h2", {}, titleOf(curves)), ...showCurves(curves, each));
    },
    heat: () => heat.show([...layers.values()]),
    numbers: () => numbers.open && linears.replaceChildren(makeLinears([...layers.values()])),
  };
  const keep = (point) => curve.set(`${point.kind} ${point.step ?? point.block}`, point);
  const drawAll = () => Object.values(draw).forEach((part) => part());
  const load = async () => {
    run = await get(runPath(id), signal);
    for (const one of (await get(runPath(id, "layers"), signal)).layers) layers.set(one.name, one);
    for (const one of (await get(runPath(id, "curve"), signal)).points) keep(one);
    drawAll();
  };
  await load();
  here.append(
    heading,
    make("p.faint", {}, nameOf(run)),
    status,
    facts,
    make("h2", {}, "Command that reproduces it"),
    makeCommand(run),
    make(
      "h2",
      {},
      writes ? "What it wrote" : isBench ? "What it measured" : isComparison ? "What it found" : "Perplexity",
    ),
    writes ? texts : isBench ? ratios : perplexities,
    training,
    benchmarks,
    // Evaluations and comparisons leave no linears.
    ...isPrune || layers.size ? [make("h2", {}, "Linears by block and kind"), heat.element, layer, numbers] : [],
  );

  let next, later;
  const hear = {
    progress: (progress) => {
      run = { ...run, progress };
      draw.status();
      draw.facts();
    },
    perplexity: (record) => {
      const other = ({ label, evaluation }) =>
        label !== record.label || protocolOf(evaluation) !== protocolOf(record.evaluation);
      run = { ...run, perplexities: [...run.perplexities.filter(other), record] };
      draw.perplexities();
    },
    task: (record) => {
      run = { ...run, tasks: [...run.tasks.filter((one) => !isSame(one, record)), record] };
      draw.benchmarks();
    },
    labels: async () => {
      run = await get(runPath(id), signal);
      draw.heading();
      draw.facts();
    },
    status: async (news) => {
      if (news.status === "running") return;
      say(`the run is ${news.status}`);
      await load();
    },
    missed: load,
    curve: (point) => {
      keep(point);
      // Steps may come faster than plots are drawn.
      later ??= setTimeout(() => {
        later = undefined;
        draw.training();
      }, TICK);
    },
    linear: (one) => {
      layers.set(one.name, one);
      // Those that were done before come all at once.
      next ??= requestAnimationFrame(() => {
        next = undefined;
        draw.heat();
        draw.numbers();
      });
    },
  };
  if (run.status === "running") {
    // What cannot be asked just now is said at the top of the page, and asked again with the next event.
    follow(id, (kind, data) => Promise.resolve(hear[kind]?.(data)).catch(() => {}), signal);
    const clock = setInterval(() => {
      if (run.status === "running") draw.facts();
      else clearInterval(clock);
    }, TICK);
    signal.addEventListener("abort", () => clearInterval(clock));
  }
  return `Run ${id}`;
}
