/**
 * Does transformers load what Pare writes, and compute the same? Every tiny model of the repository, or the directories that
 * are named, is pruned by Wanda (half) and by SparseGPT (2:4) on WASM and written; transformers loads the directory, and its
 * logits are held against Pare's of the same directory, as a share of the largest. Ends with exit code 1 if any is beyond the
 * tolerance, or if transformers found a tensor missing or of another shape.
 *
 *     PARE_PYTHON=venv/bin/python deno run -A tests/peers/transformers_logits.ts [MODEL …]
 */
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { tensorNames } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { logits } from "../../src/stream/logits.ts";
import { Peer } from "../../scripts/bench/peer.ts";
import { FIXTURES, temporary } from "../checkpoint/folders.ts";
import { largestDifference, LOGIT_TOLERANCE } from "../golden/suite.ts";
import { pruned } from "../stream/pruned.ts";
import { randomTokens } from "../stream/random_model.ts";

/** What transformers says of a model. */
interface Answer {
  readonly model: string;
  readonly missing: readonly string[];
  readonly mismatched: readonly string[];
}

/** Long enough for every window, rotation and learned position of the tiny models. */
const SEQUENCES = 3, LENGTH = 48;
/** Patterns that divide every tiny model's inputs. */
const WAYS = [["wanda", {}], ["sparsegpt", { pattern: { n: 2, m: 4 } }]] as const;

const models = Deno.args.length ? Deno.args : [...Deno.readDirSync(FIXTURES)].map(({ name }) => name)
  .filter((name) => name.startsWith("tiny-")).sort().map((name) => `${FIXTURES}/${name}`);

await using peer = await Peer.start("transformers_logits.py", [], console.error);
if (!peer) Deno.exit(1);
console.log(peer.name);
await using backend = await openWasm();
let failed = 0;
for (const model of models) {
  const told: string[] = [];
  for (const [method, ask] of WAYS) {
    using folder = temporary();
    const out = `${folder.path}/out`, file = `${folder.path}/logits`;
    await using dense = await openDirectory(model);
    const spec = readSpec(dense), tokens = randomTokens(SEQUENCES, Math.min(LENGTH, spec.maxLength), spec.vocabulary);
    {
      const { weights } = await pruned(dense, backend, { name: method, ask, calibration: tokens });
      await using writer = await createWriter(dense, out, { model: tensorNames(spec) });
      for (const [name, bytes] of weights) await writer.write(name, bytes);
      await writer.finish();
    }
    await using checkpoint = await openDirectory(out);
    const own = await logits(tokens, { checkpoint, backend });
    const rows = Array.from({ length: SEQUENCES }, (_, row) => [
      ...tokens.ids.subarray(row * tokens.length, (row + 1) * tokens.length),
    ]);
    const answer = await peer.ask<Answer>({ model: out, tokens: rows, out: file });
    const difference = largestDifference(new Float32Array(Deno.readFileSync(file).buffer), own);
    const wrong = [...answer.missing, ...answer.mismatched];
    if (!(difference <= LOGIT_TOLERANCE) || wrong.length) failed++;
    told.push(`${method} ${difference.toExponential(1)}${wrong.map((name) => ` WRONG ${name}`).join("")}`);
    if (told.length === WAYS.length) console.log(`${model.split("/").at(-1)} (${answer.model}): ${told.join(", ")}`);
  }
}
console.log(
  failed ? `${failed} differ by more than ${LOGIT_TOLERANCE}` : `all within ${LOGIT_TOLERANCE} of the largest`,
);
if (failed) Deno.exitCode = 1;
