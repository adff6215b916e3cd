/** Which tokens end a text, by what a model's files say. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { parseObject } from "../checkpoint/json.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/**
 * `eos_token_id` of `generation_config.json`, or where that says nothing of `config.json`: what transformers stops at.
 * @param endOfTurn The text of the token that ends a turn of a conversation; it ends a text too.
 * @throws PareError if `generation_config.json` is damaged.
 */
export async function readEndTokens(
  { config, path, readText }: Pick<Checkpoint, "config" | "path" | "readText">,
  tokenizer?: Pick<Tokenizer, "encode">,
  endOfTurn?: string,
): Promise<Set<number>> {
  const file = "generation_config.json", text = await readText(file);
  const said = text === undefined ? {} : parseObject(new TextEncoder().encode(text), `${path}: ${file}`);
  const ids = new Set(
    [said.eos_token_id ?? config.eos_token_id].flat().filter((id) => Number.isInteger(id)) as number[],
  );
  if (tokenizer && endOfTurn) {
    const [id, ...rest] = tokenizer.encode(endOfTurn, { special: false });
    if (id !== undefined && !rest.length) ids.add(id);
  }
  return ids;
}
