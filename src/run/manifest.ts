/**
 * A manifest: what a run was asked, what went in, and what it ran on; enough to run it again. It is a file of its own beside
 * the pruned model, so it is read as what anybody may have written.
 */
import { stat } from "node:fs/promises";
import { z } from "zod";
import { digestFile } from "./digest.ts";
import { readAs } from "./json.ts";
import { planId, PlanSchema, Sha256Schema } from "./plan.ts";
import { PareError } from "../errors.ts";
import type { InputFile, Manifest } from "./record.ts";

/** The manifest's name beside a pruned model. */
export const MANIFEST_FILE = "pare_manifest.json";

/** What a manifest looks like. */
export const ManifestSchema: z.ZodType<Manifest> = z.strictObject({
  planId: z.string().regex(/^[0-9a-f]{16}$/, "expected 16 hexadecimal digits"),
  plan: PlanSchema,
  args: z.array(z.string()),
  directory: z.string(),
  inputs: z.array(z.strictObject({ path: z.string(), bytes: z.int().nonnegative(), sha256: Sha256Schema })),
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

/** How an input differs from what a run read. */
export type Change =
  & {
    readonly path: string;
  }
  & (
    | { readonly kind: "missing" }
    | { readonly kind: "size" | "content"; readonly expected: number | string; readonly found: number | string }
  );

/**
 * Compares the input files of a manifest with what stands there now; sizes first, so that a shortened file of many gigabytes
 * is told at once.
 * @param onProgress Told of the bytes that were read since it was told last.
 * @returns The inputs that changed.
 * @throws PareError if a file is there and cannot be read.
 */
export async function checkInputs(
  { inputs }: Pick<Manifest, "inputs">,
  onProgress?: (bytes: number) => void,
): Promise<Change[]> {
  const changes: Change[] = [], same: InputFile[] = [];
  for (const input of inputs) {
    const { path, bytes: expected } = input, found = await sizeOf(path);
    if (found === undefined) changes.push({ path, kind: "missing" });
    else if (found !== expected) changes.push({ path, kind: "size", expected, found });
    else same.push(input);
  }
  for (const { path, sha256: expected } of same) {
    const { sha256: found } = await digestFile(path, onProgress);
    if (found !== expected) changes.push({ path, kind: "content", expected, found });
  }
  return changes;
}

/** A change in words, such as `model.safetensors: 10 bytes, the run read 12`. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case "missing":
      return `${change.path}: no such file any more`;
    case "size":
      return `${change.path}: ${change.found} bytes, the run read ${change.expected}`;
    case "content":
      return `${change.path}: the same size, another content (SHA-256 ${change.found}, the run read ${change.expected})`;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw code === undefined ? error : new PareError(`cannot read ${path}: ${code}`, { cause: error });
  }
}
