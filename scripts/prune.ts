/** `deno task prune`: reads the flags, composes the pass, prints what came of it. */
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { pruneCommand, type PruneValues, settle } from "../src/cli/prune_command.ts";
import { table } from "../src/cli/table.ts";
import { peakMemory } from "../src/cli/terminal.ts";
import { showBytes, showCount, showSeconds, showShare } from "../src/cli/units.ts";
import {
  type Calibration,
  calibrationSequences,
  type Checkpoint,
  chooseTargets,
  createWriter,
  findMethod,
  type LinearReport,
  LINEARS,
  loadTokenizer,
  makeRequest,
  openBackend,
  openCheckpoint,
  parseGroup,
  parsePattern,
  type Plan,
  planPrune,
  prune,
  readShape,
  release,
  type Shape,
} from "../src/mod.ts";
import { defaultSeqlen, downloads } from "./shared.ts";

function calibrate(values: PruneValues, checkpoint: Checkpoint, shape: Shape, context: Context): Promise<Calibration> {
  if (values.calibration === "sample") {
    context.terminal.note("calibration: a few chapters of Austen that come with Pare; for results to publish use c4");
  }
  return calibrationSequences(values.calibration, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: shape.vocabulary,
    samples: values.samples,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(shape),
    seed: values.seed,
    onProgress: downloads(context.terminal),
  });
}

function planLines(plan: Plan, backend: string): string[] {
  const { hiddenBytes, spooled } = plan;
  return [
    `backend: ${backend}`,
    `to prune: ${showCount(plan.weights)} weights of ${plan.linears} linears`,
    `to read: ${showBytes(plan.readBytes)}; hidden states: ${showBytes(hiddenBytes)}${spooled ? ", in a file" : ""}`,
    `estimates: peak memory ${showBytes(plan.peakBytes)}, time ${showSeconds(plan.seconds)}`,
  ];
}

/** One row for each kind of linear, and their sum. */
function summary(reports: readonly LinearReport[]): string {
  const row = (label: string, group: readonly LinearReport[]): string[] => {
    const weights = group.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
    const zeros = group.reduce((sum, report) => sum + report.zeros, 0);
    return [label, `${group.length}`, showCount(weights), showCount(zeros), showShare(zeros / weights)];
  };
  const kinds = LINEARS.map((linear) => [linear, reports.filter(({ name }) => name.endsWith(linear))] as const);
  const rows = kinds.filter(([, group]) => group.length).map(([linear, group]) => row(linear, group));
  return table(["linear", "count", "weights", "zeros", "sparsity"], [...rows, row("all", reports)]);
}

async function main(given: Parameters<typeof settle>[0], context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  const values = settle(given, (line) => terminal.note(line));
  const method = findMethod(values.method);
  const request = makeRequest(method, {
    sparsity: values.sparsity,
    pattern: values.pattern === undefined ? undefined : parsePattern(values.pattern),
    group: values.group === undefined ? undefined : parseGroup(values.group),
    variant: values.variant,
  });
  await using checkpoint = await openCheckpoint(values.model, { onProgress: downloads(terminal) });
  const shape = readShape(checkpoint);
  const targets = chooseTargets(shape, request, values);
  // Taken before the work begins: what is wrong with the output should not be found out after an hour.
  await using writer = values.dryRun ? undefined : await createWriter(checkpoint, values.out!, { force: values.force });
  signal.addEventListener("abort", () => writer?.abort());
  const calibration = method.statistic === "none" ? undefined : await calibrate(values, checkpoint, shape, context);
  await using backend = await openBackend(values.backend, { workers: values.workers });
  const spool = { always: values.spool !== undefined, directory: values.spool || undefined };
  const plan = await planPrune(backend, checkpoint, shape, targets, calibration, spool);
  const json = {
    model: checkpoint.path,
    method: method.name,
    ...request,
    backend: { name: backend.name, description: backend.description },
    calibration: calibration && {
      description: calibration.description,
      sequences: calibration.sequences,
      seqlen: calibration.length,
      sha256: calibration.sha256,
    },
    plan,
  };
  const lines = planLines(plan, `${backend.name} (${backend.description})`);
  if (calibration) {
    const { sequences, length, description } = calibration;
    lines.unshift(`calibration: ${sequences} x ${length} tokens of ${description}`);
  }
  if (!writer) return { text: lines.join("\n"), json };
  for (const line of lines) terminal.note(line);

  const reports = await prune({
    checkpoint,
    backend,
    method,
    request,
    targets,
    calibration,
    spool,
    signal,
    write: async (name, bytes) => {
      await writer.write(name, bytes);
      release(bytes);
    },
    onProgress: ({ phase, block, blocks, tokens, totalTokens }) =>
      terminal.progress({
        label: `block ${block + 1} of ${blocks}`,
        detail: phase,
        done: tokens,
        total: totalTokens,
        unit: "tokens",
      }),
  });
  await writer.finish();
  const seconds = (performance.now() - start) / 1000;
  const text = [
    summary(reports),
    `${values.out}: written in ${showSeconds(seconds)}, peak memory ${showBytes(peakMemory())}`,
  ].join("\n\n");
  return {
    text,
    json: {
      ...json,
      out: values.out,
      linears: reports,
      seconds,
      peakBytes: peakMemory(),
      operations: await backend.seconds(),
    },
  };
}

if (import.meta.main) await run(pruneCommand, main);
