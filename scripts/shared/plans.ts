/** A plan of a sweep as the command line that it stands for, with paths that hold where the command is given. */
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { takePlans } from "../../src/cli/sweep_flags.ts";
import { isRemote, PareError } from "../../src/mod.ts";
import { NO_RUNS } from "../../src/run/recorder.ts";
import { readSweepLine, sweepArguments, type SweepLine } from "../../src/run/sweep.ts";
import { exists } from "./common.ts";

/** Flags that name what is read, unless they name something else: a Hub id, a data set. */
const READ = ["model", "calibration", "sparsity-map"];

/** Flags that name what is written. */
const WRITTEN = ["out", "runs", "spool"];

/**
 * A plan of a grid in one folder as it stands in a file in another: there what is written is relative to that file, and what
 * is read is what the grid names.
 * @param to Undefined: all paths become absolute.
 */
export async function movePaths(line: SweepLine, from: string, to?: string): Promise<SweepLine> {
  const moved: Record<string, SweepLine[string]> = { ...line };
  for (const [name, value] of Object.entries(line)) {
    if (typeof value !== "string" || isAbsolute(value) || isRemote(value) || value === NO_RUNS) continue;
    // A slash at the end says that it is a folder.
    const path = resolve(from, value) + (value.endsWith("/") ? "/" : "");
    if (to === undefined && WRITTEN.includes(name)) moved[name] = path;
    if (READ.includes(name) && await exists(path)) moved[name] = to === undefined ? path : relative(to, path) || ".";
  }
  return moved as SweepLine;
}

/** Reads a text file that a flag names. @throws PareError if it cannot be. */
export async function readNamed(path: string, flag: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new PareError(`${flag} ${path}: cannot be read: ${(error as Error).message}`);
  }
}

/**
 * A command line with the flags of a plan in the place of `--plans` and `--index`, and any other as it is.
 * @param flags What of the plan the command is told.
 * @throws PareError if the plan is not there, or no number says which.
 */
export async function expandPlans(
  args: readonly string[],
  flags: (line: SweepLine) => Readonly<Record<string, SweepLine[string]>>,
): Promise<readonly string[]> {
  const { plans, index, from, rest } = takePlans(args);
  if (plans === undefined) {
    if (from === "--index" && index !== undefined) throw new PareError("--index is a plan's: name --plans too");
    return args;
  }
  if (index === undefined) {
    throw new PareError(
      "--plans needs --index, unless a Slurm array (SLURM_ARRAY_TASK_ID) or an Indexed Job (JOB_COMPLETION_INDEX) sets it",
    );
  }
  if (!/^\d+$/.test(index)) throw new PareError(`${from} ${index}: expected a whole number of 0 or more`);
  const line = readSweepLine(await readNamed(plans, "--plans"), plans, Number(index));
  return [...sweepArguments(flags(await movePaths(line, dirname(resolve(plans))))), ...rest];
}

/** What of a plan is for `eval`: where the result is, what its run is tagged with, and where runs are recorded. */
export function evaluatedPlan({ out, tag = [], runs }: SweepLine): Readonly<Record<string, SweepLine[string]>> {
  return { model: out, tag, ...runs !== undefined && { runs } };
}
