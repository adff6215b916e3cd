/**
 * A model that is large where it counts: three blocks of LLaMA-7B's shapes, random, written here. Peak memory does not grow
 * with blocks, and time does in proportion; so this tells what all 32 take.
 */
import { join } from "node:path";
import { randomTokens, writeRandomModel, writeTokens } from "./model.ts";
import type { Bench } from "./part.ts";
import { pruneHere } from "./prune.ts";
import { figure, over, type Ratio } from "./ratio.ts";
import { LLAMA_7B_CONFIG } from "./shapes.ts";

const BLOCKS = 3, SEQUENCES = 4, LENGTH = 512;
/** Blocks of LLaMA-7B. */
const ALL_BLOCKS = 32;
/** A plan is an upper estimate, and by no more than a quarter. */
const RESERVE = { most: 1.25 };

/** See the file's head. */
export async function benchLarge({ quick, note }: Bench): Promise<Ratio[]> {
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" }), ratios: Ratio[] = [];
  try {
    // Beside each other: what is written must not lie in what is read.
    const model = join(directory, "model"), tokens = join(directory, "tokens.safetensors");
    await Deno.mkdir(model);
    await writeRandomModel(model, BLOCKS, LLAMA_7B_CONFIG);
    await writeTokens(tokens, randomTokens(SEQUENCES, LENGTH, LLAMA_7B_CONFIG.vocab_size), LENGTH);
    for (const method of quick ? ["wanda"] as const : ["wanda", "sparsegpt"] as const) {
      const name = `${method}, ${BLOCKS} blocks of LLaMA-7B's shapes, ${SEQUENCES} x ${LENGTH} tokens`;
      note(name);
      const { seconds, pruningSeconds, peakBytes, plannedBytes } = await pruneHere(
        method,
        model,
        tokens,
        join(directory, "out"),
      );
      ratios.push(
        over(
          `${name}: peak memory`,
          figure("planned", "MB", [plannedBytes / 1e6]),
          figure("used", "MB", [peakBytes / 1e6]),
          RESERVE,
        ),
        over(
          `${name}: time of a block`,
          figure("in scores, masks and solves", "s", [pruningSeconds / BLOCKS]),
          figure("in all", "s", [seconds / BLOCKS]),
        ),
        over(
          `${name}: time of all ${ALL_BLOCKS}, at the pace of these`,
          figure("in scores, masks and solves", "min", [pruningSeconds / BLOCKS * ALL_BLOCKS / 60]),
          figure("in all", "min", [seconds / BLOCKS * ALL_BLOCKS / 60]),
        ),
      );
    }
    return ratios;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
