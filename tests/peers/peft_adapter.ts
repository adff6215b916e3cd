/**
 * Does PEFT load what Pare writes of adapters, and compute the same? Adapters with numbers in both of their matrices are written
 * for every model that is named (Austen-700K and some tiny ones by default), PEFT loads them on transformers' model, and its
 * logits are held against Pare's of the merged weights, as a share of the largest. Ends with exit code 1 if any is beyond the
 * tolerance, or if PEFT found a tensor missing or too many.
 *
 *     PARE_PYTHON=venv/bin/python deno run -A tests/peers/peft_adapter.ts [MODEL …]
 */
import { openWasm } from "../../src/backend/wasm/mod.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { writeTensors } from "../../src/checkpoint/tensor_file.ts";
import { readSpec } from "../../src/model/read.ts";
import { logits } from "../../src/stream/logits.ts";
import { LoraAdapters } from "../../src/tune/lora.ts";
import { ADAPTER_CONFIG, ADAPTER_MODEL, peftConfig, peftTensors } from "../../src/tune/peft.ts";
import { tunedLinears } from "../../src/tune/targets.ts";
import { Peer } from "../../scripts/bench/peer.ts";
import { FIXTURES, temporary } from "../checkpoint/folders.ts";
import { overlay, widen } from "../golden/overlay.ts";
import { largestDifference, LOGIT_TOLERANCE } from "../golden/suite.ts";
import { randomTokens } from "../stream/random_model.ts";

/** What PEFT says. */
interface Answer {
  readonly adapted: number;
  readonly warnings: readonly string[];
}

const SEQUENCES = 3, LENGTH = 48, RANK = 4, ALPHA = 6;
/** With q and v of their own, of several families, and with one linear for all. */
const MODELS = ["Austen-700K", "tiny-llama3", "tiny-qwen2", "tiny-qwen3", "tiny-pythia", "tiny-phi3"];

const models = Deno.args.length ? Deno.args : MODELS.map((name) => `${FIXTURES}/${name}`);
await using peer = await Peer.start("peft_adapter.py", [], console.error);
if (!peer) Deno.exit(1);
console.log(peer.name);
await using backend = await openWasm();
let failed = 0;
for (const model of models) {
  using folder = temporary();
  const file = `${folder.path}/logits`, at = (name: string) => `${folder.path}/${name}`;
  await using checkpoint = await openDirectory(model);
  const spec = readSpec(checkpoint),
    tokens = randomTokens(SEQUENCES, Math.min(LENGTH, spec.maxLength), spec.vocabulary);
  const linears = tunedLinears(spec), wide = widen(checkpoint);
  using adapters = new LoraAdapters(backend, wide, linears, {
    rank: RANK,
    alpha: ALPHA,
    seed: 1,
    mask: () => undefined,
  });
  // B begins as zero; so it says something.
  for (const { b } of adapters.adapters) b.weight.forEach((_, i) => b.weight[i] = Math.sin(i + 1) / 10);
  Deno.writeTextFileSync(
    at(ADAPTER_CONFIG),
    peftConfig(adapters, spec, { base: model, rank: RANK, alpha: ALPHA, dropout: 0 }),
  );
  writeTensors(at(ADAPTER_MODEL), peftTensors(adapters));
  adapters.refresh();
  const merged = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const adapter of adapters.adapters) {
    const name = `${adapter.linear.name}.weight`, { rows, cols } = adapter.linear;
    using weight = backend.upload((await wide.read([name])).get(name)!, rows, cols, "F32");
    using sum = adapters.merged(adapter, weight);
    merged.set(name, (await backend.read(sum))[0]);
  }
  const own = await logits(tokens, { checkpoint: overlay(wide, merged), backend });
  const rows = Array.from({ length: SEQUENCES }, (_, row) => [
    ...tokens.ids.subarray(row * tokens.length, (row + 1) * tokens.length),
  ]);
  const answer = await peer.ask<Answer>({ base: model, adapter: folder.path, tokens: rows, out: file });
  const difference = largestDifference(new Float32Array(Deno.readFileSync(file).buffer), own);
  const wrong = [
    ...answer.warnings,
    ...answer.adapted === linears.length ? [] : [`${answer.adapted} modules adapted, not ${linears.length}`],
  ];
  if (!(difference <= LOGIT_TOLERANCE) || wrong.length) failed++;
  console.log(
    `${model.split("/").at(-1)}: ${linears.length} modules, ${difference.toExponential(1)}${
      wrong.map((one) => ` WRONG ${one}`).join("")
    }`,
  );
}
console.log(failed ? `${failed} are not PEFT's` : `all within ${LOGIT_TOLERANCE} of the largest`);
if (failed) Deno.exitCode = 1;
