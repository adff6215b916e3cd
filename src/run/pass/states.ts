/**
 * The states that a training may be gone on with: the last two, each a file in the workshop of its output, whose hash and story
 * are a line of the output's journal. A file that is not what its line says was cut off, and the one before it counts.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { disk } from "../../checkpoint/disk.ts";
import { writeTensors } from "../../checkpoint/tensor_file.ts";
import type { CheckpointWriter, MemoryTensor, TuneProgress as Progress } from "../../mod.ts";
import { digestFile } from "../digest.ts";

/** A line of the journal. */
interface Entry extends Progress {
  /** SHA-256 of the file. */
  readonly sha256: string;
}

/** See the file's head. */
export class States {
  readonly #saved: Entry[] = [];

  /** @param writer Of the output, in whose workshop the files are. */
  constructor(readonly writer: CheckpointWriter) {}

  #pathOf(step: number): string {
    return join(this.writer.passing, `state-${step}.safetensors`);
  }

  /** Keeps a state: when this returns it can be gone on with. */
  async save({ step, seconds, steps, evaluations }: Progress, tensors: readonly MemoryTensor[]): Promise<void> {
    mkdirSync(this.writer.passing, { recursive: true });
    const path = this.#pathOf(step);
    writeTensors(path, tensors);
    await disk.sync(path);
    const { sha256 } = await digestFile(path);
    this.writer.step({ step, seconds, steps, evaluations, sha256 } satisfies Entry);
    const known = (this.writer.steps.map(({ entry }) => entry) as Entry[]).concat(this.#saved).map(({ step }) => step);
    this.#saved.push({ step, seconds, steps, evaluations, sha256 });
    const kept = new Set([step, known.findLast((one) => one < step)]);
    for (const one of known) if (!kept.has(one)) rmSync(this.#pathOf(one), { force: true });
  }

  /** The newest state that is whole, and its file. */
  async last(): Promise<Progress & { readonly path: string } | undefined> {
    for (const { entry } of this.writer.steps.toReversed()) {
      const { sha256, ...progress } = entry as Entry, path = this.#pathOf(progress.step);
      if (existsSync(path) && (await digestFile(path)).sha256 === sha256) return { ...progress, path };
    }
  }
}
