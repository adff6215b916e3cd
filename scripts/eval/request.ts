/** What a command line asks of `eval`, checked; and what the run that follows from it may touch. */
import { join } from "node:path";
import type { evalCommand } from "../../src/cli/eval_command.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import { type OpenOptions, PareError } from "../../src/mod.ts";
import { CARD_FILE } from "../../src/run/card.ts";
import { NEW_CARD } from "../../src/run/card_figures.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { MANIFEST_FILE } from "../../src/run/manifest.ts";
import { enterExam, type TaskFlags } from "../shared/exam.ts";
import { PermissionSet } from "../shared/sandbox.ts";
import { corpusAsked, fetching, isFile } from "../shared/common.ts";
import { samplesFile } from "../shared/tasks.ts";

/** The flags as they are given, and what the launcher has found: files by their paths. */
export type Given = Values<typeof evalCommand.flags> & {
  readonly remote?: OpenOptions;
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly corpusFile?: string;
  readonly taskFiles?: TaskFlags["taskFiles"];
};

/** Fetches what the evaluation needs, and says what it may touch. */
export async function enter(given: Given, { terminal }: Context) {
  labelsOf(given);
  const allowed = new PermissionSet(),
    fetches = fetching(terminal),
    taskFiles = await enterExam(given, allowed, fetches);
  const logSamples = given.logSamples === undefined ? undefined : await samplesFile(given.logSamples);
  if (logSamples !== undefined) allowed.replace(logSamples);
  const model = await allowed.model(given.model, fetches, given.stream), named = corpusAsked(given);
  const corpus = named === undefined ? undefined : await allowed.corpus(named, "test", fetches);
  if (given.card) {
    if (!await isFile(join(model, MANIFEST_FILE))) {
      throw new PareError(`--card: ${given.model} has no ${MANIFEST_FILE}: it is no model that Pare has pruned`);
    }
    for (const name of [CARD_FILE, NEW_CARD]) allowed.replace(join(model, name));
  }
  return {
    values: {
      ...given,
      model,
      tokens: undefined,
      taskFiles,
      corpus: corpus?.name,
      corpusFile: corpus?.file,
      logSamples,
      remote: allowed.remote,
      spoolFile: allowed.spool(given.spool),
      registry: await allowed.registryAnywhere(given.runs, fetches),
    },
    permissions: allowed.permissions,
    leave: allowed.leave,
  };
}
