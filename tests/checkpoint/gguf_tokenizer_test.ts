/** Tokenizers rebuilt from the metadata of a GGUF file, by the ids that they give. */
import { assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { SHARED, testWith } from "../golden/shared.ts";
import { opened, TINY, TINY_TENSORS, type Typed, without } from "./gguf_file.ts";

Deno.test("a tokenizer that is not known is no obstacle until it is asked for", async () => {
  await opened({ ...TINY, "tokenizer.ggml.pre": ["string", "tekken"] }, TINY_TENSORS, async (checkpoint, folder) => {
    assertEquals(checkpoint.files, ["config.json", "generation_config.json"]);
    await assertRejects(
      () => checkpoint.readText("tokenizer.json"),
      PareError,
      `${folder}/m.gguf: its pre-tokenizer is "tekken"; Pare can rebuild gpt-2, smollm, llama-bpe, qwen2`,
    );
    assertEquals(await checkpoint.readText("vocab.json"), undefined);
  });
});

Deno.test("each pre-tokenizer that has a name here cuts digits and contractions as it should", async () => {
  const pieces = ["1", "2", "3", "4", "5", "12", "123", "45", "12345", "'", "V", "E", "'V", "'VE", "\ufeff"];
  const merges = ["1 2", "12 3", "4 5", "123 45", "' V", "'V E"];
  for (
    const [pre, digits, contraction] of [
      ["gpt-2", ["12345"], ["'", "V", "E"]],
      ["smollm", ["1", "2", "3", "4", "5"], ["'", "V", "E"]],
      ["llama-bpe", ["123", "45"], ["'VE"]],
      ["qwen2", ["1", "2", "3", "4", "5"], ["'VE"]],
    ] as const
  ) {
    const metadata: Record<string, Typed> = {
      ...TINY,
      "tokenizer.ggml.pre": ["string", pre],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.token_type": ["i32s", pieces.map(() => 1)],
      "tokenizer.ggml.merges": ["strings", merges],
    };
    await opened(metadata, TINY_TENSORS, async (checkpoint) => {
      const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), "m");
      const encode = (text: string) => [...tokenizer.encode(text, { special: false })].map((id) => pieces[id]);
      assertEquals([pre, encode("12345"), encode("'VE")], [pre, digits, contraction]);
      // LLaMA 3 begins every text with BOS, which is piece 0 here, though the file does not say so.
      assertEquals(tokenizer.encode("2", { special: true }).length, pre === "llama-bpe" ? 2 : 1);
      const { model } = JSON.parse((await checkpoint.readText("tokenizer.json"))!);
      assertEquals(model.vocab["\ufeff"], 14);
    });
  }
});

Deno.test("a SentencePiece tokenizer merges by score, falls back to bytes and begins with BOS", async () => {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, "▁", "a", "b", "c", "bc", "ab", "▁ab", "▁abc"];
  const scores = pieces.map((_, id) => id < 259 ? 0 : 259 - id);
  await opened(
    {
      ...without("tokenizer.ggml.merges"),
      "tokenizer.ggml.model": ["string", "llama"],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.scores": ["f32s", scores],
      "tokenizer.ggml.token_type": ["i32s", pieces.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)],
      "tokenizer.ggml.bos_token_id": ["u32", 1],
      "tokenizer.ggml.eos_token_id": ["u32", 2],
    },
    TINY_TENSORS,
    async (checkpoint) => {
      const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), "m");
      const id = (piece: string) => pieces.indexOf(piece);
      // "bc" has the better score, so "ab" never comes to be.
      assertEquals([...tokenizer.encode("abc", { special: true })], [1, id("▁"), id("a"), id("bc")]);
      assertEquals([...tokenizer.encode("ab", { special: false })], [id("▁ab")]);
      assertEquals([...tokenizer.encode("é", { special: false })], [id("▁"), id("<0xC3>"), id("<0xA9>")]);
      assertEquals(tokenizer.decode([1, id("▁ab"), id("<0xC3>"), id("<0xA9>")]), "abé");
    },
  );
});

/** A tokenizer that transformers made of a SentencePiece model, and a text; both are other people's. */
const STORIES = `${SHARED}/models/stories260K/tokenizer.json`;
const STORIES_TEXT = `${SHARED}/data/tinystories.txt`;

testWith(
  [SHARED],
  "the pieces and scores of stories260K give the ids that its own tokenizer.json gives",
  async () => {
    const text = Deno.readTextFileSync(STORIES);
    const vocabulary = Object.entries<number>(JSON.parse(text).model.vocab);
    const pieces = vocabulary.sort(([, a], [, b]) => a - b).map(([piece]) => piece);
    const first = 3 + 256; // after the special tokens and the bytes; SentencePiece scores its BPE pieces 0, -1, -2, …
    const metadata: Record<string, Typed> = {
      ...without("tokenizer.ggml.merges"),
      "tokenizer.ggml.model": ["string", "llama"],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.scores": ["f32s", pieces.map((_, id) => id < first ? 0 : first - id)],
      "tokenizer.ggml.token_type": ["i32s", pieces.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < first ? 6 : 1)],
      "tokenizer.ggml.bos_token_id": ["u32", 1],
    };
    await opened(metadata, TINY_TENSORS, async (checkpoint) => {
      const ours = await loadTokenizer((file) => checkpoint.readText(file), "ours");
      const theirs = await loadTokenizer(
        (file) => Promise.resolve(file === "tokenizer.json" ? text : undefined),
        "theirs",
      );
      const stories = Deno.readTextFileSync(STORIES_TEXT).slice(0, 50_000) + " naïve ☃";
      const ids = ours.encode(stories, { special: true });
      assertEquals(ids, theirs.encode(stories, { special: true }));
      assertEquals(ours.decode(ids), theirs.decode(ids));
    });
  },
);
