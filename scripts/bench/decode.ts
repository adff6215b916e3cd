/**
 * Text token by token: what a token takes, against what the machine's memory allows (every weight is read once for it) and
 * against other software with the same weights, of as many bits, all in turn in one run; a prompt of 512 tokens; memory. Everyone
 * is a process of its own, Pare too, and all whose weights are not rounded must write the same tokens.
 */
import { join } from "node:path";
import { loadTokenizer, openCheckpoint } from "../../src/mod.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { AUSTEN_TEXT, packedCopy, prunedCopy } from "./pruned.ts";
import { type Figure, figure, interleave, over, type Ratio, type Side } from "./ratio.ts";
import { openStream } from "./stream_rate.ts";

/** Tokens of the prompt, and of the text behind a prompt of a few. */
const SIZE = { prompt: 512, few: 16, tokens: 48, rounds: 5 }, QUICK = { prompt: 64, few: 8, tokens: 8, rounds: 2 };
/** Rounds of the prompt, which takes seconds. */
const PROMPT_ROUNDS = 3;
/** Tokens that all must agree on from the first one: the rounding of the others' arithmetic turns a text at some time. */
const SAME = 4;
/** What is wanted of the stream's rate, and of a prompt over the machine's own code. */
const OF_STREAM = { least: 0.75 }, PROMPT_OVER_NATIVE = { least: 0.5 };
/** Pare's own models: what others have of as many bits, and what is wanted over those, native or as WebAssembly. */
const OURS: readonly {
  readonly label: string;
  readonly weights: "F16" | "Q8_0";
  readonly native: Ratio["target"];
  readonly wasm?: Ratio["target"];
  /** The flags of `prune`, where it is a pruned copy. */
  readonly pruned?: readonly string[];
}[] = [
  { label: "Pare, dense F16", weights: "F16", native: { least: 0.8 }, wasm: { least: 1.3 } },
  { label: "Pare, dense int8", weights: "Q8_0", native: { least: 0.8 }, wasm: { least: 1.5 } },
  { label: "Pare, 2:4 int8", weights: "Q8_0", native: { least: 1.2 }, pruned: ["--pattern=2:4"] },
];
/** And of 2:4 over dense, both int8. */
const OVER_DENSE = { least: 1.45 };

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

/** Pare itself, with each form of the weights. */
async function ours(
  model: string,
  directory: string,
  note: Bench["note"],
  stack: AsyncDisposableStack,
): Promise<Writer[]> {
  const writers: Writer[] = [];
  for (const [i, { label, weights, pruned }] of OURS.entries()) {
    note(`decode: ${label}`);
    const source = pruned ? await prunedCopy(model, pruned, join(directory, `pruned-${i}`)) : model;
    const path = weights === "F16" ? source : await packedCopy(source, "int8", join(directory, `packed-${i}`));
    const peer = await Peer.start("pare.ts", [path], note);
    if (peer) writers.push({ label, weights, peer: stack.use(peer), ask: (ids, tokens) => peer.ask({ ids, tokens }) });
  }
  return writers;
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
  const words = [...tokenizer.encode(await Deno.readTextFile(corpus ?? AUSTEN_TEXT), { special: false })];
  const prompt = words.slice(0, length), begun = words.slice(0, few), cores = navigator.hardwareConcurrency;
  const own = await ours(model, directory, note, stack);
  if (own.length < OURS.length) return [];
  const [dense] = own;
  const rest = await others(model, directory, (ids) => tokenizer.decode(ids), length + tokens, note, stack);
  note("decode: all write the same");
  const { ids, bytesPerToken } = await dense.ask(begun, tokens), them: Writer[] = [];
  for (const other of rest) {
    try {
      const said = await other.ask(begun, tokens), same = said.ids?.findIndex((id, i) => id !== ids![i]);
      const differs = said.ids
        ? same! >= 0 && same! < SAME
        : !said.text?.startsWith(tokenizer.decode(ids!.slice(0, SAME)));
      if (other.weights !== "Q8_0" && differs) throw new Error("it writes another text");
      them.push(other);
    } catch (error) {
      note(`${other.label} is left out: ${(error as Error).message}`);
    }
  }
  using stream = await openStream(cores);
  const { text, read } = sides([...own, ...them], begun, prompt, tokens);
  note("decode: text");
  const [memory, ...texts] = await interleave(rounds, [stream, ...text]);
  const mine = texts.slice(0, own.length), theirs = texts.slice(own.length);
  note(`decode: a prompt of ${length} tokens`);
  const [myPrompt, ...theirPrompts] = await interleave(Math.min(rounds, PROMPT_ROUNDS), [
    read[0],
    ...read.slice(own.length),
  ]);
  const name = "SmolLM2-135M, a token", limit = (value: number) => value * 1e9 / bytesPerToken!;
  const allowed: Figure = {
    ...memory,
    label: `${memory.label}: ${memory.median.toFixed(1)} GB/s, ${(bytesPerToken! / 1e6).toFixed(0)} MB a token`,
    unit: "tokens/s",
    ...{ median: limit(memory.median), min: limit(memory.min), max: limit(memory.max) },
  };
  const [f16, int8, sparse] = mine;
  ratios.push(over(name, f16, allowed, OF_STREAM), over(name, sparse, int8, OVER_DENSE));
  const isWasm = ({ peer }: Writer) => peer.name.includes("WebAssembly");
  for (const [i, { weights, native, wasm }] of OURS.entries()) {
    for (const [k, their] of them.entries()) {
      if ((their.weights === "Q8_0") !== (weights === "Q8_0")) continue;
      const target = their.weights !== weights ? undefined : isWasm(their) ? wasm : native;
      ratios.push(over(name, mine[i], theirs[k], target));
    }
  }
  for (const [k, their] of them.entries()) {
    const what = `SmolLM2-135M, a prompt of ${length} tokens`, native = their.weights === "F16" && !isWasm(their);
    ratios.push(over(what, myPrompt, theirPrompts[k], native ? PROMPT_OVER_NATIVE : undefined));
  }
  for (const { label, peer } of them) {
    // A browser is processes of its own.
    if (peer.peakBytes && dense.peer.peakBytes && !peer.name.includes("Chromium")) {
      const megabytes = ({ peakBytes }: Peer) => [peakBytes! / 1e6];
      ratios.push(
        over(
          "SmolLM2-135M, peak memory",
          figure(dense.label, "MB", megabytes(dense.peer)),
          figure(label, "MB", megabytes(peer)),
        ),
      );
    }
  }
  return ratios;
}
