/** Whichever allocation of a pass is refused: the pass fails with what was said, and all that it had taken is given back. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { generate } from "../../src/generate/generate.ts";
import { ResidentModel } from "../../src/generate/resident.ts";
import { logits } from "../../src/stream/logits.ts";
import type { StreamOptions } from "../../src/stream/stream.ts";
import type { Batch } from "../../src/text/batch.ts";
import { blockStatistics } from "../../src/stream/blocks.ts";
import { observeFirst } from "../../src/stream/prune.ts";
import { temporary } from "../checkpoint/folders.ts";
import { SHORT, ShortBackend } from "../reference/short.ts";
import { pruned } from "./pruned.ts";
import { randomTokens, writeRandomModel } from "./random_model.ts";

/** A model that is as small as one can be; one batch, and two of at most 256 tokens. */
const ONE = randomTokens(3, 2, 8), TWO = randomTokens(129, 2, 8);
const MODEL = { blocks: 2, hidden: 4, intermediate: 4, heads: 1, kvHeads: 1, vocabulary: 8 };

/** The passes, each with all that it takes; what it gives is disposed of. */
const PASSES: Record<string, (options: StreamOptions & { readonly calibration: Batch }) => Promise<unknown>> = {
  "magnitude pruning": ({ backend, checkpoint }) => pruned(checkpoint, backend, { name: "magnitude" }),
  "Wanda": ({ checkpoint, backend, ...rest }) => pruned(checkpoint, backend, rest),
  "Wanda's variant": ({ checkpoint, backend, ...rest }) =>
    pruned(checkpoint, backend, { ask: { variant: true }, ...rest }),
  "RIA in groups": ({ checkpoint, backend, ...rest }) =>
    pruned(checkpoint, backend, { name: "ria", ask: { pattern: { n: 2, m: 4 } }, ...rest }),
  "SparseGPT": ({ checkpoint, backend, ...rest }) => pruned(checkpoint, backend, { name: "sparsegpt", ...rest }),
  "SparseGPT in four steps": ({ checkpoint, backend, ...rest }) =>
    pruned(checkpoint, backend, { name: "sparsegpt", trueSequential: true, ...rest }),
  "Wanda with an update": ({ checkpoint, backend, ...rest }) =>
    pruned(checkpoint, backend, { update: "sequential", ...rest }),
  "a first observation": async (options) => {
    using _ = await observeFirst(options, true);
  },
  "outliers": (options) => blockStatistics({ ...options, statistic: "outliers" }),
  "perplexity": (options) => evaluate(options.calibration, options),
  "logits": (options) => logits(options.calibration, options),
  "a generated text": async (options) => {
    using model = await ResidentModel.open(options);
    await Array.fromAsync(generate(model, [new Uint32Array([1, 2]), new Uint32Array([3])], { tokens: 2 }));
  },
};

/** What holds something for each batch. */
const TWICE = ["a first observation", "perplexity"];

for (const [name, pass] of Object.entries(PASSES)) {
  Deno.test(`${name}: whichever allocation is refused, nothing stays on the backend`, async () => {
    using folder = temporary();
    await writeRandomModel(`${folder.path}/m`, MODEL);
    await using checkpoint: Checkpoint = await openDirectory(`${folder.path}/m`);
    for (
      const [always, calibration] of [
        [false, ONE],
        [true, ONE],
        ...TWICE.includes(name) ? [[false, TWO] as const] : [],
      ] as const
    ) {
      const run = (backend: ShortBackend) =>
        pass({ checkpoint, backend, calibration, spool: { always, directory: folder.path } });
      const whole = new ShortBackend(Infinity);
      await run(whole);
      assert(whole.allocations > 20, `${whole.allocations} allocations`);
      for (let failing = 0; failing < whole.allocations; failing++) {
        const backend = new ShortBackend(failing);
        const { message } = await assertRejects(() => run(backend), PareError);
        assertEquals([message, backend.live], [SHORT, 0], `allocation ${failing} of ${whole.allocations}`);
      }
    }
  });
}
