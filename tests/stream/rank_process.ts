/**
 * A rank of a pruning run, for tests that start several and kill some. Arguments: the method, shards, rank, ranks, the
 * exchange's directory, and where rank 0 writes the SHA-256 of every pruned weight when all are there.
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

const [name, shards, rank, ranks, directory, result, trueSequential] = Deno.args;
const MODEL = new URL("../fixtures/models/Austen-700K", import.meta.url).pathname;
const LENGTH = 64, SEQUENCES = 10;
/** Any text will do: it is the same for all. */
const ids = Uint32Array.from({ length: SEQUENCES * LENGTH }, (_, i) => 3 + (i * i * 7 + i * 13) % 500);

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
  request: makeRequest(method, { sparsity: 0.5 }),
  calibration: rectangle(ids, LENGTH),
  shards: { shards: Number(shards), exchange, ranks: exchange && part },
  trueSequential: trueSequential === "true",
  onDistribution: (linear, { rows, cols, magnitudes: { counts, extremes } }) => {
    hashes[`${linear} looks`] = JSON.stringify([rows, cols, counts, [...extremes]]);
  },
  write: (name, bytes, kept) => {
    hashes[name] = `${sha256(bytes)} ${sha256(kept)}`;
    return Promise.resolve();
  },
});
if (part.rank === 0) {
  const errors = reports.map(({ name, zeros, outputError }) => [name, zeros, outputError]);
  const sorted = Object.fromEntries(Object.entries(hashes).sort(([a], [b]) => a < b ? -1 : 1));
  await Deno.writeTextFile(result, JSON.stringify({ sorted, errors }));
}
