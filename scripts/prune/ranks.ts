/** A `prune` of which this process has a part: where it meets the others, and what all but the first do, who write nothing. */
import type { PruneValues } from "../../src/cli/prune_command.ts";
import type { Context, Outcome } from "../../src/cli/run.ts";
import { showSeconds } from "../../src/cli/units.ts";
import {
  allocate,
  blockStatistics,
  Exchange,
  meetingBucket,
  meetingFolder,
  type MeetingPlace,
  type Progress,
  prune,
  type Ranks,
  type ShardOptions,
  uniform,
} from "../../src/mod.ts";
import { blockPosition } from "../../src/run/pass/watcher.ts";
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
export async function runRank(
  task: Prepared & { readonly part: Ranks },
  given: Given,
  values: PruneValues,
  manifest: Manifest,
  { terminal, signal }: Context,
): Promise<Outcome> {
  const { part: { rank, ranks }, allocation, calibration, targets, request } = task, start = performance.now();
  const json = { ...task.json, run: manifest.planId, rank, ranks };
  if (!values.force && await Exchange.done(placeOf(given)) === manifest.planId) {
    return { text: `rank ${rank} of ${ranks}: the plan ${manifest.planId} is done`, json: { ...json, done: true } };
  }
  for (const line of task.lines) terminal.note(line);
  await using exchange = await openExchange(given, values, manifest, signal);
  const pass = {
    ...task,
    signal,
    onProgress: (progress: Progress) => terminal.progress(blockPosition(progress)),
  };
  const { statistic } = allocation;
  const statistics = statistic && await blockStatistics({ ...pass, calibration: calibration!, statistic });
  await prune({
    ...pass,
    request: allocation === uniform ? task.requests : allocate(allocation, targets, request, statistics),
    shards: shardsOf(given, values, exchange),
    // Whatever is read of a distribution is what the first rank records.
    onDistribution: () => {},
    write: () => Promise.resolve(),
  });
  const seconds = (performance.now() - start) / 1000;
  return {
    text: `rank ${rank} of ${ranks}: done in ${showSeconds(seconds)}; rank 0 writes the model`,
    json: { ...json, seconds },
  };
}
