/** What a run is, before it begins: a manifest of all that goes in, by its hashes. */
import { basename, resolve } from "node:path";
import project from "../../deno.json" with { type: "json" };
import type { Backend } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { CARD_FILE } from "./card.ts";
import { digestFile, digestKernels, digestModel } from "./digest.ts";
import { fileName, makeManifest } from "./manifest.ts";
import { makeNumerics } from "./numerics.ts";
import type { Corpus, InputFile, Manifest, Plan } from "./record.ts";

/** What is known of a run before it begins. */
export interface Subject extends Pick<Plan, "kind" | "request" | "calibration" | "evaluation" | "tasks"> {
  readonly checkpoint: Pick<Checkpoint, "path" | "sources" | "fingerprints">;
  /** What computes; where that is nothing of its own, what the machine is called. */
  readonly backend: Pick<Backend, "name" | "description" | "arithmetic"> | string;
  /** Files that were read beside the model's, those whose content is known by then with it. */
  readonly files: readonly (string | InputFile)[];
}

/** Calibration sequences or evaluation windows as a run's record has them. */
export function corpusOf(
  { description, length, sha256, protocol, ...how }:
    & Pick<Corpus, "description" | "sha256" | "protocol">
    & { readonly length: number }
    & (
      | { readonly sequences: number }
      | { readonly windows: number }
    ),
): Corpus {
  const sequences = "windows" in how ? how.windows : how.sequences;
  return { description, sequences, seqlen: length, sha256, ...protocol !== undefined && { protocol } };
}

/**
 * The manifest of a run: hashes all that went in.
 * @param args The command line.
 */
export async function describeRun(subject: Subject, args: readonly string[]): Promise<Manifest> {
  const { kind, request, calibration, evaluation, tasks, checkpoint, backend, files } = subject;
  const hash = async (files: readonly (string | InputFile)[]): Promise<InputFile[]> => {
    const hashed = new Map<string, InputFile>();
    for (const file of files) {
      const path = resolve(typeof file === "string" ? file : file.path);
      if (!hashed.has(path)) hashed.set(path, typeof file === "string" ? await digestFile(path) : { ...file, path });
    }
    return [...hashed.values()];
  };
  const sources: string[] = [];
  for (const source of checkpoint.fingerprints ? [] : checkpoint.sources) {
    // What is said of a model is not the model: its card may change (`eval --card`), and nothing that is computed with it.
    if (basename(source) !== CARD_FILE && (await Deno.stat(source)).isFile) sources.push(source);
  }
  const model = await checkpoint.fingerprints?.() ?? await hash(sources),
    others = await hash(files),
    kernels = await digestKernels();
  const computed = (own: Exclude<Subject["backend"], string>) => {
    const name = own.name === "webgpu" ? "webgpu" : "wasm";
    return { backend: name, numerics: makeNumerics(name, own.arithmetic, kernels) } as const;
  };
  const plan: Plan = {
    kind,
    pare: project.version,
    model: { name: modelName(checkpoint.path), sha256: digestModel(model) },
    ...typeof backend === "object" && computed(backend),
    request,
    ...calibration && { calibration: named(calibration) },
    ...evaluation && { evaluation: named(evaluation) },
    ...tasks && { tasks },
  };
  return makeManifest({
    plan,
    args,
    directory: Deno.cwd(),
    inputs: [...model, ...others],
    kernels,
    backend: typeof backend === "object" ? backend.description : backend,
  });
}

/** A corpus that is called by its file's name: where that stands is no part of a plan. */
function named(corpus: Corpus): Corpus {
  return { ...corpus, description: fileName(corpus.description) };
}

/** `owner/name` of a snapshot in the Hub's cache, else the last part of the path. */
export function modelName(path: string): string {
  return hubId(path) ?? basename(resolve(path));
}

/** The id on the Hub of what lies in its cache. */
export function hubId(path: string): string | undefined {
  if (path.startsWith("hf://")) return path.slice("hf://".length);
  const [, id] = /models--([^/\\]+)[/\\]snapshots[/\\]/.exec(`${resolve(path)}/`) ?? [];
  return id?.replace("--", "/");
}
