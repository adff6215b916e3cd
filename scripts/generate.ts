/** `deno task generate`: what a model writes on from a prompt, or answers in a conversation. */
import { generateCommand } from "../src/cli/generate_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import {
  type Backend,
  type GenerateOptions,
  type Message,
  openBackend,
  openCheckpoint,
  readTongue,
} from "../src/mod.ts";
import { describeRun, type Subject } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { converse } from "./generate/chat.ts";
import { enter, type Given, samplingOf } from "./generate/request.ts";
import { write } from "./generate/text.ts";
import { cacheDtype, loadWeights } from "./shared/weights.ts";

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
  using model = await loadWeights(checkpoint, backend, context, values.quantize);
  const options: GenerateOptions = {
    sampling: samplingOf(values),
    tokens: values.tokens,
    endTokens,
    tokenizer,
    stops: values.stop,
    cache: cacheDtype(values.cache),
    signal,
  };
  if (values.conversation) return await converse(model, tongue, options, first, context);
  using recorder = await beginRecord(values, options, { checkpoint, backend }, context);
  try {
    return await write(model, options, values, prompts, context, recorder);
  } catch (error) {
    recorder?.fail(error, signal.aborted);
    throw error;
  }
}

/** Begins the record of what is written, where it is asked for. */
async function beginRecord(
  values: Given,
  { sampling, tokens, stops = [] }: GenerateOptions,
  { checkpoint, backend }: Pick<Subject, "checkpoint"> & { readonly backend: Backend },
  { args }: Context,
): Promise<Recorder | undefined> {
  const { registry, prompt, chat, system = null, cache, quantize = null } = values;
  if (registry === undefined) return undefined;
  const request = { prompts: prompt, chat, system, tokens, sampling: { ...sampling }, stops, cache, quantize };
  const manifest = await describeRun({ kind: "generate", checkpoint, backend, files: [], request }, args);
  return Recorder.begin(registry, manifest, { labels: labelsOf(values) });
}

/** What `pare generate` runs. */
export const program = [generateCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
