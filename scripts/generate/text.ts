/** The texts of `generate`, as they come and with their figures. */
import type { Context, Outcome } from "../../src/cli/run.ts";
import { showBytes, showCount, showSeconds } from "../../src/cli/units.ts";
import { type Finish, generate, type GenerateOptions, type ResidentModel } from "../../src/mod.ts";
import type { TextRecord } from "../../src/run/record.ts";
import type { Recorder } from "../../src/run/recorder.ts";
import type { Given } from "./request.ts";
import { Shown } from "./shown.ts";

/** Writes on from every prompt, shows the first text that is not done yet as it grows, and records them all. */
export async function write(
  model: ResidentModel,
  options: GenerateOptions,
  values: Given,
  prompts: readonly Uint32Array[],
  context: Context,
  recorder?: Recorder,
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
  const outputs: TextRecord[] = texts.map((text, i) => ({ prompt: values.prompt[i], ...text }));
  recorder?.finish({ prompt: promptSeconds, text: seconds }, peakBytes, { texts: outputs });
  return {
    text: "",
    json: {
      model: values.model,
      ...texts.length === 1 && texts[0],
      outputs,
      ...speeds,
      weightBytesPerToken: model.bytesPerToken,
      packedWeights: Object.fromEntries(model.packed),
      peakBytes,
      sampling: options.sampling,
      cache: values.cache,
      ...recorder && { run: recorder.id },
      backend: { name: model.backend.name, description: model.backend.description },
    },
  };
}
