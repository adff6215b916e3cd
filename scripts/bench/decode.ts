/**
 * Text token by token: what a token takes, against what the machine's memory allows (every weight is read once for it) and
 * against other software with the same weights, all in turn in one run; a prompt of 512 tokens; memory. Everyone is
 * a process of its own, Pare too, and all must write the same tokens.
 */
import { join } from "node:path";
import { loadTokenizer, openCheckpoint } from "../../src/mod.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { AUSTEN_TEXT } from "./pruned.ts";
import { type Figure, figure, interleave, over, type Ratio, type Side } from "./ratio.ts";
import { openStream } from "./stream_rate.ts";

/** Tokens of the prompt, and of the text behind a prompt of a few. */
const SIZE = { prompt: 512, few: 16, tokens: 48, rounds: 5 }, QUICK = { prompt: 64, few: 8, tokens: 8, rounds: 2 };
/** Rounds of the prompt, which takes seconds. */
const PROMPT_ROUNDS = 3;
/** Tokens that all must agree on from the first one: the rounding of the others' arithmetic turns a text at some time. */
const SAME = 4;
/** What is wanted. */
const OF_STREAM = { least: 0.75 }, OVER_NATIVE = { least: 0.8 }, PROMPT_OVER_NATIVE = { least: 0.5 };
const OVER_WASM = { F16: { least: 1.3 }, Q8_0: { least: 1.5 } } as const;

/** What a text took. */
interface Written {
  readonly ids?: readonly number[];
  readonly text?: string;
  readonly promptSeconds: number;
  readonly seconds: number;
  readonly tokens?: number;
  readonly bytesPerToken?: number;
}

/** Someone who writes, with one form of the weights. */
interface Writer {
  readonly label: string;
  /** What it is compared with by: `F16`, `Q8_0`. */
  readonly weights: string;
  readonly peer: Peer;
  ask(ids: readonly number[], tokens: number): Promise<Written>;
}

/** Samples of a writer: tokens a second of a text behind a few tokens; and of a prompt. */
function sides(writers: readonly Writer[], few: readonly number[], prompt: readonly number[], tokens: number) {
  const text = writers.map(({ label, ask }): Side => ({
    label,
    unit: "tokens/s",
    async sample() {
      const { seconds } = await ask(few, tokens);
      return (tokens - 1) / seconds;
    },
  }));
  const read = writers.map(({ label, ask }): Side => ({
    label,
    unit: "tokens/s",
    sample: async () => prompt.length / (await ask(prompt, 1)).promptSeconds,
  }));
  return { text, read };
}

/** The other software, as far as it is here, on files that are written for it. */
async function others(
  model: string,
  directory: string,
  decode: (ids: readonly number[]) => string,
  length: number,
  note: Bench["note"],
  stack: AsyncDisposableStack,
): Promise<Writer[]> {
  const writers: Writer[] = [],
    add = (peer: Peer, weights: string, more: Record<string, unknown>) =>
      writers.push({
        label: `${peer.name}, ${weights}`,
        weights,
        peer,
        ask: (ids, tokens) => peer.ask<Written>({ ...more, ids, prompt: decode(ids), tokens, length }),
      });
  const torch = await Peer.start("transformers_decode.py", [], note);
  if (torch) { for (const dtype of ["bfloat16", "float32"]) add(stack.use(torch), dtype, { model, dtype }); }
  await using maker = await Peer.start("llama_gguf.py", [], note);
  if (!maker) return writers;
  for (const kind of ["F16", "Q8_0"]) {
    const file = join(directory, `${kind}.gguf`);
    await maker.ask({ model, kind, out: file });
    for (const program of ["llama_cpp.ts", "wllama.ts"]) {
      const peer = await Peer.start(program, [], note);
      if (peer) add(stack.use(peer), kind, { model: file });
    }
  }
  return writers;
}

/** See the file's head. */
export async function benchDecode({ quick, model, corpus, note }: Bench): Promise<Ratio[]> {
  if (!model) {
    note("decode is left out: --model or PARE_SMOLLM2 would name SmolLM2-135M's directory");
    return [];
  }
  const { prompt: length, few, tokens, rounds } = quick ? QUICK : SIZE, ratios: Ratio[] = [];
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await using checkpoint = await openCheckpoint(model);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), model);
  const text = [...tokenizer.encode(await Deno.readTextFile(corpus ?? AUSTEN_TEXT), { special: false })];
  const prompt = text.slice(0, length), begun = text.slice(0, few), cores = navigator.hardwareConcurrency;
  const own = await Peer.start("pare.ts", [model], note);
  if (!own) return [];
  stack.use(own);
  const dense: Writer = {
    label: "Pare, dense F16",
    weights: "F16",
    peer: own,
    ask: (ids, tokens) => own.ask<Written>({ ids, tokens }),
  };
  const rest = await others(model, directory, (ids) => tokenizer.decode(ids), length + tokens, note, stack);
  note("decode: all write the same");
  const { ids, bytesPerToken } = await dense.ask(begun, tokens), writers = [dense];
  for (const other of rest) {
    try {
      const said = await other.ask(begun, tokens), same = said.ids?.findIndex((id, i) => id !== ids![i]);
      const differs = said.ids
        ? same! >= 0 && same! < SAME
        : !said.text?.startsWith(tokenizer.decode(ids!.slice(0, SAME)));
      if (other.weights !== "Q8_0" && differs) throw new Error("it writes another text");
      writers.push(other);
    } catch (error) {
      note(`${other.label} is left out: ${(error as Error).message}`);
    }
  }
  using stream = await openStream(cores);
  const { text: texts, read } = sides(writers, begun, prompt, tokens);
  note("decode: text");
  const [memory, mine, ...theirs] = await interleave(rounds, [stream, ...texts]);
  note(`decode: a prompt of ${length} tokens`);
  const [myPrompt, ...theirPrompts] = await interleave(Math.min(rounds, PROMPT_ROUNDS), read);
  const name = "SmolLM2-135M, a token", limit = (value: number) => value * 1e9 / bytesPerToken!;
  const allowed: Figure = {
    ...memory,
    label: `${memory.label}: ${memory.median.toFixed(1)} GB/s, ${(bytesPerToken! / 1e6).toFixed(0)} MB a token`,
    unit: "tokens/s",
    ...{ median: limit(memory.median), min: limit(memory.min), max: limit(memory.max) },
  };
  ratios.push(over(name, mine, allowed, OF_STREAM));
  for (const [i, { peer, weights }] of writers.slice(1).entries()) {
    const wasm = peer.name.includes("WebAssembly"), kind = weights as keyof typeof OVER_WASM;
    const target = weights !== "F16" ? undefined : wasm ? OVER_WASM[kind] : OVER_NATIVE;
    ratios.push(over(name, mine, theirs[i], target));
  }
  for (const [i, { peer, weights }] of writers.slice(1).entries()) {
    const native = weights === "F16" && !peer.name.includes("WebAssembly");
    const what = `SmolLM2-135M, a prompt of ${length} tokens`;
    ratios.push(over(what, myPrompt, theirPrompts[i], native ? PROMPT_OVER_NATIVE : undefined));
  }
  for (const { label, peer } of writers.slice(1)) {
    // A browser is processes of its own.
    if (peer.peakBytes && own.peakBytes && !peer.name.includes("Chromium")) {
      const megabytes = ({ peakBytes }: Peer) => [peakBytes! / 1e6];
      ratios.push(
        over(
          "SmolLM2-135M, peak memory",
          figure(dense.label, "MB", megabytes(own)),
          figure(label, "MB", megabytes(peer)),
        ),
      );
    }
  }
  return ratios;
}
