/**
 * A manifest: what a run was asked, what went in, and what it ran on; enough to run it again. It is a file of its own beside
 * the pruned model, so it is read as what anybody may have written.
 */
import { resolve } from "node:path";
import { z } from "npm:zod@4.6.7";
import { digestFile, statFile } from "./digest.ts";
import { readAs } from "./json.ts";
import { planId, PlanSchema, Sha256Schema } from "./plan.ts";
import { PareError } from "../errors.ts";
import type { InputFile, Manifest } from "./record.ts";

/** The manifest's name beside a pruned model. */
export const MANIFEST_FILE = "pare_manifest.json";

const CONTENT = { bytes: z.int().nonnegative(), sha256: Sha256Schema };

/** What a manifest looks like. */
export const ManifestSchema: z.ZodType<Manifest> = z.strictObject({
  planId: z.string().regex(/^[0-9a-f]{16}$/, "expected 16 hexadecimal digits"),
  plan: PlanSchema,
  args: z.array(z.string()),
  directory: z.string().optional(),
  inputs: z.array(z.strictObject({ path: z.string(), ...CONTENT, version: z.string().optional() })),
  // A path would lead out of the model's directory.
  outputs: z.array(z.strictObject({ path: z.string().regex(/^(?!\.\.?$)[^/\\\0]+$/, "expected a name"), ...CONTENT }))
    .optional(),
  permutations: z.record(z.string(), z.base64()).optional(),
  kernels: z.record(z.string(), Sha256Schema),
  environment: z.strictObject({ deno: z.string(), v8: z.string(), os: z.string(), arch: z.string() }),
  backend: z.string(),
});

/** What only the run knows; the rest of the manifest follows. */
export type Facts = Omit<Manifest, "planId" | "environment">;

/** The manifest of a run on this machine. */
export function makeManifest(facts: Facts): Manifest {
  return {
    planId: planId(facts.plan),
    ...facts,
    environment: { deno: Deno.version.deno, v8: Deno.version.v8, os: Deno.build.os, arch: Deno.build.arch },
  };
}

/** A manifest as it stands in its file. */
export function manifestText(manifest: Manifest): string {
  return JSON.stringify(manifest, undefined, 2) + "\n";
}

/**
 * Reads a manifest.
 * @param path Where it stood, for errors.
 * @throws PareError naming the field if it is none, or if its plan is not the one that its id names.
 */
export function parseManifest(text: string, path: string): Manifest {
  const manifest = readAs(ManifestSchema, text, path, "manifest");
  const id = planId(manifest.plan);
  if (manifest.planId !== id) {
    throw new PareError(`${path}: the plan was changed: planId says ${manifest.planId}, the plan's content is ${id}`);
  }
  return manifest;
}

/** How a model is named that is given away, and by which path the run knew it. */
export interface Named {
  /** Its id on the Hub, or its directory's name. */
  readonly name: string;
  /** Where it stood. */
  readonly path: string;
}

/** A manifest as it travels with a pruned model: where on this machine things stood is nobody's business. */
export function publicManifest({ directory = "", args, inputs, ...rest }: Manifest, model: Named): Manifest {
  const isModel = (value: string) =>
    value === model.name || resolve(directory, value) === resolve(directory, model.path);
  const named = (arg: string): string => {
    // What may stand before a path: a flag, and the words of `src/text/corpus.ts`.
    const [, before, path] = /^((?:--[^=]*=)?(?:(?:c4|wikitext2|ptb):(?:(?:train|validation|test):)?)?)(.*)$/s.exec(
      arg,
    )!;
    if (isModel(path)) return before + model.name;
    if (path.startsWith("/dev/")) return arg; // stdin is called the same everywhere
    return before + fileName(path);
  };
  return { ...rest, args: args.map(named), inputs: inputs.map((input) => ({ ...input, path: fileName(input.path) })) };
}

/** The last part of a path of any system. */
export function fileName(path: string): string {
  return path.split(/[/\\]/).findLast((part) => part) ?? path;
}

/** How a file differs from what a run read or wrote. */
export type Change =
  & {
    readonly path: string;
  }
  & (
    | { readonly kind: "missing" | "content" }
    | { readonly kind: "size"; readonly expected: number; readonly found: number }
  );

/** Which of some files are missing or of another size, of which nothing is read. @throws PareError as {@linkcode statFile}. */
export async function checkSizes(files: readonly InputFile[]): Promise<Change[]> {
  const changes: Change[] = [];
  for (const { path, bytes: expected } of files) {
    const found = await sizeOf(path);
    if (found === undefined) changes.push({ path, kind: "missing" });
    else if (found !== expected) changes.push({ path, kind: "size", expected, found });
  }
  return changes;
}

/**
 * Compares files with what a manifest says of them; sizes first, so that a shortened file of many gigabytes is told at once.
 * @param onProgress Told of the bytes that were read since it was told last.
 * @returns The files that changed.
 * @throws PareError if one is there and cannot be read, or is no regular file.
 */
export async function checkFiles(files: readonly InputFile[], onProgress?: (bytes: number) => void): Promise<Change[]> {
  const changes = await checkSizes(files), told = new Set(changes.map(({ path }) => path));
  for (const { path, sha256 } of files) {
    // That it is another one is enough to know: a manifest may name whatever file it likes.
    if (told.has(path) || (await digestFile(path, onProgress)).sha256 === sha256) continue;
    changes.push({ path, kind: "content" });
  }
  return changes;
}

/** A change in words, such as `model.safetensors: 10 bytes, the run read 12`; `did` is what the run did with it. */
export function describeChange(change: Change, did: "read" | "wrote" = "read"): string {
  switch (change.kind) {
    case "missing":
      return `${change.path}: no such file any more`;
    case "size":
      return `${change.path}: ${change.found} bytes, the run ${did} ${change.expected}`;
    case "content":
      return `${change.path}: the same size, another content`;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await statFile(path)).size;
  } catch (error) {
    const { code } = Object((error as Error).cause) as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
