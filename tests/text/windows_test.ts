/** Windows are the published code's: one stream, no overlap, the rest dropped. */
import { assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { parseCorpus } from "../../src/text/corpus.ts";
import { evaluationWindows } from "../../src/text/windows.ts";
import { joinSplit } from "../../src/text/joined.ts";
import { SHARED, SMOLLM2, testWith } from "../golden/shared.ts";
import { AUSTEN, goldenTokens, HELDOUT, smollm2Tokenizer, STORIES, tokenizerOf } from "./models.ts";

const austen = { tokenizer: () => tokenizerOf(AUSTEN), vocabulary: 1024 };
const AUSTEN_TOKENS = new URL("../golden/Austen-700K/tokens.safetensors", import.meta.url).pathname;

Deno.test("a text file gives the golden windows of Austen-700K", async () => {
  const golden = await goldenTokens("Austen-700K", "evaluation");
  const cut = await evaluationWindows(HELDOUT, { ...austen, seqlen: 256, windows: 64 });
  assertEquals([cut.windows, cut.length], [golden.sequences, golden.length]);
  assertEquals(cut.ids, golden.ids);
  // sha256sum tests/fixtures/data/austen-heldout.txt
  assertEquals(cut.sha256, "333774136d2b0cbef2a349770f0b2607f60961ab6eaa5c49da924e8f19efdaec");
  // 16969 tokens: 66 whole windows, the rest dropped.
  assertEquals((await evaluationWindows(HELDOUT, { ...austen, seqlen: 256 })).windows, 66);
});

Deno.test("a file of token ids keeps its own windows, or is one stream that is cut anew", async () => {
  const golden = await goldenTokens("Austen-700K", "evaluation");
  const noTokenizer = { tokenizer: () => Promise.reject(new Error("no tokenizer is needed")), vocabulary: 1024 };
  const own = await evaluationWindows(AUSTEN_TOKENS, { ...noTokenizer, defaultSeqlen: 128 });
  assertEquals([own.windows, own.length, own.ids], [64, 256, golden.ids]);
  const anew = await evaluationWindows(AUSTEN_TOKENS, { ...noTokenizer, seqlen: 100, windows: 1000 });
  assertEquals([anew.windows, anew.length], [163, 100]);
  assertEquals(anew.ids, golden.ids.subarray(0, 16300));
  await assertRejects(
    () => evaluationWindows(AUSTEN_TOKENS, { ...noTokenizer, vocabulary: 1000 }),
    PareError,
    "the model's vocabulary has 1000 ids",
  );
});

Deno.test("JSONL documents are joined by an empty line, and the text's special tokens can be left out", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/a.jsonl`, '{"text":"It is a truth"}\n{"text":"universally acknowledged"}\n');
    await Deno.writeTextFile(`${directory}/a.txt`, "It is a truth\n\nuniversally acknowledged");
    const options = { ...austen, seqlen: 4, special: false };
    const [jsonl, text] = [
      await evaluationWindows(`${directory}/a.jsonl`, options),
      await evaluationWindows(`${directory}/a.txt`, options),
    ];
    assertEquals(jsonl.ids, text.ids);
    await assertRejects(
      () => evaluationWindows(`${directory}/a.txt`, { ...austen, seqlen: 100 }),
      PareError,
      `found 20 tokens in ${directory}/a.txt, needed 100 for one window`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a raw file's rows are those of the usual data set", async () => {
  const path = await Deno.makeTempFile({ suffix: ".raw" });
  try {
    await Deno.writeTextFile(path, " \n = Title = \n\n text \n");
    const { text } = await joinSplit("wikitext2", "test", { path });
    assertEquals(text, ["", " = Title = \n", "", " text \n"].join("\n\n"));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a split that a data set does not have is refused, and told which it has", async () => {
  await assertRejects(
    () => evaluationWindows("c4", austen),
    PareError,
    "c4 is for calibration; expected c4:validation",
  );
  const none = "c4:test: there is no such split; expected c4:validation";
  await assertRejects(() => evaluationWindows("c4:test", austen), PareError, none);
});

Deno.test("a corpus's name says the set, the split and the file, each where it is meant", () => {
  const names = ["wikitext2", "c4:validation", "ptb:raw.txt", "c4:validation:a:b.gz", "c4:validations", "./c4", "ptb:"];
  assertEquals(names.map(parseCorpus), [
    { kind: "wikitext2" },
    { kind: "c4", split: "validation" },
    { kind: "ptb", path: "raw.txt" },
    { kind: "c4", split: "validation", path: "a:b.gz" },
    { kind: "c4", path: "validations" },
    { kind: "text", path: "./c4" },
    { kind: "text", path: "ptb:" },
  ]);
});

testWith([SHARED], "a text without BOS gives the golden windows of stories260K", async () => {
  const golden = await goldenTokens("stories260K", "evaluation");
  const options = {
    tokenizer: () => tokenizerOf(STORIES),
    vocabulary: 512,
    special: false,
    seqlen: 256,
    windows: 32,
  };
  assertEquals((await evaluationWindows(`${SHARED}/data/tinystories.txt`, options)).ids, golden.ids);
});

testWith(
  [SHARED, SMOLLM2],
  "wikitext2:<raw file> gives the golden windows of SmolLM2, and the raw file's well-known SHA-256",
  async () => {
    const golden = await goldenTokens("SmolLM2-135M-Instruct", "evaluation");
    const options = { tokenizer: () => smollm2Tokenizer(), vocabulary: 49152, seqlen: 512, windows: 16 };
    const cut = await evaluationWindows(`wikitext2:${SHARED}/data/wikitext2-test.raw.txt`, options);
    assertEquals(cut.ids, golden.ids);
    assertEquals(cut.sha256, "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08");
  },
);
