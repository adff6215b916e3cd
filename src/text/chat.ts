/**
 * A conversation as the text that a model was trained to go on with: the chat template of its tokenizer, a program in Jinja
 * that comes with the model. `@huggingface/jinja` runs it, within a bound of time, and what it may see is the conversation
 * and the special tokens.
 */
import { Template } from "npm:@huggingface/jinja@0.5.11";
import { parseObject } from "../checkpoint/json.ts";
import { PareError } from "../errors.ts";
import { withinAllowance } from "./bounds.ts";

/** One turn of a conversation. */
export interface Message {
  /** Whose turn: `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string;
  /** What was said. */
  readonly content: string;
}

/** How a model speaks. */
export interface ChatTemplate {
  /**
   * The text of a conversation, up to where the model's next turn begins. Special tokens stand in it as they are written: it is
   * encoded without adding any.
   * @throws PareError if the template refuses the conversation, or does not come to its end.
   */
  render(messages: readonly Message[]): string;
  /** The text of the token that ends a turn, if the tokenizer names one. */
  readonly endOfTurn?: string;
}

/**
 * Reads a model's chat template: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`, of several the one
 * called `default`.
 * @param name What errors call the model.
 * @returns undefined if there is none: it is no chat model.
 * @throws PareError if it is no template.
 */
export async function loadChatTemplate(
  readText: (file: string) => Promise<string | undefined>,
  name: string,
): Promise<ChatTemplate | undefined> {
  const text = await readText("tokenizer_config.json");
  const config = text === undefined
    ? {}
    : parseObject(new TextEncoder().encode(text), `${name}: tokenizer_config.json`);
  const source = await readText("chat_template.jinja") ?? templateIn(config.chat_template);
  if (source === undefined) return undefined;
  const tokens = specialTokens(config);
  let template: Template;
  try {
    template = withinAllowance(source.length, () => new Template(source));
  } catch (error) {
    throw new PareError(`${name}: chat template: ${(error as Error).message}`, { cause: error });
  }
  return {
    endOfTurn: tokens.eos_token,
    render(messages) {
      const characters = messages.reduce((sum, { content }) => sum + content.length, source.length);
      const context = { messages, add_generation_prompt: true, tools: null, documents: null, ...tokens };
      try {
        return withinAllowance(characters, () => template.render(context));
      } catch (error) {
        throw new PareError(`${name}: chat template: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}

/** The template among what `tokenizer_config.json` says: one, or a list of them with names. */
function templateIn(found: unknown): string | undefined {
  if (typeof found === "string") return found;
  if (!Array.isArray(found)) return undefined;
  const template = found.find((each) => Object(each).name === "default")?.template;
  return typeof template === "string" ? template : undefined;
}

/** `bos_token`, `eos_token` and the others, each written as a text or as an object that holds one. */
function specialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, token]) => {
      const content = typeof token === "string" ? token : Object(token).content;
      return name.endsWith("_token") && typeof content === "string" ? [[name, content]] : [];
    }),
  );
}
