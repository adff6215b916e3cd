/**
 * A model's own tokenizer: `tokenizer.json` read by `@huggingface/tokenizers`, which gives the ids that transformers
 * gives. What is added here is what a corpus needs and a prompt does not: ids in a compact array, a check that every
 * piece has one, and a cut that keeps the library's merge queue short on texts of megabytes. It knows no corpus.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { PareError } from "../errors.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /**
   * The ids of one text. With `special`, the tokens that the model expects around a text (a LLaMA's BOS) are added,
   * as `tokenizer(text)` of transformers does.
   */
  encode(text: string, options: { special: boolean }): Uint32Array<ArrayBuffer>;
  /** The text of these ids; special tokens are left out. */
  decode(ids: Iterable<number>): string;
}

/** SentencePiece's visible space, which begins a word in the tokenizers of LLaMA 1 and 2 and Mistral. */
const SPACE = "\u2581";

/** The parts of `tokenizer.json` that this file looks at. */
interface TokenizerJson {
  model?: { type?: string; vocab?: Record<string, number>; merges?: unknown[]; ignore_merges?: boolean };
  pre_tokenizer?: { type?: string; split?: boolean } | null;
  added_tokens?: unknown[];
}

/**
 * Reads `tokenizer.json` (and `tokenizer_config.json`, if there is one) through `readText`, which gives a file's text
 * or undefined if there is none: `Checkpoint.readText` fits. `name` is what errors call the model.
 * @throws PareError if `tokenizer.json` is missing or damaged.
 */
export async function loadTokenizer(
  readText: (file: string) => Promise<string | undefined>,
  name: string,
): Promise<Tokenizer> {
  const text = await readText("tokenizer.json");
  if (text === undefined) {
    throw new PareError(`${name}: no tokenizer.json; text can be read only with one (token ids can be given instead)`);
  }
  const configText = await readText("tokenizer_config.json");
  const json = parseObject(text, `${name}: tokenizer.json`) as TokenizerJson;
  const config = configText === undefined ? {} : parseObject(configText, `${name}: tokenizer_config.json`);
  let tokenizer: HuggingFaceTokenizer;
  try {
    tokenizer = new HuggingFaceTokenizer(withShortWords({ ...json, added_tokens: json.added_tokens ?? [] }), config);
  } catch (error) {
    throw new PareError(`${name}: tokenizer.json: expected a tokenizer, found ${(error as Error).message}`);
  }
  return {
    encode: (text, { special }) => {
      const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: special });
      const unknown = ids.findIndex((id) => !Number.isInteger(id));
      if (unknown >= 0) throw new PareError(`${name}: tokenizer.json: the piece "${tokens[unknown]}" has no id`);
      return Uint32Array.from(ids);
    },
    decode: (ids) => {
      const list = [...ids];
      // The clean-up is for tokenizers that split punctuation off; it would eat spaces that the model wrote.
      const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      return list.length === 0 ? "" : tokenizer.decode(list, options);
    },
  };
}

/**
 * Where a BPE tokenizer takes a whole text as one word (SentencePiece's way), cuts it before every run of spaces, so
 * that the merge queue holds a word and not a novel and repeated words are looked up. No id changes: a merge across
 * such a cut would need a piece with a space after another character, and where the vocabulary has one nothing is cut.
 */
function withShortWords(json: TokenizerJson): TokenizerJson {
  const { model, pre_tokenizer: before } = json;
  const oneWord = before == null || (before.type === "Metaspace" && before.split === false);
  if (!oneWord || model?.type !== "BPE" || model.ignore_merges || model.vocab === undefined) return json;
  const spaceInside = new RegExp(`[^${SPACE}]${SPACE}`);
  if (Object.keys(model.vocab).some((piece) => spaceInside.test(piece))) return json;
  const words = { type: "Split", pattern: { Regex: `${SPACE}*[^${SPACE}]+|${SPACE}+` }, invert: true };
  const pre_tokenizer = before == null ? words : { type: "Sequence", pretokenizers: [before, words] };
  return { ...json, pre_tokenizer };
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PareError(`${what}: expected JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new PareError(`${what}: expected a JSON object, found ${JSON.stringify(value)?.slice(0, 40)}`);
  }
  return value as Record<string, unknown>;
}
