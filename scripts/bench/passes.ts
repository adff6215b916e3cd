/**
 * Where the time of the pipeline goes: the share of pass 1 (observe) and pass 3 (propagate) that is spent in GEMM and
 * attention on WASM. The two passes' time is the whole wall time of pruning without the operations of pass 2, so that
 * waiting, reading and writing count against the share.
 */
import {
  type Checkpoint,
  findMethod,
  makeRequest,
  openBackend,
  openCheckpoint,
  parseConfig,
  prune,
} from "../../src/mod.ts";
import { rectangle } from "../../src/text/batch.ts";
import { randomTokens, writeRandomModel } from "./model.ts";
import type { Bench } from "./part.ts";
import { figure, over, type Ratio } from "./ratio.ts";

/** What is wanted: the rest of a pass is what a faster product would leave. */
const SHARE = 0.85;
/** The two products of a block's passes, and what belongs to pass 2. */
const PRODUCTS = ["linear", "attention"], PRUNING = ["finish", "score", "selectSmallest", "apply"];

const SEQUENCES = 8, LENGTH = 512, FEW_SEQUENCES = 2;
const ROUNDS = 3, FEW_ROUNDS = 1;
/** Of the random model: enough that its first and last block, which do less, weigh little. */
const RANDOM_BLOCKS = 6;

async function measure(checkpoint: Checkpoint, sequences: number): Promise<{ products: number; passes: number }> {
  await using backend = await openBackend("wasm");
  const { vocabulary } = parseConfig(checkpoint.config, checkpoint.path);
  const method = findMethod("wanda");
  const start = performance.now();
  await prune({
    checkpoint,
    backend,
    method,
    request: makeRequest(method, {}),
    calibration: rectangle(randomTokens(sequences, LENGTH, vocabulary), LENGTH),
    write: () => Promise.resolve(),
  });
  const wall = (performance.now() - start) / 1000, spent = await backend.seconds();
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + (spent[name] ?? 0), 0);
  return { products: sum(PRODUCTS), passes: wall - sum(PRUNING) };
}

/** See the file's head. */
export async function benchPasses({ quick, model, note }: Bench): Promise<Ratio[]> {
  const directory = model ?? await Deno.makeTempDir({ prefix: "pare-bench-" });
  try {
    if (!model) await writeRandomModel(directory, RANDOM_BLOCKS);
    await using checkpoint = await openCheckpoint(directory);
    const sequences = quick ? FEW_SEQUENCES : SEQUENCES;
    const name = `passes 1 and 3, ${
      model ? "SmolLM2-135M" : "a random model of its shape"
    }, ${sequences} x ${LENGTH} tokens`;
    note(name);
    const found = [];
    for (let round = 0; round < (quick ? FEW_ROUNDS : ROUNDS); round++) {
      found.push(await measure(checkpoint, sequences));
    }
    const products = figure("GEMM and attention", "s", found.map(({ products }) => products));
    const passes = figure("all of both passes", "s", found.map(({ passes }) => passes));
    return [over(name, products, passes, { least: SHARE })];
  } finally {
    if (!model) await Deno.remove(directory, { recursive: true });
  }
}
