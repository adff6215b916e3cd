/**
 * What of an output is finished, so that a run that was killed can be gone on with: one line of JSON for the plan, then one
 * for every step, with the SHA-256 of each tensor that it wrote. Nothing forces lines or tensors to the disk in order:
 * whoever resumes believes a line only if the tensors are what it says, and forgets it and all that follow otherwise.
 */
import { readFileSync } from "node:fs";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { appendToFile, replaceFile } from "./disk.ts";
import { sha256 } from "./sha256.ts";
import { systemCode } from "./system_error.ts";

/** One finished step: what its owner wants to know of it, and the tensors that it wrote. */
export interface Step {
  /** Whatever JSON can say. */
  readonly entry: unknown;
  /** SHA-256 by the tensor's name, 64 hexadecimal digits. */
  readonly tensors: Readonly<Record<string, string>>;
}

const HEAD = z.strictObject({ plan: z.string() });
const STEP = z.strictObject({ entry: z.unknown(), tensors: z.record(z.string(), z.string()) });

/** See the file's head. */
export class Journal {
  /** How many steps are finished. */
  length: number;

  private constructor(readonly path: string, readonly steps: readonly Step[]) {
    this.length = steps.length;
  }

  /** A new journal of a plan. */
  static begin(path: string, plan: string): Journal {
    replaceFile(path, JSON.stringify({ plan }) + "\n");
    return new Journal(path, []);
  }

  /**
   * The journal that another process has left, as far as it can be believed.
   * @param read A tensor's bytes as they are written now.
   * @throws PareError if it is of another plan.
   */
  static async resume(path: string, plan: string, read: (tensor: string) => Promise<Uint8Array>): Promise<Journal> {
    const [head, ...lines] = readFileSync(path, "utf8").split("\n").map(parseLine);
    const begun = HEAD.safeParse(head);
    if (!begun.success) return Journal.begin(path, plan);
    if (begun.data.plan !== plan) {
      throw new PareError(
        `${path} was begun by a run of another plan (${begun.data.plan}, not ${plan}): expected the same model, method, ` +
          "calibration, backend and kernels; without --resume it is dropped",
      );
    }
    const steps: Step[] = [];
    for (const line of lines) {
      const step = STEP.safeParse(line);
      if (!step.success || !await holds(step.data as Step, read)) break;
      steps.push(step.data as Step);
    }
    replaceFile(path, [{ plan }, ...steps].map((line) => JSON.stringify(line) + "\n").join(""));
    return new Journal(path, steps);
  }

  /** Notes a finished step. */
  append(step: Step): void {
    appendToFile(this.path, JSON.stringify(step) + "\n");
    this.length++;
  }
}

/** A line, or nothing if it was cut. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

async function holds({ tensors }: Step, read: (tensor: string) => Promise<Uint8Array>): Promise<boolean> {
  for (const [name, digest] of Object.entries(tensors)) {
    try {
      if (sha256(await read(name)) !== digest) return false;
    } catch (error) {
      // It is not there whole, or the system cannot read it: then it is written anew, and told if that fails, too.
      if (!(error instanceof RangeError) && systemCode(error) === undefined) throw error;
      return false;
    }
  }
  return true;
}
