/**
 * `tokenizer.json` and `tokenizer_config.json` rebuilt from the metadata. GGUF keeps the pieces, their kinds, and either
 * merges ("gpt2": byte-level BPE) or scores ("llama": SentencePiece's BPE); how a text is cut before that it only names.
 * The names here are those whose meaning is known for certain; another one is an error, not a guess.
 */
import { quote } from "../quote.ts";
import type { Metadata } from "./metadata.ts";

/** The two files, as JSON values. */
export interface TokenizerFiles {
  /** `tokenizer.json`. */
  readonly tokenizer: Record<string, unknown>;
  /** `tokenizer_config.json`. */
  readonly config: Record<string, unknown>;
}

/** Kinds of a piece (`tokenizer.ggml.token_type`). */
const [UNKNOWN, CONTROL, USER_DEFINED] = [2, 3, 4];

/** Most characters of a SentencePiece piece that is taken apart; SentencePiece's own limit is 16 unless it is told another. */
const LONGEST_PIECE = 256;

/** SentencePiece's visible space. */
const SPACE = "▁";

/** A pattern that cuts a text into words, each kept. */
const split = (pattern: string) => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const byteLevel = (use_regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});
const digits = { type: "Digits", individual_digits: true };

/** The published patterns of the LLaMA 3 and Qwen 2 tokenizers; they differ in how many digits make a word. */
const words = (numbers: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|` +
  `\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** What comes before the merges, by `tokenizer.ggml.pre`. */
const BEFORE: Readonly<Record<string, { cut: object[]; normalizer?: object; wholeWords?: boolean; bos?: boolean }>> = {
  "gpt-2": { cut: [byteLevel(true)] },
  smollm: { cut: [digits, byteLevel(true)] },
  "llama-bpe": { cut: [split(words("\\p{N}{1,3}")), byteLevel(false)], wholeWords: true, bos: true },
  qwen2: { cut: [split(words("\\p{N}")), byteLevel(false)], normalizer: { type: "NFC" } },
};

/**
 * Rebuilds both files.
 * @throws PareError if the tokenizer is of a kind that is not known, or its parts do not fit together.
 */
export function rebuildTokenizer(metadata: Metadata): TokenizerFiles {
  const model = metadata.text("tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    throw metadata.wrong(`its tokenizer is ${quote(model)}; Pare can rebuild gpt2 and llama`);
  }
  const pieces = metadata.texts("tokenizer.ggml.tokens");
  const types = metadata.numbers("tokenizer.ggml.token_type");
  if (types.length !== pieces.length) {
    throw metadata.wrong(`its tokenizer has ${pieces.length} pieces, and kinds for ${types.length}`);
  }
  const parts = model === "gpt2" ? byteLevelBpe(metadata, pieces) : sentencePiece(metadata, pieces, types);

  const added = pieces.flatMap((content, id) => {
    const special = types[id] === CONTROL || model === "llama" && types[id] === UNKNOWN;
    if (!special && types[id] !== USER_DEFINED) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
  const named = (key: string): [id: number, content: string] | undefined => {
    if (!metadata.has(`tokenizer.ggml.${key}_token_id`)) return undefined;
    const id = metadata.number(`tokenizer.ggml.${key}_token_id`);
    const content = pieces[id];
    if (content === undefined) throw metadata.wrong(`its ${key} token is ${id}; it has ${pieces.length} pieces`);
    return [id, content];
  };
  const bos = named("bos");
  const addBos = metadata.flag("tokenizer.ggml.add_bos_token", parts.bos);
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: parts.normalizer,
      pre_tokenizer: parts.cut,
      post_processor: addBos && bos ? beginWith(...bos) : null,
      decoder: parts.decoder,
      model: { type: "BPE", dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null, ...parts.model },
    },
    config: {
      add_bos_token: addBos,
      added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [id, token])),
      bos_token: bos?.[1] ?? null,
      ...metadata.has("tokenizer.chat_template") ? { chat_template: metadata.text("tokenizer.chat_template") } : {},
      clean_up_tokenization_spaces: false,
      eos_token: named("eos")?.[1] ?? null,
      pad_token: named("padding")?.[1] ?? null,
      tokenizer_class: "PreTrainedTokenizerFast",
      unk_token: named("unknown")?.[1] ?? null,
    },
  };
}

/** What the two kinds of tokenizer differ in. */
interface Parts {
  readonly normalizer: object | null;
  readonly cut: object | null;
  readonly decoder: object;
  readonly model: Record<string, unknown>;
  /** Whether a text begins with BOS where the file does not say. */
  readonly bos: boolean;
}

function byteLevelBpe(metadata: Metadata, pieces: readonly string[]): Parts {
  const pre = metadata.text("tokenizer.ggml.pre", "default");
  if (!Object.hasOwn(BEFORE, pre)) {
    throw metadata.wrong(`its pre-tokenizer is ${quote(pre)}; Pare can rebuild ${Object.keys(BEFORE).join(", ")}`);
  }
  const { cut, normalizer = null, wholeWords = false, bos = false } = BEFORE[pre];
  return {
    normalizer,
    cut: cut.length === 1 ? cut[0] : { type: "Sequence", pretokenizers: cut },
    decoder: { ...byteLevel(true), add_prefix_space: true },
    model: {
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholeWords,
      vocab: ids(pieces),
      merges: metadata.texts("tokenizer.ggml.merges"),
    },
    bos,
  };
}

function sentencePiece(metadata: Metadata, pieces: readonly string[], types: ArrayLike<number>): Parts {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.length !== pieces.length) {
    throw metadata.wrong(`its tokenizer has ${pieces.length} pieces, and scores for ${scores.length}`);
  }
  const long = pieces.findIndex(({ length }) => length > LONGEST_PIECE);
  if (long >= 0) {
    throw metadata.wrong(`piece ${long} has ${pieces[long].length} characters; expected ${LONGEST_PIECE} at most`);
  }
  const unknown = pieces.find((_, id) => types[id] === UNKNOWN);
  const prefix = metadata.flag("tokenizer.ggml.add_space_prefix", true);
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  return {
    normalizer: prefix ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: SPACE }, spaces] } : spaces,
    cut: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [],
      ],
    },
    model: {
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: ids(pieces),
      merges: mergesOf(pieces, scores),
    },
    bos: true,
  };
}

/**
 * The merges that build SentencePiece's pieces: each piece out of any two that there are, the best score first. Between
 * equal scores the longer left part goes first, then the longer right part, then the order of the pieces, as
 * transformers' own conversion has it (`generate_merges` in its tokenization_utils_sentencepiece).
 */
function mergesOf(pieces: readonly string[], scores: ArrayLike<number>): string[] {
  const vocabulary = new Map(pieces.map((piece, id) => [piece, id]));
  const merges: { left: string; right: string; letters: number; score: number; ids: [number, number] }[] = [];
  for (const [piece, id] of vocabulary) {
    const ways: typeof merges = [];
    let cut = 0, letters = 0;
    for (const letter of piece) {
      cut += letter.length;
      letters++;
      const left = piece.slice(0, cut), leftId = vocabulary.get(left);
      if (leftId === undefined || cut === piece.length) continue;
      const right = piece.slice(cut), rightId = vocabulary.get(right);
      if (rightId !== undefined) ways.push({ left, right, letters, score: scores[id], ids: [leftId, rightId] });
    }
    merges.push(...ways.sort((a, b) => a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]));
  }
  const lettersOf = (text: string) => [...text].length;
  merges.sort((a, b) => b.score - a.score || b.letters - a.letters || lettersOf(b.right) - lettersOf(a.right));
  return merges.map(({ left, right }) => `${left} ${right}`);
}

/** `Object.fromEntries` defines even a piece called `__proto__`. */
function ids(pieces: readonly string[]): Record<string, number> {
  return Object.fromEntries(pieces.map((piece, id) => [piece, id]));
}

/** A post-processor that puts BOS before every text. */
function beginWith(id: number, content: string): object {
  const special = (type_id: number) => ({ SpecialToken: { id: content, type_id } });
  const text = (name: string, type_id: number) => ({ Sequence: { id: name, type_id } });
  return {
    type: "TemplateProcessing",
    single: [special(0), text("A", 0)],
    pair: [special(0), text("A", 0), special(1), text("B", 1)],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}
