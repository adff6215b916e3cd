/** A recorded run as a command to be run again: its own flags, with paths that hold here and another place for what it writes. */
import project from "../../deno.json" with { type: "json" };
import { compareCommand } from "../../src/cli/compare_command.ts";
import { evalCommand } from "../../src/cli/eval_command.ts";
import { finetuneCommand } from "../../src/cli/finetune_command.ts";
import { type Command, type Flags, parse, type Values } from "../../src/cli/flags.ts";
import { generateCommand } from "../../src/cli/generate_command.ts";
import { pruneCommand } from "../../src/cli/prune_command.ts";
import type { Context } from "../../src/cli/run.ts";
import type { Permissions, RunShut } from "../../src/cli/sandbox.ts";
import type { verifyCommand } from "../../src/cli/verify_command.ts";
import { PareError, type Sampling } from "../../src/mod.ts";
import { enter as enterCompare } from "../compare/request.ts";
import { enter as enterEval } from "../eval/request.ts";
import { enter as enterFinetune } from "../finetune/prepared.ts";
import { enter as enterGenerate } from "../generate/request.ts";
import { planFlags } from "../shared/planned.ts";
import { enter as enterPrune } from "../prune/request.ts";
import { inputsHere, type Read, refuseChanges, relocate } from "./relocate.ts";
import { PermissionSet } from "../shared/sandbox.ts";
import type { Found } from "./found.ts";
import { checkInSandbox } from "../shared/written.ts";

/** The flags of `verify`. */
export type Given = Values<typeof verifyCommand.flags>;

/** A command's own flags out of a manifest. */
function flagsOf<F extends Flags>(command: Command<F>, args: readonly string[]): Values<F> {
  const values = parse(command, args);
  if (values === "help") throw new PareError("the run's command line asks for help");
  return values;
}

/** What is given in the place of a run's own flags; what is not given is left out. */
function instead<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter((entry) => entry[1] !== undefined)) as Partial<T>;
}

/** A run to be done again: its module, what that is to get, and what it may touch. */
export interface Again {
  readonly module: string;
  readonly values: unknown;
  readonly permissions: Permissions;
}

/**
 * What the plan says, on the paths of the run's own command line or those that were given, with another place for its
 * results. Before, what stands at the run's own paths is held against what the run read.
 */
export async function repeat(
  { manifest, folder }: Found,
  given: Given,
  places: { readonly out: string; readonly runs: string },
  context: Context,
  shut: RunShut,
): Promise<Again> {
  const { args, plan } = manifest,
    { model, calibration, corpus, tokens, taskData, backend = plan.backend ?? "auto", workers, spool } = given;
  const reads = instead({ model, calibration, corpus, tokens, taskData });
  /** A run's own flags, with paths that hold here. */
  const prepare = async <R extends Read>(flags: R): Promise<R> => {
    const own = await relocate({ ...flags, ...reads }, reads, manifest, folder);
    // Of what is given in the place of what the run read, the hashes of the plan are compared.
    if (!Object.keys(reads).length && !given.explainPermissions) {
      const here = await inputsHere(manifest, own), allowed = new PermissionSet();
      for (const { path } of here) allowed.read(path);
      refuseChanges(await checkInSandbox(here, allowed, context, shut));
    }
    return own;
  };
  const common = { workers, spool, backend, runs: places.runs };
  const out = { out: places.out, force: false };
  // An older Pare did not record the benchmarks that were asked along.
  const alone = !plan.tasks && { tasks: undefined, taskData: undefined, shots: undefined, limit: undefined };
  switch (plan.kind) {
    case "prune": {
      const own = { ...planFlags(await prepare(flagsOf(pruneCommand, args)), plan), ...common, ...out };
      // What several machines have computed one can repeat.
      const single = { rank: undefined, ranks: undefined, exchange: undefined };
      const again = { ...own, ...single, save: undefined, plan: undefined, resume: false, dryRun: false };
      const { values, permissions } = await enterPrune(again, context);
      return {
        module: "./prune.ts",
        values: { ...values, planned: { ...plan, pare: project.version } },
        permissions,
      };
    }
    case "finetune": {
      const own = { ...await prepare(flagsOf(finetuneCommand, args)), ...common, ...out };
      const again = { ...own, adapter: undefined, resume: false, dryRun: false };
      return { module: "./finetune.ts", ...await enterFinetune(again, context) };
    }
    case "eval": {
      const flags = { ...flagsOf(evalCommand, args), ...alone };
      const own = { ...await prepare(flags), ...common, card: false, logSamples: undefined };
      return { module: "./eval.ts", ...await enterEval(own, context) };
    }
    case "compare": {
      const own = { ...await prepare({ ...flagsOf(compareCommand, args), ...alone }), ...common, ...out };
      return { module: "./compare.ts", ...await enterCompare(own, context) };
    }
    case "generate": {
      const { prompts, sampling } = plan.request as unknown as { prompts: string[]; sampling: Sampling };
      const { temperature, seed } = sampling;
      const flags = flagsOf(generateCommand, args), { model } = await prepare({ model: flags.model });
      // A prompt may have come on stdin, and a seed may have been drawn.
      const again = { ...flags, model, prompt: prompts, temperature, seed, workers, backend, runs: places.runs };
      return { module: "./generate.ts", ...await enterGenerate(again, context) };
    }
    case "bench":
      throw new PareError(
        "a bench measures how fast this machine is, which no repetition gives again: expected another run",
      );
  }
}
