/** A `prune` of which this process has a part: where it meets the others, and what all but the first do, who write nothing. */
import type { PruneValues } from "../../src/cli/prune_command.ts";
import type { Context, Outcome } from "../../src/cli/run.ts";
import { showSeconds } from "../../src/cli/units.ts";
import { Exchange, meetingBucket, meetingFolder, type MeetingPlace, type ShardOptions } from "../../src/mod.ts";
import { runRank } from "../../src/run/pass/rank.ts";
import type { Manifest } from "../../src/run/record.ts";
import type { Prepared } from "./prepared.ts";
import type { Given } from "./request.ts";

/**
 * Takes part in a run of several machines; undefined if it is one of one.
 * @throws PareError if another process has this part, or another machine another plan.
 */
export async function openExchange(
  given: Given,
  { patience }: PruneValues,
  { planId }: Manifest,
  signal: AbortSignal,
): Promise<Exchange | undefined> {
  const { part } = given;
  return part && await Exchange.open({ ...part, place: placeOf(given), plan: planId, patience, signal });
}

/** Where the ranks meet. */
function placeOf({ exchange, bucket }: Given): MeetingPlace {
  return bucket ? meetingBucket(exchange!, bucket) : meetingFolder(exchange!);
}

/** How the calibration is cut; undefined if it is not. */
export function shardsOf({ part }: Given, { shards }: PruneValues, exchange?: Exchange): ShardOptions | undefined {
  return shards === undefined ? undefined : { shards, exchange, ranks: part };
}

/** The part of a rank that is not the first: what it finds it gives to the others. */
export async function takePart(
  task: Prepared,
  given: Given,
  values: PruneValues,
  manifest: Manifest,
  context: Context,
): Promise<Outcome> {
  const { rank, ranks } = given.part!, start = performance.now();
  const json = { ...task.json, run: manifest.planId, rank, ranks };
  if (!values.force && await Exchange.done(placeOf(given)) === manifest.planId) {
    return { text: `rank ${rank} of ${ranks}: the plan ${manifest.planId} is done`, json: { ...json, done: true } };
  }
  for (const line of task.lines) context.terminal.note(line);
  await using exchange = await openExchange(given, values, manifest, context.signal);
  await runRank({ ...task, shards: shardsOf(given, values, exchange) }, context);
  const seconds = (performance.now() - start) / 1000;
  return {
    text: `rank ${rank} of ${ranks}: done in ${showSeconds(seconds)}; rank 0 writes the model`,
    json: { ...json, seconds },
  };
}
