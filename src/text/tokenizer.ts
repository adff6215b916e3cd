/**
 * A model's own tokenizer: `tokenizer.json` read by `@huggingface/tokenizers`, which gives the ids that transformers
 * gives. What is added here is what a corpus needs and a prompt does not: ids in a compact array, a check that every
 * piece has one, and a cut that keeps the library's merge queue short on texts of megabytes. It knows no corpus.
 */
import { Tokenizer as HuggingFaceTokenizer } from "npm:@huggingface/tokenizers@0.2.0";
import { parseObject } from "../checkpoint/json.ts";
import { PareError } from "../errors.ts";
import { growth, withinAllowance } from "./bounds.ts";

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

/** How many times longer the steps before the model may make a text: NFKC, a Replace by one character and ByteLevel are 108. */
const LARGEST_GROWTH = 200;

/** The parts of `tokenizer.json` that this file looks at. */
interface TokenizerJson {
  normalizer?: Parameters<typeof growth>[0];
  model?: { type?: string; vocab?: Record<string, number>; merges?: unknown[]; ignore_merges?: boolean };
  pre_tokenizer?: {
    type?: string;
    split?: boolean;
    use_regex?: boolean;
    individual_digits?: boolean;
    add_prefix_space?: boolean;
    pretokenizers?: PreTokenizer[];
  } | null;
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
  const parse = (text: string, file: string) => parseObject(new TextEncoder().encode(text), `${name}: ${file}`);
  const json = parse(text, "tokenizer.json") as TokenizerJson;
  const config = configText === undefined ? {} : parse(configText, "tokenizer_config.json");
  let tokenizer: HuggingFaceTokenizer;
  try {
    for (const token of json.added_tokens ?? []) {
      const { content } = Object(token);
      if (typeof content !== "string") {
        throw new TypeError(`an added token that is no text: ${JSON.stringify(content)}`);
      }
    }
    const times = growth(json.normalizer) * growth(json.pre_tokenizer);
    if (!(times <= LARGEST_GROWTH)) throw new RangeError(`one that makes a text up to ${times} times longer`);
    const pre_tokenizer = json.pre_tokenizer ? withUnicodeClasses(json.pre_tokenizer) : null;
    const mended = withShortWords({ ...json, pre_tokenizer, added_tokens: json.added_tokens ?? [] });
    tokenizer = new HuggingFaceTokenizer(mended, config);
  } catch (error) {
    throw new PareError(`${name}: tokenizer.json: expected a tokenizer, found ${(error as Error).message}`);
  }
  /** What the file says may be nonsense that is only met on the way. */
  const attempt = <T>(what: string, length: number, act: () => T): T => {
    try {
      return withinAllowance(length, act);
    } catch (error) {
      throw new PareError(`${name}: tokenizer.json: cannot ${what}: ${(error as Error).message}`, { cause: error });
    }
  };
  return {
    encode: (text, { special }) => {
      const { ids, tokens } = attempt(
        "encode",
        text.length,
        () => tokenizer.encode(text, { add_special_tokens: special }),
      );
      const unknown = ids.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < 2 ** 32));
      if (unknown >= 0) throw new PareError(`${name}: tokenizer.json: the piece "${tokens[unknown]}" has no id`);
      return Uint32Array.from(ids);
    },
    decode: (ids) => {
      const list = [...ids];
      // The clean-up is for tokenizers that split punctuation off; it would eat spaces that the model wrote.
      const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      return list.length === 0 ? "" : attempt("decode", list.length, () => tokenizer.decode(list, options));
    },
  };
}

/** A step of `tokenizer.json` that cuts a text into words. */
type PreTokenizer = NonNullable<TokenizerJson["pre_tokenizer"]>;

/** GPT-2's words (Radford et al., 2019): what a `ByteLevel` step cuts unless told not to. */
const GPT2_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * Writes out two steps whose characters the library takes as JavaScript does and the original (Rust) as Unicode does:
 * `ByteLevel`'s white space (JavaScript's has U+FEFF and lacks U+0085) and `Digits` (which has ½ and Ⅷ). In a `Split`
 * the library follows Unicode.
 */
function withUnicodeClasses(step: PreTokenizer): PreTokenizer {
  const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
  if (step.type === "Sequence") return { ...step, pretokenizers: step.pretokenizers?.map(withUnicodeClasses) };
  // The library would cut pieces of no length for ever.
  const { length } = step as { length?: unknown };
  if (step.type === "FixedLength" && !(Number(length) >= 1)) {
    throw new RangeError(`a FixedLength of ${JSON.stringify(length)}`);
  }
  if (step.type === "Digits") return split(step.individual_digits ? String.raw`\p{N}` : String.raw`\p{N}+`);
  // With a prefix space, which would have to come before the cut, it stays; no model of Pare's families has one.
  if (step.type !== "ByteLevel" || step.use_regex === false || step.add_prefix_space) return step;
  return { type: "Sequence", pretokenizers: [split(GPT2_WORDS), { ...step, use_regex: false }] };
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
