/**
 * What not storing zeros gains: text token by token from packed copies of a model, by pattern and by how the other numbers are
 * stored, each in turn with the dense model and with the dense model of such numbers; bytes, memory, and perplexity beside them.
 */
import { join } from "node:path";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { AUSTEN_TEXT, packedCopy, perplexityOf, prunedCopy } from "./pruned.ts";
import { figure, interleave, over, type Ratio, type Side } from "./ratio.ts";

/** How much is pruned, by the flags of `prune`; nothing of the dense model. */
const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  dense: [],
  "50 %": ["--sparsity=0.5"],
  "60 %": ["--sparsity=0.6"],
  "70 %": ["--sparsity=0.7"],
  "2:4": ["--pattern=2:4"],
  "4:8": ["--pattern=4:8"],
  "8:16": ["--pattern=8:16"],
};
/** How numbers are stored, by the flag of `pack`. */
const VALUES = ["f16", "int8", "int4"] as const;
/** Tokens of the text, and rounds. */
const SIZE = { tokens: 48, rounds: 5 };
const QUICK = { tokens: 16, rounds: 3, patterns: ["dense", "50 %", "2:4"], values: ["f16", "int8"] };
/** What is wanted of the speed over the dense model's with such numbers. */
const OVER_DENSE: Readonly<Record<string, number>> = {
  "50 % f16": 1.3,
  "70 % f16": 1.8,
  "2:4 f16": 1.5,
  "2:4 int8": 1.45,
};
/** What is wanted of the bytes: at most this share of the dense F16 model's. */
const BYTES: Readonly<Record<string, number>> = { "50 % f16": 0.58, "2:4 int8": 0.38, "50 % int4": 0.30 };
/** Ids of a prompt: what they say is of no consequence. */
const PROMPT = [504, 3575, 282, 4649, 314];
/** Windows of the perplexity, and tokens of each. */
const WINDOWS = 4, SEQLEN = 512;

/** What a packed model wrote, or the dense one. */
interface Answer {
  readonly seconds: number;
  readonly bytesPerToken: number;
}

/** A model that is open, and what is known of it. */
interface Open {
  readonly peer: Peer;
  readonly side: Side;
  readonly bytesPerToken: number;
  readonly perplexity: number;
}

/** Opens a model in a process of its own. */
async function open(
  label: string,
  path: string,
  tokens: number,
  corpus: string,
  note: Bench["note"],
): Promise<Open | undefined> {
  const peer = await Peer.start("pare.ts", [path], note);
  if (!peer) return;
  const { bytesPerToken } = await peer.ask<Answer>({ ids: PROMPT, tokens: 2 });
  const sample = async () => (tokens - 1) / (await peer.ask<Answer>({ ids: PROMPT, tokens })).seconds;
  const perplexity = await perplexityOf(path, corpus, WINDOWS, SEQLEN);
  return { peer, side: { label, unit: "tokens/s", sample }, bytesPerToken, perplexity };
}

/** See the file's head. */
export async function benchPacked({ quick, model, corpus = AUSTEN_TEXT, note }: Bench): Promise<Ratio[]> {
  if (!model) {
    note("packed copies are left out: --model or PARE_SMOLLM2 would name SmolLM2-135M's directory");
    return [];
  }
  const { tokens, rounds } = quick ? QUICK : SIZE, ratios: Ratio[] = [];
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const dense = await open("dense F16", model, tokens, corpus, note);
  if (!dense) return [];
  stack.use(dense.peer);
  for (const values of quick ? QUICK.values : VALUES) {
    await using scope = new AsyncDisposableStack();
    let base = dense;
    for (const pattern of quick ? QUICK.patterns : Object.keys(PATTERNS)) {
      const kind = `${pattern} ${values}`, asked = PATTERNS[pattern];
      if (kind === "dense f16") continue;
      note(`decode: ${kind}`);
      const pruned = asked.length
        ? await prunedCopy(model, asked, join(directory, pattern.replace(/\W/g, "_")))
        : model;
      const path = await packedCopy(pruned, values, join(directory, kind.replace(/\W/g, "_")));
      const own = await open(kind, path, tokens, corpus, note);
      if (!own) continue;
      const isBase = pattern === "dense", name = `SmolLM2-135M, ${kind}`;
      await using alone = new AsyncDisposableStack();
      (isBase ? scope : alone).use(own.peer);
      if (isBase) base = own;
      const [mine, whole, same] = await interleave(rounds, [own.side, dense.side, base.side]);
      ratios.push(over(`${name}: a token`, mine, whole));
      const least = OVER_DENSE[kind], most = BYTES[kind];
      if (!isBase) ratios.push(over(`${name}: a token`, mine, same, least === undefined ? undefined : { least }));
      const compare = (what: string, unit: string, of: (one: Open) => number, target?: Ratio["target"]) =>
        over(`${name}: ${what}`, figure(kind, unit, [of(own)]), figure("dense F16", unit, [of(dense)]), target);
      ratios.push(
        compare("bytes of a token", "MB", (one) => one.bytesPerToken / 1e6, most === undefined ? undefined : { most }),
        compare("peak memory", "MB", ({ peer }) => (peer.peakBytes ?? NaN) / 1e6),
        compare("perplexity", "", ({ perplexity }) => perplexity),
      );
    }
  }
  return ratios;
}
