/** What a training leaves: the tuned model under its mask, LoRA's adapters as PEFT loads them, and how it went. */
import { join } from "node:path";
import { writeTensors } from "../../checkpoint/tensor_file.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_MODEL,
  type Backend,
  type BlockReconstruction,
  type Checkpoint,
  type CheckpointWriter,
  type EvaluationRecord,
  linearsOf,
  type LoraAdapters,
  MASK_FILE,
  type Masks,
  maskTensors,
  type ModelSpec,
  type PeftAbout,
  peftConfig,
  peftTensors,
  reserve,
  type SpoolOptions,
  type StepRecord,
  type Tuned,
} from "../../mod.ts";
import type { Packed } from "../../text/packed.ts";
import { CARD_FILE } from "../card.ts";
import { commandLine } from "../command.ts";
import { hubId } from "../describe.ts";
import { digestFile } from "../digest.ts";
import { MANIFEST_FILE, manifestText, publicManifest } from "../manifest.ts";
import { fenced, inline } from "../markdown.ts";
import type { Manifest } from "../record.ts";
import type { Recorder } from "../recorder.ts";

/** How a training went, beside the model that it gave. */
const CURVE_FILE = "training.json";

/** What is trained, on what, and who takes what comes of it. */
export interface TrainingPass {
  readonly checkpoint: Checkpoint;
  readonly spec: ModelSpec;
  readonly backend: Backend;
  readonly masks: Masks;
  readonly text: Packed;
  readonly spool: SpoolOptions;
  /** Steps or blocks between two evaluations. */
  readonly evalEvery: number;
  /** After so many seconds no step or block is begun. */
  readonly mostSeconds: number;
  /** Whether it is to go on with what an earlier run has left. */
  readonly resume: boolean;
  readonly manifest: Manifest;
  readonly writer: CheckpointWriter;
  readonly recorder: Recorder;
}

/** What a training came to, over all runs that were gone on with. */
export interface Trained {
  /** What it went by, how many of them were done, and what each came to. */
  readonly unit: "steps" | "blocks";
  readonly done: number;
  readonly steps?: readonly StepRecord[];
  readonly reconstructions?: readonly BlockReconstruction[];
  /** On held-out text: the first is from before anything was trained. */
  readonly evaluations: readonly EvaluationRecord[];
  /** The one whose state was written. */
  readonly best: EvaluationRecord;
  /** Why it ended early, if it did. */
  readonly ended?: Tuned["ended"];
  /** Weights of the linears that are zero in what was written. */
  readonly zeros: number;
  /** Of the training, evaluations among them. */
  readonly seconds: number;
  /** The manifest with what was written. */
  readonly manifest: Manifest;
}

/** How a training went, before it is written. */
type Course = Omit<Trained, "manifest">;

/** Where adapters go, and what stands of them beside their numbers. */
export interface AdapterOutput extends Omit<PeftAbout, "base"> {
  readonly directory: string;
  /** Whether they fill removed weights: no mask stands beside them then. */
  readonly unmasked: boolean;
  /** Whether what Pare wrote there is replaced. */
  readonly force: boolean;
  /** As `reserve` takes it. */
  readonly syncParent: (directory: string) => Promise<void>;
}

/** Writes the adapters of a training into a directory of their own. */
export async function writeAdapter(
  { checkpoint, spec, backend, masks, manifest }: TrainingPass,
  adapters: LoraAdapters,
  { directory, unmasked, force, syncParent, ...about }: AdapterOutput,
): Promise<void> {
  const place = reserve(directory, [checkpoint.path, ...checkpoint.sources], force, false, syncParent);
  try {
    const base = hubId(checkpoint.path) ?? checkpoint.path, at = (file: string) => join(place.partial, file);
    await Deno.writeTextFile(at(ADAPTER_CONFIG), peftConfig(adapters, spec, { base, ...about }));
    writeTensors(at(ADAPTER_MODEL), peftTensors(adapters));
    const kept = await maskTensors(backend, spec.blocks.flatMap(linearsOf), (linear) => masks.get(linear));
    if (kept.length && !unmasked) writeTensors(at(MASK_FILE), kept);
    const outputs = [];
    for await (const { name } of Deno.readDir(place.partial)) {
      outputs.push({ ...await digestFile(at(name)), path: name });
    }
    outputs.sort((a, b) => a.path < b.path ? -1 : 1);
    await Deno.writeTextFile(at(MANIFEST_FILE), manifestText({ ...publicOf(manifest, checkpoint), outputs }));
    await place.commit();
  } catch (error) {
    place.abort();
    throw error;
  }
}

/** A manifest as it is given away. */
function publicOf(manifest: Manifest, { path }: Checkpoint): Manifest {
  return publicManifest(manifest, { name: manifest.plan.model.name, path });
}

/** What was done, by the mode. */
const DONE: Readonly<Record<string, string>> = {
  lora: "LoRA, merged",
  full: "all weights that are kept",
  reconstruct: "kept weights fitted to the dense model's hidden states, block by block",
};

/** What the base's card does not say yet: that the model was trained, and how to repeat it. */
function cardOf(base: string, manifest: Manifest, { evaluations: [before], best, done, unit }: Course): string {
  const { plan } = manifest, perplexity = ({ loss }: { readonly loss: number }) => Math.exp(loss).toFixed(3);
  return `${base.trimEnd()}\n\n## Fine-tuned with its mask held\n\nTrained further by Pare ${inline(plan.pare)} (${
    DONE[String(plan.request.method)]
  }, ${done} ${unit} on ${inline(plan.calibration!.description)}): perplexity on held-out windows of that text ${
    perplexity(before)
  } before, ${perplexity(best)} after.\n\n${fenced(commandLine(manifest))}\n`;
}

/** Writes the tuned model to the end, whose tensors the writer has: it stands in its place then. */
export async function writeModel({ checkpoint, writer, manifest }: TrainingPass, course: Course): Promise<Trained> {
  const { steps, reconstructions, evaluations, best, ended } = course;
  const curve = steps ? { steps, evaluations, best, ended } : { reconstructions, evaluations };
  let complete = manifest;
  const base = await checkpoint.readText(CARD_FILE);
  await writer.finish((written) => {
    complete = {
      ...manifest,
      outputs: written.filter(({ path }) => ![CARD_FILE, MANIFEST_FILE, CURVE_FILE].includes(path)),
    };
    const published = publicOf(complete, checkpoint);
    return {
      ...base !== undefined && { [CARD_FILE]: cardOf(base, published, course) },
      [CURVE_FILE]: `${JSON.stringify(curve)}\n`,
      [MANIFEST_FILE]: manifestText(published),
    };
  });
  return { ...course, manifest: complete };
}
