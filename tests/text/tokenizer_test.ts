/** Ids are those that transformers gave for the golden runs, and every text comes back. */
import { assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { fc } from "../fuzz/seed.ts";
import { PareError } from "../../src/errors.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { SHARED, SMOLLM2, testWith } from "../golden/shared.ts";
import { AUSTEN, goldenTokens, HELDOUT, smollm2Tokenizer, STORIES, textOf, tokenizerOf } from "./models.ts";
import { hurried } from "./hurried.ts";

Deno.test("a byte-level tokenizer gives the golden ids of a whole text", async () => {
  const tokenizer = await tokenizerOf(AUSTEN);
  const text = await textOf(HELDOUT);
  const ids = tokenizer.encode(text, { special: false });
  const golden = await goldenTokens("Austen-700K", "evaluation");
  assertEquals(ids.subarray(0, golden.ids.length), golden.ids);
  assertEquals(tokenizer.decode(ids), text);
});

testWith(
  [SHARED],
  "a SentencePiece tokenizer gives the golden ids of a whole text, and its BOS only when asked",
  async () => {
    const tokenizer = await tokenizerOf(STORIES);
    const text = await textOf(`${SHARED}/data/tinystories.txt`);
    const ids = tokenizer.encode(text, { special: false });
    const golden = await goldenTokens("stories260K", "evaluation");
    assertEquals(ids.subarray(0, golden.ids.length), golden.ids);
    const BOS = 1; // of the LLaMA tokenizers
    assertEquals(tokenizer.encode(text, { special: true }), Uint32Array.from([BOS, ...ids]));
    assertEquals(tokenizer.decode([BOS, ...ids]), text);
  },
);

Deno.test("every text comes back from a byte-level tokenizer", async () => {
  const tokenizer = await tokenizerOf(AUSTEN);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    // The one special token of this model, written out, is that token and not text.
    fc.pre(!text.includes("<|endoftext|>"));
    assertEquals(tokenizer.decode(tokenizer.encode(text, { special: false })), text);
  }));
});

// Ids by the original (python3: tokenizers.Tokenizer.from_file("tokenizer.json").encode(text).ids, version 0.23.3).
Deno.test("white space is Unicode's, not JavaScript's", async () => {
  const text = "numbering 400\n\n\ufeffIn\u0085 \u0085this \u00bd";
  assertEquals([...(await tokenizerOf(AUSTEN)).encode(text, { special: false })], [
    78,
    649,
    874,
    280,
    221,
    20,
    16,
    16,
    199,
    199,
    172,
    120,
    124,
    41,
    78,
    127,
    228,
    221,
    127,
    228,
    675,
    275,
    221,
    127,
    122,
  ]);
});

testWith([SMOLLM2], "digits are Unicode's, not JavaScript's", async () => {
  const text = "  \u00bd \u2167\u0663\n\n\ufeffIn";
  assertEquals([...(await smollm2Tokenizer()).encode(text, { special: false })], [
    256,
    16738,
    216,
    173,
    223,
    117,
    164,
    113,
    198,
    198,
    186,
    136,
    140,
    788,
  ]);
});

/** A small tokenizer in the manner of LLaMA 2: no words, spaces visible. */
function sentencePiece(merges: [string, string][], pre_tokenizer: unknown = null) {
  const pieces = ["<unk>", "<s>", "\u2581", "a", "b", "\n", ...merges.map(([left, right]) => left + right)];
  return {
    added_tokens: [],
    normalizer: pre_tokenizer ? null : {
      type: "Sequence",
      normalizers: [{ type: "Prepend", prepend: "\u2581" }, {
        type: "Replace",
        pattern: { String: " " },
        content: "\u2581",
      }],
    },
    pre_tokenizer,
    post_processor: null,
    decoder: { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "\u2581" }, content: " " }] },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: merges.map((pair) => pair.join(" ")),
      unk_token: "<unk>",
      fuse_unk: true,
    },
  };
}

const METASPACE = { type: "Metaspace", replacement: "\u2581", prepend_scheme: "first", split: false };
const INSIDE_WORDS: [string, string][] = [["\u2581", "\u2581"], ["\u2581", "a"], ["a", "b"], ["\u2581\u2581", "ab"]];
const ACROSS_WORDS: [string, string][] = [...INSIDE_WORDS, ["a", "\u2581"], ["a\u2581", "a"]];

for (
  const [claim, json] of [
    ["no words", sentencePiece(INSIDE_WORDS)],
    ["a Metaspace that does not split", sentencePiece(INSIDE_WORDS, METASPACE)],
    ["pieces with a space inside", sentencePiece(ACROSS_WORDS)],
  ] as const
) {
  Deno.test(`the cut for long texts changes no id: ${claim}`, async () => {
    const tokenizer = await loadTokenizer(
      (file) => Promise.resolve(file === "tokenizer.json" ? JSON.stringify(json) : undefined),
      "small",
    );
    const uncut = new HuggingFaceTokenizer(json, {});
    const letters = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "c"), minLength: 1, maxLength: 60 });
    fc.assert(fc.property(letters, (text) => {
      assertEquals([...tokenizer.encode(text, { special: false })], uncut.encode(text).ids);
    }));
  });
}

/** How often something is looked up in any map meanwhile: the work of a tokenizer, on whatever machine. */
function lookups(act: () => unknown): number {
  const { get } = Map.prototype;
  let count = 0;
  Map.prototype.get = function (key) {
    count++;
    return get.call(this, key);
  };
  try {
    act();
  } finally {
    Map.prototype.get = get;
  }
  return count;
}

Deno.test("a long text in SentencePiece's manner is a word at a time, and repeated words are looked up", async () => {
  const json = JSON.stringify(sentencePiece(INSIDE_WORDS));
  const tokenizer = await loadTokenizer(
    (file) => Promise.resolve(file === "tokenizer.json" ? json : undefined),
    "small",
  );
  const text = "ab aab  ab\n".repeat(1000), uncut = new HuggingFaceTokenizer(sentencePiece(INSIDE_WORDS), {});
  // As one word every pair of neighbours is looked up among the merges, again and again.
  const cut = lookups(() => tokenizer.encode(text, { special: false })), whole = lookups(() => uncut.encode(text));
  assertEquals(tokenizer.decode(tokenizer.encode(text, { special: false })), ` ${text}`);
  assertLess(cut, whole / 2);
});

Deno.test("a tokenizer that is missing or damaged is a clear error", async () => {
  const load = (text: string | undefined) =>
    loadTokenizer((file) => Promise.resolve(file === "tokenizer.json" ? text : undefined), "model");
  await assertRejects(() => load(undefined), PareError, "model: no tokenizer.json");
  await assertRejects(() => load('{"model": '), PareError, "model: tokenizer.json is not JSON");
  await assertRejects(() => load("[]"), PareError, "model: tokenizer.json: a JSON object was expected");
  await assertRejects(() => load("{}"), PareError, "model: tokenizer.json: expected a tokenizer, found");
  await assertRejects(
    () => load(JSON.stringify({ ...sentencePiece([]), model: { type: "BPE" } })),
    PareError,
    "model: tokenizer.json: expected a tokenizer, found",
  );
});

Deno.test("a hostile expression, or steps that make a text grow and grow, end with a clear error", async () => {
  const load = (json: Record<string, unknown>) =>
    loadTokenizer((file) => Promise.resolve(file === "tokenizer.json" ? JSON.stringify(json) : undefined), "model");
  // Backtracks 2^60 times.
  const endless = { type: "Split", pattern: { Regex: "(a+)+c" }, behavior: "Isolated", invert: false };
  const tokenizer = await load({ ...sentencePiece(INSIDE_WORDS), pre_tokenizer: endless });
  assertThrows(
    () => hurried(() => tokenizer.encode(`${"a".repeat(60)}b`, { special: false })),
    PareError,
    "model: tokenizer.json: cannot encode: not done after 2.004 s of processor time with 61 characters",
  );
  assertEquals(tokenizer.encode("ab", { special: false }).length > 0, true); // and the next text is none the worse
  const double = { type: "Replace", pattern: { String: "a" }, content: "aa" };
  const normalizer = { type: "Sequence", normalizers: Array.from({ length: 40 }, () => double) };
  await assertRejects(
    () => load({ ...sentencePiece(INSIDE_WORDS), normalizer }),
    PareError,
    "model: tokenizer.json: expected a tokenizer, found one that makes a text up to 1099511627776 times longer",
  );
});

Deno.test("no text has no ids, and no ids no text", async () => {
  const tokenizer = await tokenizerOf(AUSTEN);
  assertEquals(tokenizer.encode("", { special: false }).length, 0);
  assertEquals(tokenizer.decode([]), "");
});
