/**
 * What drafting with a pruned copy would gain: the copy writes some tokens, the dense model reads them all at once and keeps
 * those that it would have written itself, so that the text is the dense model's (Leviathan et al., 2023). What decides is
 * measured here: how often both take the same token, by a forward pass over a text and over what the dense model wrote itself;
 * and what reading several tokens at once costs over reading one. What a drafted token costs is not measured: it is taken to be what it
 * reads of the dense model's bytes, of a mask over those themselves or of a packed copy beside them.
 */
import { join } from "node:path";
import {
  type Backend,
  Context,
  generate,
  linearsOf,
  loadTokenizer,
  logits,
  openBackend,
  openCheckpoint,
  rectangle,
  ResidentModel,
} from "../../src/mod.ts";
import { likeliest } from "../../src/generate/sampler.ts";
import type { Bench } from "./part.ts";
import { AUSTEN, AUSTEN_TEXT, prunedCopy } from "./pruned.ts";
import { type Figure, figure, interleave, type Ratio } from "./ratio.ts";

/** Pruned copies, by what `prune` is asked for. */
const COPIES = { "50 %": ["--sparsity=0.5"], "2:4": ["--pattern=2:4"], "8:16": ["--pattern=8:16"] } as const;
/** Sequences of the text, and tokens of each; of these the first are the prompt that the dense model goes on from. */
const SIZE = { sequences: 4, length: 512, prompt: 64 }, QUICK = { sequences: 2, length: 128, prompt: 32 };
/** Tokens that are drafted at once, at most. */
const MOST_DRAFTED = 8;
/** What it must promise to be worth building. */
const WORTH = 1.2;
/**
 * Bits of a weight of which half is kept: the mask and eight bits of each kept number, where they lie among the dense model's 16
 * and that mask; and of a packed copy the mask and all 16.
 */
const NESTED_BITS = 1 + 8 / 2, ALL_BITS = 1 + 16, PACKED_BITS = 1 + 16 / 2;
/** Rounds of the timing. */
const ROUNDS = 5;

/** The token that is likeliest behind each of some ids. */
async function greedyOf(ids: Uint32Array, model: string, backend: Backend): Promise<number[]> {
  await using checkpoint = await openCheckpoint(model);
  const all = await logits(rectangle(ids, ids.length), { checkpoint, backend }), each = all.length / ids.length;
  return Array.from(ids, (_, i) => likeliest(all.subarray(i * each, (i + 1) * each)));
}

/** Shares of the tokens behind `from` on which two models agree, in percent, sequence by sequence. */
async function agreement(
  texts: readonly Uint32Array[],
  from: number,
  dense: readonly (readonly number[])[],
  copy: string,
  backend: Backend,
): Promise<number[]> {
  const shares: number[] = [];
  for (const [i, ids] of texts.entries()) {
    const drafted = (await greedyOf(ids, copy, backend)).slice(from), own = dense[i].slice(from);
    shares.push(100 * drafted.filter((id, at) => id === own[at]).length / own.length);
  }
  return shares;
}

/**
 * How many times as fast a text is written where `drafted` tokens are drafted at a time and each is right with the chance
 * `right`: in the dense model's tokens, a draft costs `draft`, a check of all of them `check`.
 */
export function gain(right: number, drafted: number, draft: number, check: number): number {
  const written = right === 1 ? drafted + 1 : (1 - right ** (drafted + 1)) / (1 - right);
  return written / (drafted * draft + check);
}

/** The best of several numbers of drafted tokens. */
function bestGain(right: number, draft: number, check: (tokens: number) => number) {
  const all = Array.from({ length: MOST_DRAFTED }, (_, i) => i + 1).map((drafted) => ({
    drafted,
    gain: gain(right, drafted, draft, check(drafted + 1)),
  }));
  return all.reduce((best, each) => each.gain > best.gain ? each : best);
}

/** What the dense model takes for several tokens at once, in what it takes for one. */
async function checkCosts(model: ResidentModel, ids: Uint32Array): Promise<number[]> {
  const all = [...ids], before = all.slice(0, all.length - MOST_DRAFTED - 1);
  using context = new Context(model, { sequences: 1, length: all.length });
  const figures: Figure[] = await interleave(
    ROUNDS,
    Array.from({ length: MOST_DRAFTED + 1 }, (_, i) => ({
      label: `${i + 1} tokens`,
      unit: "ms",
      async sample() {
        await context.read([{ sequence: 0, ids: before }]);
        const start = performance.now();
        await context.read([{ sequence: 0, ids: all.slice(0, before.length + i + 1) }]);
        return performance.now() - start;
      },
    })),
  );
  return figures.map(({ median }) => median / figures[0].median);
}

/** What a copy reads for a token of what the dense model reads. */
async function draftShares(path: string, { spec, bytesPerToken }: ResidentModel) {
  await using checkpoint = await openCheckpoint(path);
  const bytesOf = (name: string) => checkpoint.tensors.get(name)!.bytes;
  const linears = spec.blocks.flatMap(linearsOf).reduce((sum, { name }) => sum + bytesOf(`${name}.weight`), 0);
  const head = bytesOf(spec.head.tensor), rest = bytesPerToken - linears - head;
  return {
    /** A mask over the dense model's bytes, which then has to read the mask too; half of the head's. */
    nested: (linears * NESTED_BITS / 16 + head / 2 + rest) / (linears * ALL_BITS / 16 + head + rest),
    /** Its linears as a mask and the kept F16 numbers; the head is not pruned. */
    packed: (linears * PACKED_BITS / 16 + head + rest) / bytesPerToken,
  };
}

/** See the file's head. */
export async function benchDraft({ quick, model, corpus, note }: Bench): Promise<Ratio[]> {
  const models = { ...model && { "SmolLM2-135M": model }, "Austen-700K": AUSTEN };
  const { sequences, length, prompt } = quick ? QUICK : SIZE, ratios: Ratio[] = [];
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  try {
    await using backend = await openBackend("wasm");
    for (const [name, path] of Object.entries(models)) {
      await using checkpoint = await openCheckpoint(path);
      using resident = await ResidentModel.open({ checkpoint, backend });
      const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), path);
      const ids = tokenizer.encode(await Deno.readTextFile(corpus ?? AUSTEN_TEXT), { special: false });
      const text = Array.from({ length: sequences }, (_, i) => ids.slice(i * length, (i + 1) * length));
      const written: Uint32Array[] = [];
      note(`draft: ${name} writes`);
      for (const each of text) {
        const begun = [...each.subarray(0, prompt)];
        for await (const { id } of generate(resident, [Uint32Array.from(begun)], { tokens: length - prompt })) {
          begun.push(id);
        }
        written.push(Uint32Array.from(begun));
      }
      const checks = await checkCosts(resident, text[0].slice(0, 2 * prompt)),
        drafts = await draftShares(path, resident);
      for (const [what, texts, from] of [["a text", text, 0], ["its own text", written, prompt - 1]] as const) {
        const dense: number[][] = [];
        for (const each of texts) dense.push(await greedyOf(each, path, backend));
        for (const [copy, asked] of Object.entries(COPIES)) {
          note(`draft: ${name}, ${copy}, ${what}`);
          const out = await prunedCopy(path, asked, join(directory, name, copy.replace(/\W/g, "_")));
          const shares = await agreement(texts, from, dense, out, backend);
          const right = shares.reduce((sum, share) => sum + share) / shares.length / 100;
          const measured = (tokens: number) => checks[tokens - 1];
          for (
            const [how, draft, cost] of [
              ["nested, if a check cost one token", drafts.nested, () => 1],
              ["nested, with what a check costs here", drafts.nested, measured],
              ["packed, with what a check costs here", drafts.packed, measured],
            ] as const
          ) {
            const best = bestGain(right, draft, cost), check = cost(best.drafted + 1).toFixed(2);
            ratios.push({
              name: `drafting with Wanda ${copy}, ${name}, ${what}: gain, ${how}`,
              ours: figure("of the tokens are the same", "%", shares),
              theirs: figure(
                `of a dense token for each of ${best.drafted} drafted ones, ${check} for their check`,
                "%",
                [100 * draft],
              ),
              ratio: best.gain,
              target: { least: WORTH },
            });
          }
        }
      }
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return ratios;
}
