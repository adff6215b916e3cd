/** A plan of a sweep as the command line that it stands for, with paths that hold where the command is given. */
import { dirname, resolve } from "node:path";
import { takePlans } from "../../src/cli/sweep_flags.ts";
import { PareError } from "../../src/mod.ts";
import { movePaths, readSweepLine, sweepArguments, type SweepLine } from "../../src/run/sweep.ts";

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
