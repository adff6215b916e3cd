/** `deno task generate`: what a model writes on from a prompt, or answers in a conversation. */
import { generateCommand } from "../src/cli/generate_command.ts";
import { spelling } from "../src/cli/flag.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes, showCount, showSeconds } from "../src/cli/units.ts";
import {
  checkSampling,
  type Finish,
  generate,
  type GenerateOptions,
  KeptContext,
  type Message,
  openBackend,
  openCheckpoint,
  PareError,
  type ResidentModel,
  type Sampling,
} from "../src/mod.ts";
import { PermissionSet } from "./shared/sandbox.ts";
import { fetching } from "./shared/common.ts";
import { loadWeights, readTongue, type Tongue } from "./shared/speaker.ts";

/** The flags as they are given, and what the launcher has read. */
type Given = Values<typeof generateCommand.flags> & { readonly conversation?: boolean };

/** Bytes of a prompt from stdin at most: more than the longest context of any model takes. */
const MOST_PROMPT_BYTES = 64 << 20;

/** Seeds that nobody chose: what a person can type again. */
const SEEDS = 2 ** 32;

/** What stdin says, without the end of its last line. */
async function readPrompt(): Promise<string> {
  if (Deno.stdin.isTerminal()) {
    throw new PareError("--prompt is missing, and stdin is a terminal; --help shows an example");
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const piece of Deno.stdin.readable) {
    pieces.push(piece);
    if ((bytes += piece.length) > MOST_PROMPT_BYTES) {
      throw new PareError(`stdin: more than ${MOST_PROMPT_BYTES} bytes came; expected a prompt`);
    }
  }
  if (!bytes) throw new PareError("stdin: nothing came; expected a prompt");
  return new TextDecoder().decode(new Uint8Array(await new Blob(pieces).arrayBuffer())).replace(/\r?\n$/, "");
}

/** How tokens are chosen, by the flags. */
function samplingOf({ temperature, topK, topP, minP, repetitionPenalty, seed }: Given): Sampling {
  const draws = [topK, topP, minP, seed].some((value) => value !== undefined);
  const sampling: Sampling = {
    temperature: temperature ?? (draws ? 1 : 0),
    topK: topK ?? 0,
    topP: topP ?? 1,
    minP: minP ?? 0,
    repetitionPenalty: repetitionPenalty ?? 1,
    seed: seed ?? 0,
  };
  checkSampling(sampling, (name) => `--${spelling(name)}`);
  return sampling;
}

/** Reads the prompt, draws the seed, and says what the command may touch. */
export async function enter(given: Given, { terminal }: Context) {
  const { chat, system, stop } = given, { temperature } = samplingOf(given);
  if (system !== undefined && !chat) throw new PareError("--system is for --chat");
  if (stop.some((text) => !text)) throw new PareError("--stop: expected text, found none");
  const allowed = new PermissionSet(), model = await allowed.model(given.model, fetching(terminal));
  const conversation = chat && !given.prompt.length && Deno.stdin.isTerminal();
  const asked = given.prompt.length || conversation || given.explainPermissions ? given.prompt : ["-"];
  const prompt: string[] = [];
  for (const text of asked) prompt.push(text === "-" ? await readPrompt() : text);
  const seed = given.seed ?? (temperature > 0 ? crypto.getRandomValues(new Uint32Array(1))[0] % SEEDS : undefined);
  return { values: { ...given, model, prompt, seed, temperature, conversation }, permissions: allowed.permissions };
}

/** A model that is ready to write. */
interface Ready extends Tongue {
  readonly model: ResidentModel;
  readonly options: GenerateOptions;
}

/** A text that was written. */
interface Written {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finish: Finish;
}

/** The writing itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  const { signal } = context, { system } = values;
  await using checkpoint = await openCheckpoint(values.model);
  const tongue = await readTongue(checkpoint, values.chat ? "needed" : "left");
  const { tokenizer, template, endTokens } = tongue;
  const first: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
  const prompts = values.prompt.map((text) =>
    template
      ? tokenizer.encode(template.render([...first, { role: "user", content: text }]), { special: false })
      : tokenizer.encode(text, { special: true })
  );
  await using backend = await openBackend(values.backend, { workers: values.workers });
  using model = await loadWeights(checkpoint, backend, context);
  const options: GenerateOptions = {
    sampling: samplingOf(values),
    tokens: values.tokens,
    endTokens,
    tokenizer,
    stops: values.stop,
    cache: values.cache === "f16" ? "F16" : "F32",
    signal,
  };
  const ready = { ...tongue, model, options };
  if (values.conversation) return await converse(ready, first, context);
  return await write(ready, values, prompts, context);
}

/** Writes on from every prompt, and shows the first text that is not done yet as it grows. */
async function write(
  { model, options }: Ready,
  values: Given,
  prompts: readonly Uint32Array[],
  context: Context,
): Promise<Outcome> {
  const { terminal } = context, show = new Shown(values.prompt, context.write);
  const texts = prompts.map(() => ({ text: "", ids: [] as number[], finish: "length" as Finish }));
  const begun = performance.now();
  let read = begun, steps = 0, promptTokens = 0;
  const onPrompt = (done: number, total: number) => {
    promptTokens = total;
    terminal.progress({ label: "prompt", done, total, unit: "tokens" });
  };
  try {
    for await (const { sequence, id, text, finish } of generate(model, prompts, { ...options, onPrompt })) {
      const own = texts[sequence];
      if (own.ids.length === 0 && steps === 0) read = performance.now();
      own.ids.push(id);
      own.text += text;
      if (own.ids.length > 1) steps++;
      if (finish) own.finish = finish;
      show.push(sequence, text, finish !== undefined);
    }
  } catch (error) {
    show.end();
    throw error;
  }
  const seconds = (performance.now() - read) / 1000, promptSeconds = (read - begun) / 1000;
  const tokens = texts.reduce((sum, { ids }) => sum + ids.length, 0);
  const rate = (count: number, seconds: number) => count > 0 && seconds > 0 ? count / seconds : null;
  const speeds = {
    promptTokens,
    promptSeconds,
    promptTokensPerSecond: rate(promptTokens, promptSeconds),
    tokens,
    seconds,
    tokensPerSecond: rate(steps, seconds),
  };
  const peakBytes = await context.peakMemory();
  terminal.note(
    [
      `prompt: ${showCount(promptTokens)} tokens in ${showSeconds(promptSeconds)}`,
      `text: ${showCount(tokens)} tokens in ${showSeconds(seconds)}` +
      (speeds.tokensPerSecond ? `, ${speeds.tokensPerSecond.toFixed(1)} tokens/s` : ""),
      `${showBytes(model.bytesPerToken)} of weights read a token`,
      `peak memory ${showBytes(peakBytes)}`,
    ].join("; "),
  );
  const outputs: Written[] = texts;
  return {
    text: "",
    json: {
      model: values.model,
      ...outputs.length === 1 && outputs[0],
      outputs: outputs.map((output, i) => ({ prompt: values.prompt[i], ...output })),
      ...speeds,
      weightBytesPerToken: model.bytesPerToken,
      peakBytes,
      sampling: options.sampling,
      cache: values.cache,
      backend: { name: model.backend.name, description: model.backend.description },
    },
  };
}

/** Texts that grow side by side on one screen: one after the other, each under its prompt if there are several. */
class Shown {
  readonly #waiting: string[];
  readonly #done: boolean[];
  #current = -1;

  constructor(readonly prompts: readonly string[], readonly write: (text: string) => void) {
    this.#waiting = prompts.map(() => "");
    this.#done = prompts.map(() => false);
    this.#next();
  }

  push(sequence: number, text: string, done: boolean): void {
    this.#waiting[sequence] += text;
    this.#done[sequence] = done;
    while (this.#current < this.prompts.length) {
      this.write(this.#waiting[this.#current]);
      this.#waiting[this.#current] = "";
      if (!this.#done[this.#current]) break;
      this.#next();
    }
  }

  /** Ends the line of a text that is not done. */
  end(): void {
    if (this.#current < this.prompts.length) this.write("\n");
  }

  #next(): void {
    const { prompts } = this;
    if (++this.#current === prompts.length || prompts.length === 1) return;
    const prompt = prompts[this.#current].replace(/\s+/g, " ").trim();
    this.write(`${this.#current ? "\n\n" : ""}==> ${prompt.length > 60 ? `${prompt.slice(0, 60)}…` : prompt} <==\n`);
  }
}

/** A conversation, line by line, until stdin ends. */
async function converse(
  { model, tokenizer, template, options }: Ready,
  first: Message[],
  context: Context,
): Promise<Outcome> {
  const { write } = context, messages = [...first], { maxLength } = model.spec;
  using kept = new KeptContext(model, options.cache);
  for (;;) {
    write("> ");
    const line = await context.readLine();
    if (line === undefined) return { text: "", json: { messages } };
    if (!line.trim()) continue;
    messages.push({ role: "user", content: line });
    const prompt = tokenizer.encode(template!.render(messages), { special: false });
    const room = kept.for(Math.min(maxLength, prompt.length + options.tokens));
    let answer = "";
    for await (const { text } of generate(model, [prompt], { ...options, context: room })) {
      answer += text;
      write(text);
    }
    messages.push({ role: "assistant", content: answer });
    write("\n");
  }
}

/** What `pare generate` runs. */
export const program = [generateCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
