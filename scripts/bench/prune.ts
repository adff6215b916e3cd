/**
 * The whole job: `deno task prune` of SmolLM2-135M as a user starts it, from the start of the process to its end, model
 * read and written, against the published procedure in PyTorch, its model already loaded and nothing written.
 */
import { join } from "node:path";
import { openCheckpoint, parseConfig } from "../../src/mod.ts";
import { randomTokens, writeTokens } from "./model.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { figure, over, type Ratio } from "./ratio.ts";

const PRUNE = new URL("../prune.ts", import.meta.url).pathname;
const SPARSITY = 0.5;
/** Issue 8: of the wall time, of the peak memory. */
const TIME = 1, MEMORY = 0.25;
/** Sequences, tokens of each, rounds: the golden run, and eight times as much. */
const RUNS = [[8, 512, 3], [32, 1024, 2]] as const, QUICK_RUNS = [[2, 512, 1]] as const;
/** The published code's own: transformers' attention written out in PyTorch. */
const ATTENTION = "eager";

/** Wall seconds and peak memory of one run. */
interface Cost {
  readonly seconds: number;
  readonly peakBytes: number;
}

async function pruneHere(model: string, tokens: string, out: string): Promise<Cost> {
  const args = ["run", "--allow-all", PRUNE, "--json", "--backend=wasm", "--method=wanda", "--force"];
  args.push(`--sparsity=${SPARSITY}`, `--model=${model}`, `--calibration=${tokens}`, `--out=${out}`);
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const seconds = (performance.now() - start) / 1000;
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { peakBytes } = JSON.parse(new TextDecoder().decode(stdout));
  return { seconds, peakBytes };
}

async function pruneThere(
  model: string,
  tokens: string,
  note: Bench["note"],
): Promise<Cost & { name: string } | undefined> {
  await using peer = await Peer.start("wanda_prune.py", [model, ATTENTION], note);
  return peer && { ...await peer.ask<Cost>({ tokens, sparsity: SPARSITY }), name: peer.name };
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
    for (const [sequences, length, rounds] of quick ? QUICK_RUNS : RUNS) {
      const name = `prune SmolLM2-135M, Wanda ${SPARSITY}, ${sequences} x ${length} tokens`;
      const tokens = join(directory, `${sequences}x${length}.safetensors`);
      await writeTokens(tokens, randomTokens(sequences, length, vocabulary), length);
      const ours: Cost[] = [], theirs: (Cost & { name: string })[] = [];
      for (let round = 1; round <= rounds; round++) {
        note(`${name}: ${round} of ${rounds}`);
        ours.push(await pruneHere(model, tokens, join(directory, "pruned")));
        const there = await pruneThere(model, tokens, note);
        if (!there) return ratios;
        theirs.push(there);
      }
      const compare = (what: string, unit: string, target: number, of: (cost: Cost) => number) =>
        over(
          `${name}: ${what}`,
          figure("the whole process", unit, ours.map(of)),
          figure(theirs[0].name, unit, theirs.map(of)),
          { most: target },
        );
      ratios.push(compare("time", "s", TIME, ({ seconds }) => seconds));
      ratios.push(compare("peak memory", "MB", MEMORY, ({ peakBytes }) => peakBytes / 1e6));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return ratios;
}
