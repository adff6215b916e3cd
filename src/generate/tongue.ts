/** How a model reads and writes text, by its files: its tokenizer, its chat template, what ends its texts. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import { type ChatTemplate, loadChatTemplate } from "../text/chat.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { readEndTokens } from "./end_tokens.ts";

/** See the file's head. */
export interface Tongue {
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** A conversation to text, where it was asked for and there is one. */
  readonly template?: ChatTemplate;
  /** Tokens that end a text. */
  readonly endTokens: ReadonlySet<number>;
}

/**
 * Reads them.
 * @param chat Whether the chat template is needed, taken if there is one, or left alone.
 * @throws PareError if the tokenizer is missing, a template that is needed is, or one of them is damaged.
 */
export async function readTongue(
  checkpoint: Pick<Checkpoint, "config" | "path" | "readText">,
  chat: "needed" | "taken" | "left" = "taken",
): Promise<Tongue> {
  const readText = (file: string) => checkpoint.readText(file), { path } = checkpoint;
  const tokenizer = await loadTokenizer(readText, path);
  const template = chat === "left" ? undefined : await loadChatTemplate(readText, path);
  if (chat === "needed" && !template) {
    throw new PareError(
      `${path}: no chat template in chat_template.jinja or tokenizer_config.json: it is no chat model; ` +
        "expected a plain prompt",
    );
  }
  return { tokenizer, template, endTokens: await readEndTokens(checkpoint, tokenizer, template?.endOfTurn) };
}
