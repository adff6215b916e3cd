/** A model that is ready to write, and what speaks for it: what `generate` and `chat-server` open. */
import type { Context } from "../../src/cli/run.ts";
import {
  type Backend,
  type ChatTemplate,
  type Checkpoint,
  loadChatTemplate,
  loadTokenizer,
  PareError,
  readEndTokens,
  ResidentModel,
  type Tokenizer,
} from "../../src/mod.ts";

/** How a model reads and writes text. */
export interface Tongue {
  readonly tokenizer: Tokenizer;
  /** Where it was asked for. */
  readonly template?: ChatTemplate;
  readonly endTokens: ReadonlySet<number>;
}

/**
 * Reads a model's tokenizer and what ends its texts.
 * @param chat Whether its chat template is needed, taken if there is one, or left alone.
 * @throws PareError if one that is needed is missing or damaged.
 */
export async function readTongue(checkpoint: Checkpoint, chat: "needed" | "taken" | "left"): Promise<Tongue> {
  const readText = (file: string) => checkpoint.readText(file), { path } = checkpoint;
  const tokenizer = await loadTokenizer(readText, path);
  let template: ChatTemplate | undefined;
  try {
    if (chat !== "left") template = await loadChatTemplate(readText, path);
  } catch (error) {
    if (chat === "needed" || !(error instanceof PareError)) throw error;
  }
  return { tokenizer, template, endTokens: await readEndTokens(checkpoint, tokenizer, template?.endOfTurn) };
}

/** Loads a model's weights, and shows how far that is. */
export function loadWeights(
  checkpoint: Checkpoint,
  backend: Backend,
  { terminal, signal }: Context,
): Promise<ResidentModel> {
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  return ResidentModel.open({
    checkpoint,
    backend,
    signal,
    onLoad: (done, total) => terminal.progress({ label: "weights", done, total, unit: "bytes" }),
  });
}
