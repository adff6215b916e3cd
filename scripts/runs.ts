/** `pare runs …`: the registry, looked at and put in order. */
import { join } from "node:path";
import type { Values } from "../src/cli/flags.ts";
import type { Outcome } from "../src/cli/run.ts";
import { RUNS_COMMANDS } from "../src/cli/runs_command.ts";
import { commandLine } from "../src/run/command.ts";
import { NoRegistry } from "../src/run/database.ts";
import { defaultRegistry } from "../src/run/place.ts";
import { Registry } from "../src/run/registry.ts";
import { isFile } from "./shared/common.ts";
import { plain, runFacts, runTable } from "./runs/text.ts";

type Subcommand = keyof typeof RUNS_COMMANDS;
type Given<Name extends Subcommand> = Values<typeof RUNS_COMMANDS[Name]["flags"]>;

function open({ runs }: { readonly runs?: string }, mode: "read" | "write"): Registry {
  return Registry.open(runs ?? defaultRegistry(), { mode });
}

function list({ json: _, runs, ...filter }: Given<"list">): Promise<Outcome> {
  let page: ReturnType<Registry["list"]> | undefined;
  try {
    using registry = open({ runs }, "read");
    page = registry.list(filter);
  } catch (error) {
    // Before the first run there is none, which is a mistake only if a certain one is asked for.
    if (runs !== undefined || !(error instanceof NoRegistry)) throw error;
  }
  if (!page) {
    return Promise.resolve({ text: "no runs yet: prune, eval and compare leave one each", json: { runs: [] } });
  }
  const more = page.next === undefined ? [] : ["and older ones: --limit N shows more"];
  const text = [page.runs.length ? runTable(page.runs) : "no such runs", ...more].join("\n");
  return Promise.resolve({ text, json: { ...page } });
}

function show(values: Given<"show">): Promise<Outcome> {
  using registry = open(values, "read");
  const run = registry.find(values.run), layers = registry.layers(run.id);
  const curve = registry.curvePoints(run.id),
    text = `${runFacts(run, layers, curve)}\n\n${plain(commandLine(run.manifest))}`;
  return Promise.resolve({ text, json: { run, layers, curve } });
}

/** Changes the labels of a run, and shows it as it is then. */
function label(
  values: Pick<Given<"show">, "run" | "runs">,
  change: Parameters<Registry["label"]>[1],
): Promise<Outcome> {
  using registry = open(values, "write");
  const { id } = registry.find(values.run);
  registry.label(id, change);
  const run = registry.get(id)!;
  return Promise.resolve({ text: runTable([run]), json: { run } });
}

async function remove(values: Given<"rm">): Promise<Outcome> {
  using registry = open(values, "write");
  // All are found before one is gone.
  const found = new Map(values.run.map((reference) => registry.find(reference)).map((run) => [run.id, run]));
  for (const id of found.keys()) registry.remove(id);
  const outputs = [...found.values()].flatMap(({ out }) => out ?? []), left: string[] = [];
  for (const out of outputs) if (await isFile(join(out, "config.json"))) left.push(out);
  return {
    text: [`removed: ${[...found.keys()].join(", ")}`, ...left.map((out) => `${out} stays where it is`)].join("\n"),
    json: { removed: [...found.keys()] },
  };
}

/** A command with what carries it out, by its name. */
const program = <Name extends Subcommand>(name: Name, main: (values: Given<Name>) => Promise<Outcome>) =>
  [`runs ${name}`, () => Promise.resolve([RUNS_COMMANDS[name], main] as const)] as const;

/** What each of `pare runs` runs, by the command's name. */
export const programs: Readonly<Record<string, () => Promise<unknown>>> = Object.fromEntries([
  program("list", list),
  program("show", show),
  program("name", (values: Given<"name">) => label(values, { name: values.name })),
  program("tag", (values: Given<"tag">) => label(values, values.remove ? { untag: values.tag } : { tags: values.tag })),
  program("note", (values: Given<"note">) => label(values, { note: values.note })),
  program("rm", remove),
]);
