/** One run: where it stands, what it was asked, its perplexity beside others, and its linears as a heat map to look into. */
import { follow, get, runPath } from "./api.js";
import { digits, duration, make, makeFacts, say, time } from "./dom.js";
import { HeatMap } from "./heatmap.js";
import { showLayer } from "./layer.js";
import { showPerplexities } from "./perplexities.js";
import { progressOf } from "./progress.js";

/** Runs that a perplexity is set beside at most: the newest. */
const BESIDE = 500;

/** An argument as a shell takes it. */
const quote = (argument) => /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/** The command line that does it again. */
const commandOf = ({ plan, args }) => ["deno task", plan.kind, ...args.map(quote)].join(" ");

function showCommand(manifest) {
  const command = make("code", {}, commandOf(manifest));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      say("copied");
      button.textContent = "Copied";
    } catch {
      // Without TLS, browsers give the clipboard to localhost alone; what is selected can be copied by hand.
      getSelection().selectAllChildren(command);
      say("selected; copy it with the keyboard");
    }
  };
  const button = make("button", { type: "button", onclick: copy }, "Copy");
  return [make("h2", {}, "Command that reproduces it"), make("pre", { tabindex: "0" }, command), button];
}

function showFacts(run) {
  const { plan, inputs, environment, backend, planId } = run.manifest;
  const { method, pattern, sparsity, seed } = plan.request;
  return makeFacts({
    model: plan.model.name,
    method: method && String(method),
    pattern: pattern && String(pattern),
    sparsity: sparsity === undefined ? undefined : String(sparsity),
    seed: seed === undefined ? undefined : String(seed),
    calibration: plan.calibration &&
      `${plan.calibration.description}: ${plan.calibration.sequences} x ${plan.calibration.seqlen} tokens`,
    backend,
    plan: make("span.id", {}, planId),
    Pare: `${plan.pare}, Deno ${environment.deno}, ${environment.os} ${environment.arch}`,
    inputs: inputs.length ? `${inputs.length} files` : undefined,
    began: time(run.startedAt),
    took: duration(run),
    phases: Object.entries(run.phases).map(([phase, seconds]) => `${phase} ${digits(seconds)} s`).join(", ") ||
      undefined,
    "peak memory": run.peakBytes === undefined ? undefined : `${digits(run.peakBytes / 2 ** 30)} GiB`,
    result: run.out,
    error: run.error && make("span.problem", {}, run.error),
  });
}

/** Shows a run. */
export async function showRun(here, signal, id) {
  let run = await get(runPath(id), signal);
  const layers = new Map(), status = make("p"), facts = make("div"), perplexities = make("div"), layer = make("div");
  const heat = new HeatMap((name) => showLayer(layer, id, layers.get(name), signal));
  const { runs } = await get(`/api/runs?limit=${BESIDE}`, signal);
  // A run of long ago is not among the newest.
  if (!runs.some((one) => one.id === id)) runs.push(run);

  // Each part for itself: what did not change keeps the focus that stands in it.
  const draw = {
    status: () =>
      status.replaceChildren(
        run.status === "running" ? progressOf(run.progress) : make(`span.status.${run.status}`, {}, run.status),
      ),
    facts: () => facts.replaceChildren(showFacts(run)),
    perplexities: () => perplexities.replaceChildren(...showPerplexities(run, runs)),
    heat: () => heat.show([...layers.values()]),
  };
  for (const one of (await get(runPath(id, "layers"), signal)).layers) layers.set(one.name, one);
  Object.values(draw).forEach((part) => part());
  here.append(
    make("h1", {}, `Run ${id}`),
    status,
    facts,
    ...showCommand(run.manifest),
    make("h2", {}, "Perplexity"),
    perplexities,
    make("h2", {}, "Linears by block and kind"),
    heat.element,
    layer,
  );

  let drawing;
  const hear = {
    progress: (progress) => {
      run = { ...run, progress };
      draw.status();
    },
    perplexity: (record) => {
      run = { ...run, perplexities: [...run.perplexities.filter(({ label }) => label !== record.label), record] };
      draw.perplexities();
    },
    status: async (news) => {
      if (news.status === "running") return;
      say(`the run is ${news.status}`);
      run = await get(runPath(id), signal);
      Object.values(draw).forEach((part) => part());
    },
    linear: (one) => {
      layers.set(one.name, one);
      // Those that were done before come all at once.
      drawing ??= requestAnimationFrame(() => {
        drawing = undefined;
        draw.heat();
      });
    },
  };
  if (run.status === "running") follow(id, (kind, data) => hear[kind]?.(data), signal);
  return `Run ${id}`;
}
