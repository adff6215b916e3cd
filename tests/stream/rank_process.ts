/**
 * A rank of a pruning run, in a process that may be killed or in the test's own. Arguments: the method, shards, rank, ranks, the
 * exchange's directory, where rank 0 writes the SHA-256 of every pruned weight when all are there, and how: any of "true order",
 * "holdout", "permute", "experts".
 */
import { prune } from "../../src/stream/prune.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { sha256 } from "../../src/checkpoint/sha256.ts";
import { findMethod } from "../../src/method/mod.ts";
import { makeRequest } from "../../src/method/request.ts";
import { Exchange, type Ranks } from "../../src/stream/exchange.ts";
import { meetingFolder, type MeetingPlace } from "../../src/stream/meeting.ts";
import { rectangle } from "../../src/text/batch.ts";

/** What a rank does. */
export interface Asked {
  readonly method: string;
  readonly shards: number;
  /** Any of "true order", "holdout", "permute", "experts", with commas between them. */
  readonly how?: string;
}

const LENGTH = 64, SEQUENCES = 10;

/** The plan of all. */
export const PLAN = "0".repeat(16);

/**
 * Prunes as a rank of some, or alone.
 * @param place Where ranks meet.
 * @returns The SHA-256 of every pruned weight, the reports and the drawings, as JSON that is the same for the same.
 */
export async function rankOf(
  backend: Backend,
  { method: name, shards, how = "" }: Asked,
  part: Ranks = { rank: 0, ranks: 1 },
  place?: MeetingPlace,
): Promise<string> {
  const ways = how.split(","), permute = ways.includes("permute");
  // Values have biases in the one that is permuted, which go with them.
  const [model, tokens] = permute
    ? ["tiny-qwen2", 125]
    : ways.includes("experts")
    ? ["tiny-qwen3-moe", 253]
    : ["Austen-700K", 500];
  // Any text will do: it is the same for all.
  const ids = Uint32Array.from({ length: SEQUENCES * LENGTH }, (_, i) => 3 + (i * i * 7 + i * 13) % tokens);
  await using checkpoint = await openCheckpoint(new URL(`../fixtures/models/${model}`, import.meta.url).pathname);
  const method = findMethod(name), hashes: Record<string, string> = {};
  await using exchange = place && await Exchange.open({ ...part, place, plan: PLAN, patience: 60 });
  const reports = await prune({
    checkpoint,
    backend,
    method,
    request: makeRequest(method, permute ? { pattern: { n: 2, m: 4 } } : { sparsity: 0.5 }),
    calibration: rectangle(ids, LENGTH),
    shards: { shards, exchange, ranks: exchange && part },
    trueSequential: ways.includes("true order"),
    holdout: ways.includes("holdout"),
    permute,
    onPermutation: (linear, order) => hashes[`${linear} order`] = order.join(" "),
    onDistribution: (linear, { rows, cols, magnitudes: { counts, extremes } }) => {
      hashes[`${linear} looks`] = JSON.stringify([rows, cols, counts, [...extremes]]);
    },
    write: (name, bytes, kept) => {
      hashes[name] = `${sha256(bytes)} ${sha256(kept)}`;
      return Promise.resolve();
    },
  });
  const errors = reports.map((report) => [report.name, report.zeros, report.outputError, report.heldOutError]);
  const sorted = Object.fromEntries(Object.entries(hashes).sort(([a], [b]) => a < b ? -1 : 1));
  return JSON.stringify({ sorted, errors });
}

if (import.meta.main) {
  const [method, shards, rank, ranks, directory, result, how] = Deno.args;
  const part = { rank: Number(rank), ranks: Number(ranks) };
  await using backend = await openBackend("wasm", { workers: 1 });
  const found = await rankOf(backend, { method, shards: Number(shards), how }, part, meetingFolder(directory));
  if (part.rank === 0) await Deno.writeTextFile(result, found);
}
