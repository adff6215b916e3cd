/**
 * Whether a directory is Pare's own, to be replaced: it has the file that Pare puts into every output, and nothing but plain
 * files of the names that Pare writes. Whatever else stands there is somebody's, and stays.
 */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { quote } from "./quote.ts";
import { systemError } from "./system_error.ts";

/** What a pruned model has: which files it was written with, or at least made from, by which its own are named. */
export const MANIFEST = "pare_manifest.json";
/** What a comparison has. */
const COMPARISON = "compare.json";
/** What a pruned model has whatever it was made from: a GGUF file gives these. */
export const OF_MODEL = [
  ...[MANIFEST, "README.md", "model.safetensors", "config.json", "generation_config.json"],
  ...["tokenizer.json", "tokenizer_config.json"],
  "training.json", // of one that was tuned
];
const OF_COMPARISON = [
  ...[COMPARISON, "compare.md", "compare.csv", "compare.svg", "samples.svg"],
  ...["tasks.csv", "tasks.jsonl", "tasks.svg"],
];

/** Larger manifests are none. */
export const LARGEST_MANIFEST = 64 << 20;

/** What of a directory is not Pare's, in words that follow its name; undefined if all of it is. */
export function foreignTo(directory: string): string | undefined {
  try {
    const names = readdirSync(directory), own = ownNames(directory, names);
    if (!own) return `has no ${MANIFEST} by Pare`;
    const foreign = names.sort().find((name) => !own.has(name) || !lstatSync(join(directory, name)).isFile());
    return foreign === undefined ? undefined : `holds ${quote(foreign)}, which is not Pare's`;
  } catch (error) {
    throw systemError("read", directory, error);
  }
}

/** How much an output of Pare's is. */
export function owned(directory: string): { readonly files: number; readonly bytes: number } {
  const sizes = readdirSync(directory).map((name) => lstatSync(join(directory, name)).size);
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** The names that Pare may have written there; undefined if it has written nothing there. */
function ownNames(directory: string, names: readonly string[]): ReadonlySet<string> | undefined {
  if (names.includes(MANIFEST)) {
    const listed = listedIn(join(directory, MANIFEST));
    if (listed) return new Set([...OF_MODEL, ...listed]);
  }
  return names.includes(COMPARISON) ? new Set(OF_COMPARISON) : undefined;
}

/** The names of the files that a manifest says were written; undefined if it is no manifest. */
function listedIn(path: string): string[] | undefined {
  return lstatSync(path).size > LARGEST_MANIFEST ? undefined : listedBy(readFileSync(path, "utf8"));
}

/**
 * The names of the files that a manifest says were written, or (an older one) of its inputs, which a pruned model's files have
 * as well; undefined if it is no manifest.
 */
export function listedBy(text: string): string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // somebody's own file of that name
    throw error;
  }
  const { planId, inputs, outputs = inputs } = Object(value) as {
    planId?: unknown;
    inputs?: unknown;
    outputs?: unknown;
  };
  if (typeof planId !== "string" || !Array.isArray(outputs)) return undefined;
  return outputs.map((file) => basename(String(Object(file).path)));
}
