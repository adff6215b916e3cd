/**
 * A rank of a pruning run, for tests that start several and kill some. Arguments: the method, shards, rank, ranks, the
 * exchange's directory, where rank 0 writes the SHA-256 of every pruned weight when all are there, and how: any of "true order",
 * "holdout", "permute", "experts".
 */
import { prune } from "../../src/stream/prune.ts";
import { openBackend } from "../../src/backend/open.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { sha256 } from "../../src/checkpoint/sha256.ts";
import { findMethod } from "../../src/method/mod.ts";
import { makeRequest } from "../../src/method/request.ts";
import { Exchange } from "../../src/stream/exchange.ts";
import { meetingFolder } from "../../src/stream/meeting.ts";
import { rectangle } from "../../src/text/batch.ts";

const [name, shards, rank, ranks, directory, result, ways] = Deno.args, how = ways.split(",");
const permute = how.includes("permute");
/** Values have biases in the one that is permuted, which go with them. */
const [model, tokens] = permute
  ? ["tiny-qwen2", 125]
  : how.includes("experts")
  ? ["tiny-qwen3-moe", 253]
  : ["Austen-700K", 500];
const MODEL = new URL(`../fixtures/models/${model}`, import.meta.url).pathname;
const LENGTH = 64, SEQUENCES = 10;
/** Any text will do: it is the same for all. */
const ids = Uint32Array.from({ length: SEQUENCES * LENGTH }, (_, i) => 3 + (i * i * 7 + i * 13) % tokens);

await using checkpoint = await openCheckpoint(MODEL);
await using backend = await openBackend("wasm", { workers: 1 });
const method = findMethod(name), hashes: Record<string, string> = {};
const part = { rank: Number(rank), ranks: Number(ranks) };
await using exchange = directory === "none"
  ? undefined
  : await Exchange.open({ ...part, place: meetingFolder(directory), plan: "0".repeat(16), patience: 60 });
const reports = await prune({
  checkpoint,
  backend,
  method,
  request: makeRequest(method, permute ? { pattern: { n: 2, m: 4 } } : { sparsity: 0.5 }),
  calibration: rectangle(ids, LENGTH),
  shards: { shards: Number(shards), exchange, ranks: exchange && part },
  trueSequential: how.includes("true order"),
  holdout: how.includes("holdout"),
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
if (part.rank === 0) {
  const errors = reports.map((report) => [report.name, report.zeros, report.outputError, report.heldOutError]);
  const sorted = Object.fromEntries(Object.entries(hashes).sort(([a], [b]) => a < b ? -1 : 1));
  await Deno.writeTextFile(result, JSON.stringify({ sorted, errors }));
}
