/** What a rank of a shared `prune` computes that is not the first: what it finds it gives to the others, and it writes nothing. */
import { allocate, blockStatistics, type Progress, prune, uniform } from "../../mod.ts";
import type { PrunePass } from "./prune.ts";
import { blockPosition, type Watcher } from "./watcher.ts";

/** Runs the rank's part of the pass to the end. */
export async function runRank(
  task: Omit<PrunePass, "manifest" | "writer" | "recorder">,
  { terminal, signal }: Watcher,
): Promise<void> {
  const { allocation, calibration, targets, request, requests } = task, { statistic } = allocation;
  const pass = { ...task, signal, onProgress: (progress: Progress) => terminal.progress(blockPosition(progress)) };
  const statistics = statistic && await blockStatistics({ ...pass, calibration: calibration!, statistic });
  await prune({
    ...pass,
    request: allocation === uniform ? requests : allocate(allocation, targets, request, statistics),
    // Whatever is read of a distribution is what the first rank records.
    onDistribution: () => {},
    write: () => Promise.resolve(),
  });
}
