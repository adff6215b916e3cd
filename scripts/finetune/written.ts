/** What a training leaves: the tuned model under its mask, LoRA's adapters as PEFT loads them, and how it went. */
import { join } from "node:path";
import { digestFile } from "../../src/run/digest.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import { writeTensors } from "../../src/checkpoint/tensor_file.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_MODEL,
  type CheckpointWriter,
  type EvaluationRecord,
  linearsOf,
  type LoraAdapters,
  MASK_FILE,
  maskTensors,
  peftConfig,
  peftTensors,
  reserve,
} from "../../src/mod.ts";
import { CARD_FILE } from "../../src/run/card.ts";
import { commandLine } from "../../src/run/command.ts";
import { fenced, inline } from "../../src/run/markdown.ts";
import { hubId } from "../../src/run/describe.ts";
import { MANIFEST_FILE, manifestText, publicManifest } from "../../src/run/manifest.ts";
import type { Manifest } from "../../src/run/record.ts";
import type { Context } from "../../src/cli/run.ts";
import type { Prepared } from "./prepared.ts";

/** How a training went, beside the model that it gave. */
export const CURVE_FILE = "training.json";

/** What is told of a training beside the model that it gave. */
export interface Told {
  /** What was measured on held-out text before, and of what was written. */
  readonly before: EvaluationRecord;
  readonly best: EvaluationRecord;
  /** How many steps were taken, or blocks were fitted. */
  readonly steps: number;
  readonly unit: "steps" | "blocks";
}

/** Writes the adapters of a training into a directory of their own. */
export async function writeAdapter(
  task: Prepared,
  adapters: LoraAdapters,
  values: FinetuneValues,
  manifest: Manifest,
  syncDirectory: Context["syncDirectory"],
): Promise<void> {
  const { checkpoint, spec, backend, masks } = task, { unmasked, rank, alpha, dropout, force } = values;
  const place = reserve(values.adapter!, [checkpoint.path, ...checkpoint.sources], force, false, syncDirectory);
  try {
    const base = hubId(checkpoint.path) ?? checkpoint.path, at = (file: string) => join(place.partial, file);
    await Deno.writeTextFile(at(ADAPTER_CONFIG), peftConfig(adapters, spec, { base, rank, alpha, dropout }));
    writeTensors(at(ADAPTER_MODEL), peftTensors(adapters));
    const kept = await maskTensors(backend, spec.blocks.flatMap(linearsOf), (linear) => masks.get(linear));
    if (kept.length && !unmasked) writeTensors(at(MASK_FILE), kept);
    const outputs = [];
    for await (const { name } of Deno.readDir(place.partial)) {
      outputs.push({ ...await digestFile(at(name)), path: name });
    }
    outputs.sort((a, b) => a.path < b.path ? -1 : 1);
    await Deno.writeTextFile(at(MANIFEST_FILE), manifestText({ ...publicOf(manifest, task), outputs }));
    await place.commit();
  } catch (error) {
    place.abort();
    throw error;
  }
}

/** A manifest as it is given away. */
function publicOf(manifest: Manifest, { checkpoint }: Prepared): Manifest {
  return publicManifest(manifest, { name: manifest.plan.model.name, path: checkpoint.path });
}

/** What was done, by the mode. */
const DONE: Readonly<Record<string, string>> = {
  lora: "LoRA, merged",
  full: "all weights that are kept",
  reconstruct: "kept weights fitted to the dense model's hidden states, block by block",
};

/** What the base's card does not say yet: that the model was trained, and how to repeat it. */
function cardOf(base: string, manifest: Manifest, { before, best, steps, unit }: Told): string {
  const { plan } = manifest, perplexity = ({ loss }: { readonly loss: number }) => Math.exp(loss).toFixed(3);
  return `${base.trimEnd()}\n\n## Fine-tuned with its mask held\n\nTrained further by Pare ${inline(plan.pare)} (${
    DONE[String(plan.request.method)]
  }, ${steps} ${unit} on ${inline(plan.calibration!.description)}): perplexity on held-out windows of that text ${
    perplexity(before)
  } before, ${perplexity(best)} after.\n\n${fenced(commandLine(manifest))}\n`;
}

/**
 * Writes the tuned model to the end, whose tensors the writer has: it stands in its place then.
 * @param curve How it went: the content of {@linkcode CURVE_FILE}.
 * @returns The manifest with what was written.
 */
export async function writeModel(
  task: Prepared,
  writer: CheckpointWriter,
  manifest: Manifest,
  told: Told,
  curve: unknown,
): Promise<Manifest> {
  let complete = manifest;
  const base = await task.checkpoint.readText(CARD_FILE);
  await writer.finish((written) => {
    complete = {
      ...manifest,
      outputs: written.filter(({ path }) => ![CARD_FILE, MANIFEST_FILE, CURVE_FILE].includes(path)),
    };
    const published = publicOf(complete, task);
    return {
      ...base !== undefined && { [CARD_FILE]: cardOf(base, published, told) },
      [CURVE_FILE]: `${JSON.stringify(curve)}\n`,
      [MANIFEST_FILE]: manifestText(published),
    };
  });
  return complete;
}
