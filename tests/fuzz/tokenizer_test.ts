/** Damaged tokenizers: whatever the file says, a short text is encoded and decoded, or refused. */
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { damage, fuzz } from "./mutations.ts";
import type { Random } from "./seed.ts";

const small = {
  version: "1.0",
  added_tokens: [{
    id: 5,
    content: "<s>",
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }],
  normalizer: { type: "NFC" },
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: { type: "ByteLevel", trim_offsets: false },
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    vocab: { a: 0, b: 1, ab: 2, "Ġ": 3, "Ġab": 4 },
    merges: [["a", "b"], ["Ġ", "ab"]],
    unk_token: null,
  },
};
const text = new TextEncoder().encode(JSON.stringify(small));

/** What no field expects, a hang or a bomb among it. */
const ODD = [null, true, -1, 0, 2 ** 32, 1e9, "", "x\ny", [], {}, { type: "FixedLength", length: 0 }]
  .concat(
    [{ type: "Sequence", pretokenizers: [] }, { type: "Split", pattern: { Regex: "(" } }, { length: 1e9 }] as never,
  );

function change(value: unknown, random: Random): unknown {
  if (!random(6) || value === null || typeof value !== "object") return ODD[random(ODD.length)];
  const keys = Object.keys(value);
  if (!keys.length) return ODD[random(ODD.length)];
  const key = keys[random(keys.length)], changed = change((value as Record<string, unknown>)[key], random);
  return Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed };
}

async function use(json: string): Promise<void> {
  const tokenizer = await loadTokenizer((file) => Promise.resolve(file === "tokenizer.json" ? json : undefined), "f");
  tokenizer.decode(tokenizer.encode("ab a<s>b", { special: true }));
}

fuzz("tokenizer.json as bytes", 6_000, (random) => use(new TextDecoder().decode(damage(text, random))));
fuzz("tokenizer.json as values", 4_000, (random) => use(JSON.stringify(change(change(small, random), random))));
