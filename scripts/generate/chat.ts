/** A conversation of `generate` with a chat model on a terminal. */
import type { Context, Outcome } from "../../src/cli/run.ts";
import {
  Context as ReadContext,
  generate,
  type GenerateOptions,
  type Message,
  type ResidentModel,
  type Tongue,
} from "../../src/mod.ts";

/** Talks line by line until stdin ends; `first` is what was said before. */
export async function converse(
  model: ResidentModel,
  { tokenizer, template }: Tongue,
  options: GenerateOptions,
  first: readonly Message[],
  context: Context,
): Promise<Outcome> {
  const { write } = context, messages = [...first], size = { sequences: 1, length: model.spec.maxLength };
  using kept = new ReadContext(model, size, options.cache); // of a turn only what is new is read
  for (;;) {
    write("> ");
    const line = await context.readLine();
    if (line === undefined) return { text: "", json: { messages } };
    if (!line.trim()) continue;
    messages.push({ role: "user", content: line });
    const prompt = tokenizer.encode(template!.render(messages), { special: false });
    let answer = "";
    for await (const { text } of generate(model, [prompt], { ...options, context: kept })) {
      answer += text;
      write(text);
    }
    messages.push({ role: "assistant", content: answer });
    write("\n");
  }
}
