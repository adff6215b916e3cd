/**
 * The whole job: `deno task prune` of SmolLM2-135M as a user starts it, from the start of the process to its end, model
 * read and written, against the published procedure in PyTorch, its model already loaded and nothing written; by Wanda and
 * by SparseGPT, and what one costs over the other (Table 4 of Wanda's paper, which counts the pruning alone).
 */
import { join } from "node:path";
import { openCheckpoint, parseConfig } from "../../src/mod.ts";
import { randomTokens, writeTokens } from "./model.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { figure, over, type Ratio } from "./ratio.ts";

const PRUNE = new URL("../prune.ts", import.meta.url).pathname;
const SPARSITY = 0.5;
const METHODS = { wanda: "Wanda", sparsegpt: "SparseGPT" } as const;
/** What is wanted of the peak memory: at most this share. */
const MEMORY = 0.13;
/** The golden runs, and eight times as much. */
const RUNS: readonly Run[] = [
  { sequences: 8, length: 512, rounds: 3, most: { wanda: 1, sparsegpt: 0.65 } },
  { sequences: 32, length: 1024, rounds: 2, most: { wanda: 0.65 } },
];
/** Of so few tokens nothing is asked: what does not grow with them is a third of the time. */
const QUICK_RUNS: readonly Run[] = [
  { sequences: 2, length: 512, rounds: 1, most: { wanda: undefined, sparsegpt: undefined } },
];
/** The published code's own: transformers' attention written out in PyTorch. */
const ATTENTION = "eager";

/** Those with a peer. */
type Method = keyof typeof METHODS;

/** One size of calibration. */
interface Run {
  readonly sequences: number;
  readonly length: number;
  readonly rounds: number;
  /** The methods, and of each what is wanted: at most this share of the wall time. */
  readonly most: { readonly [M in Method]?: number | undefined };
}

/** Wall seconds and peak memory of one run. */
export interface Cost {
  readonly seconds: number;
  /** Of these, in scores, masks and solves: neither in observing nor in running the blocks. */
  readonly pruningSeconds: number;
  readonly peakBytes: number;
}

/** What a run of ours says that it cost, and what it had planned. */
export async function pruneHere(
  method: Method,
  model: string,
  tokens: string,
  out: string,
): Promise<Cost & { readonly plannedBytes: number }> {
  const args = ["run", "--allow-all", PRUNE, "--json", "--backend=wasm", `--method=${method}`, "--force"];
  args.push(
    `--sparsity=${SPARSITY}`,
    `--model=${model}`,
    `--calibration=${tokens}`,
    `--out=${out}`,
    `--runs=${out}.db`,
  );
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const seconds = (performance.now() - start) / 1000;
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { peakBytes, plan, linears } = JSON.parse(new TextDecoder().decode(stdout));
  const pruningSeconds = linears.reduce((sum: number, { seconds }: { seconds: number }) => sum + seconds, 0);
  return { seconds, pruningSeconds, peakBytes, plannedBytes: plan.peakBytes };
}

async function pruneThere(
  method: Method,
  model: string,
  tokens: string,
  note: Bench["note"],
): Promise<Cost & { name: string } | undefined> {
  await using peer = await Peer.start("published_prune.py", [model, ATTENTION], note);
  return peer && { ...await peer.ask<Cost>({ tokens, method, sparsity: SPARSITY }), name: peer.name };
}

/** What SparseGPT costs over Wanda, both ours. */
function overWanda(size: string, costs: ReadonlyMap<Method, readonly Cost[]>): Ratio[] {
  const wanda = costs.get("wanda"), sparsegpt = costs.get("sparsegpt");
  if (!wanda || !sparsegpt) return [];
  const compare = (what: string, of: (cost: Cost) => number) =>
    over(
      `SparseGPT over Wanda, SmolLM2-135M, ${size}: ${what}`,
      figure("SparseGPT", "s", sparsegpt.map(of)),
      figure("Wanda", "s", wanda.map(of)),
    );
  return [compare("time", ({ seconds }) => seconds), compare("pruning alone", ({ pruningSeconds }) => pruningSeconds)];
}

/** See the file's head. */
export async function benchPrune({ quick, model, note }: Bench): Promise<Ratio[]> {
  if (!model) {
    note("the whole prune is left out: --model or PARE_SMOLLM2 would name SmolLM2-135M's directory");
    return [];
  }
  await using checkpoint = await openCheckpoint(model);
  const { vocabulary } = parseConfig(checkpoint.config, model);
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  const ratios: Ratio[] = [];
  try {
    for (const { sequences, length, rounds, most } of quick ? QUICK_RUNS : RUNS) {
      const size = `${sequences} x ${length} tokens`;
      const tokens = join(directory, `${sequences}x${length}.safetensors`);
      await writeTokens(tokens, randomTokens(sequences, length, vocabulary), length);
      const ours = new Map<Method, Cost[]>();
      for (const method of Object.keys(most) as Method[]) {
        const name = `prune SmolLM2-135M, ${METHODS[method]} ${SPARSITY}, ${size}`;
        const here: Cost[] = [], theirs: (Cost & { name: string })[] = [];
        ours.set(method, here);
        for (let round = 1; round <= rounds; round++) {
          note(`${name}: ${round} of ${rounds}`);
          here.push(await pruneHere(method, model, tokens, join(directory, "pruned")));
          const there = await pruneThere(method, model, tokens, note);
          if (!there) return ratios;
          theirs.push(there);
        }
        const compare = (what: string, unit: string, wanted: number | undefined, of: (cost: Cost) => number) =>
          over(
            `${name}: ${what}`,
            figure("the whole process", unit, here.map(of)),
            figure(theirs[0].name, unit, theirs.map(of)),
            wanted === undefined ? undefined : { most: wanted },
          );
        ratios.push(compare("time", "s", most[method], ({ seconds }) => seconds));
        ratios.push(compare("pruning alone", "s", undefined, ({ pruningSeconds }) => pruningSeconds));
        ratios.push(compare("peak memory", "MiB", MEMORY, ({ peakBytes }) => peakBytes / 2 ** 20));
      }
      ratios.push(...overWanda(size, ours));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return ratios;
}
