/** A perplexity and log-likelihoods in one pass: each block is read once for both, and both are what they are alone. */
import { assertEquals, assertGreater } from "@std/assert";
import { openBackend } from "../../src/backend/open.ts";
import type { TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { logLikelihoods } from "../../src/stream/likelihood.ts";
import { measure } from "../../src/stream/measure.ts";
import { type Read, watch } from "./checkpoints.ts";
import { randomTokens } from "./random_model.ts";

/** Windows of which several make a batch, and requests that share beginnings: neither fits the other's batches. */
const WINDOWS = randomTokens(9, 33, 128);
const IDS = randomTokens(2, 60, 128).ids;
const REQUESTS = Array.from({ length: 12 }, (_, i) => ({
  context: IDS.slice(0, 20 + 3 * (i >> 2)),
  continuation: IDS.slice(60 + i, 63 + i + i % 3),
}));

/** Bytes of some reads: of the embedding, which is also the head of two of the models, and of all else. */
function bytesOf(reads: readonly Read[], { offset, bytes }: TensorInfo): { embedding: number; rest: number } {
  let embedding = 0, all = 0;
  for (const read of reads) {
    all += read.length;
    embedding += Math.max(0, Math.min(offset + bytes, read.offset + read.length) - Math.max(offset, read.offset));
  }
  return { embedding, rest: all - embedding };
}

// Experts wait for all batches; what LongRoPE rotates by depends on a sequence's own length.
for (const model of ["tiny-qwen3", "tiny-qwen3-moe", "tiny-phi3-longrope"]) {
  for (const always of [false, true]) {
    Deno.test(`${model}: perplexity and log-likelihoods in one pass, ${always ? "spooled" : "in memory"}`, async () => {
      await using backend = await openBackend("wasm", { workers: 1 });
      await using watched = await watch(model);
      const { checkpoint, reads } = watched, options = { checkpoint, backend, spool: { always } };
      const embedding = checkpoint.tensors.get("model.embed_tokens.weight")!;
      const read = async <T>(act: () => Promise<T>) => {
        reads.length = 0;
        return { found: await act(), bytes: bytesOf(reads, embedding) };
      };
      const windows = await read(() => evaluate(WINDOWS, options));
      const likelihoods = await read(() => logLikelihoods(REQUESTS, { ...options, longest: 64 }));
      const asked = { windows: WINDOWS, likelihoods: { requests: REQUESTS, longest: 64 } };
      const both = await read(() => measure(asked, options));
      const { perplexity, likelihoods: said, sparsity } = both.found, { found: alone } = likelihoods;
      assertEquals([perplexity, sparsity], [windows.found, windows.found.sparsity]);
      assertEquals([...said!.answers], [...alone.answers]);
      assertEquals([said!.tokens, said!.requestTokens], [alone.tokens, alone.requestTokens]);
      assertEquals([both.bytes.rest, both.bytes.rest], [windows.bytes.rest, likelihoods.bytes.rest]);
      assertGreater(both.bytes.rest, 0);
      // Its rows are looked up for each batch; as a head it is read for all of them together.
      const head = checkpoint.tensors.has("lm_head.weight") ? 0 : embedding.bytes;
      assertEquals(both.bytes.embedding, windows.bytes.embedding + likelihoods.bytes.embedding - head);
      assertEquals(backend.live, 0);
    });
  }
}
