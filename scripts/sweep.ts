/** `deno task sweep`: a grid becomes plans, one a line, each tried against the flags of `prune` before it is written. */
import { dirname, join, resolve } from "node:path";
import { parse, spelling, type Values } from "../src/cli/flags.ts";
import { normalizeFlags, pruneCommand } from "../src/cli/prune_command.ts";
import { type Outcome, run } from "../src/cli/run.ts";
import { sweepCommand } from "../src/cli/sweep_command.ts";
import { showBytes, showSeconds } from "../src/cli/units.ts";
import { PareError } from "../src/mod.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";
import { NoRegistry } from "../src/run/database.ts";
import { labelsOf } from "../src/run/labels.ts";
import { fileName, MANIFEST_FILE } from "../src/run/manifest.ts";
import { defaultRegistry } from "../src/run/place.ts";
import { NO_RUNS } from "../src/run/recorder.ts";
import { Registry } from "../src/run/registry.ts";
import { expandGrid, movePaths, parseGrid, sweepArguments, type SweepLine, sweepText } from "../src/run/sweep.ts";
import { resolveRequest } from "./prune/request.ts";
import { isFile } from "./shared/common.ts";
import { readNamed } from "./shared/plans.ts";

/** What a command line of `prune` is refused for is told now, not in the night. */
function check(line: SweepLine, number: number) {
  try {
    for (const [name, flag] of Object.entries(pruneCommand.flags)) {
      const given = line[spelling(name)];
      if (flag.kind === "values" || !Array.isArray(given) || given.length < 2) continue;
      throw new PareError(`flags.${spelling(name)}: a list, and prune takes one: of each a grid of its own`);
    }
    const values = parse(pruneCommand, sweepArguments(line));
    if (values === "help") throw new PareError("--help is no plan");
    labelsOf(values);
    return resolveRequest(normalizeFlags(values, () => {}));
  } catch (error) {
    throw error instanceof PareError ? new PareError(`plan ${number}: ${error.message}`) : error;
  }
}

/** Bytes of a model's weights, where it lies here: a pruned model has as many. */
async function weightBytes(model: string): Promise<number | undefined> {
  const found = await Deno.stat(model).catch(insteadOf(UNSEEN, undefined));
  if (!found?.isDirectory) return found?.size;
  let bytes = 0;
  for await (const { name } of Deno.readDir(model)) {
    if (name.endsWith(".safetensors")) bytes += (await Deno.stat(join(model, name))).size;
  }
  return bytes || undefined;
}

/** Seconds that the newest finished run of the same model and method took, where the registry has one. */
function knownSeconds(path: string): (model: string, method: string) => number | undefined {
  const known = new Map<string, number | undefined>();
  const ask = (model: string, method: string) => {
    try {
      using registry = Registry.open(path, { mode: "read" });
      const [run] = registry.list({ model, method, status: "finished", limit: 1 }).runs;
      return run && Object.values(run.phases).reduce((a, b) => a + b, 0);
    } catch (error) {
      if (error instanceof NoRegistry) return undefined;
      throw error;
    }
  };
  return (model, method) => {
    const key = JSON.stringify([model, method]);
    if (!known.has(key)) known.set(key, ask(model, method));
    return known.get(key);
  };
}

/** What all plans together take, as far as it is known. */
async function estimate(lines: readonly SweepLine[], folder: string, registry: string | undefined) {
  const secondsOf = registry === undefined ? () => undefined : knownSeconds(registry);
  const sizes = new Map<string, number | undefined>(), unknown = { bytes: 0, seconds: 0 };
  let bytes = 0, seconds = 0, done = 0;
  for (const { model, method, out } of lines) {
    if (!sizes.has(model)) sizes.set(model, await weightBytes(resolve(folder, model)));
    const size = sizes.get(model);
    const time = secondsOf(model.includes("/") && size === undefined ? model : fileName(model), String(method));
    if (size === undefined) unknown.bytes++;
    if (time === undefined) unknown.seconds++;
    bytes += size ?? 0;
    seconds += time ?? 0;
    if (await isFile(resolve(folder, out, MANIFEST_FILE))) done++;
  }
  return { bytes, seconds, done, unknown };
}

async function main(values: Values<typeof sweepCommand.flags>): Promise<Outcome> {
  const text = await readNamed(values.grid, "--grid"), given = parseGrid(text, values.grid);
  const grid = { ...given, name: given.name ?? fileName(values.grid).replace(/\.json$/, "").replace(/[^\w.-]+/g, "-") };
  const from = dirname(resolve(values.grid)), to = values.out === undefined ? from : dirname(resolve(values.out));
  const lines: SweepLine[] = [];
  const draws = (method: string) =>
    check({ ...grid.flags, method, model: grid.models[0], out: grid.out }, 0).calibrated;
  for (const line of expandGrid(grid, draws)) {
    check(line, lines.length);
    lines.push(await movePaths(line, from, to));
  }
  const registry = values.runs === NO_RUNS ? undefined : values.runs ?? defaultRegistry();
  const { bytes, seconds, done, unknown } = await estimate(lines, to, registry);
  if (values.out !== undefined) {
    try {
      await Deno.writeTextFile(values.out, sweepText(lines), { createNew: !values.force });
    } catch (error) {
      const why = error instanceof Deno.errors.AlreadyExists
        ? "it exists; --force replaces it"
        : `cannot be written: ${(error as Error).message}`;
      throw new PareError(`--out ${values.out}: ${why}`);
    }
  }
  const count = lines.length,
    beside = (known: string, missing: number, what: string) =>
      missing === count ? `not known: ${what}` : missing ? `${known}, and of ${missing} not known: ${what}` : known;
  return {
    text: [
      `${count} plan${count > 1 ? "s" : ""}${done ? `, ${done} done` : ""}; tag sweep-${grid.name}`,
      `to write: ${beside(showBytes(bytes), unknown.bytes, "those models are not on this machine")}`,
      `time: ${
        beside(
          `${showSeconds(seconds)} one after the other, by earlier runs`,
          unknown.seconds,
          "no such run has finished yet",
        )
      }`,
      values.out === undefined
        ? "nothing is written: --out FILE.jsonl writes them"
        : `${values.out}: run one by prune --plans ${values.out} --index N, N from 0 to ${count - 1}`,
    ].join("\n"),
    json: { plans: count, done, tag: `sweep-${grid.name}`, bytes, seconds, unknown, out: values.out, lines },
  };
}

/** What `pare sweep` runs. */
export const program = [sweepCommand, main] as const;

if (import.meta.main) await run(...program);
