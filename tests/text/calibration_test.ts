/** Sequences are the published code's: its draws, its joins, its conditions; and bad corpora are named. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { safetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { PareError } from "../../src/errors.ts";
import { calibrationSequences } from "../../src/text/calibration.ts";
import { drawFromDocuments } from "../../src/text/draw.ts";
import { Random } from "../../src/text/random.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { SHARED, SMOLLM2, testWith } from "../golden/shared.ts";
import { AUSTEN, goldenTokens, HELDOUT, smollm2Tokenizer, textOf, tokenizerOf } from "./models.ts";

/** A tokenizer whose ids are a text's bytes, with 256 before them if special tokens are asked for. */
const BYTES: Tokenizer = {
  encode: (text, { special }) => Uint32Array.from([...special ? [256] : [], ...new TextEncoder().encode(text)]),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
};
const bytes = { tokenizer: () => Promise.resolve(BYTES), vocabulary: 257 };
const noTokenizer = { tokenizer: () => Promise.reject(new Error("no tokenizer is needed")), vocabulary: 1024 };

/** Runs a test in a directory of its own. */
async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A safetensors file of one matrix. */
async function writeTokens(path: string, name: string, dtype: string, shape: number[], ids: Int32Array): Promise<void> {
  const { header } = safetensorsHeader([{ name, dtype, shape, bytes: ids.byteLength }]);
  await Deno.writeFile(path, new Uint8Array([...header, ...new Uint8Array(ids.buffer)]));
}

Deno.test("documents are drawn from a file, and places in them, as get_c4 draws them", async () => {
  const golden = JSON.parse(await Deno.readTextFile(new URL("../golden/cpython_random.json", import.meta.url)));
  await inDirectory(async (directory) => {
    const path = `${directory}/corpus.jsonl`;
    // Document i is the text "i"; the tokenizer below makes it as long as it should be, of ids that tell the place.
    await Deno.writeTextFile(path, Array.from({ length: 356317 }, (_, i) => `{"text":"${i}"}\n`).join(""));
    const LENGTH = 2048;
    const encode = (text: string) => {
      const tokens = 1 + (Number(text) * 7919) % 4000;
      return Uint32Array.from({ length: tokens }, (_, place) => place === tokens - 1 ? 0 : Number(text) * 4096 + place);
    };
    for (const { seed, get_c4_interleaved } of golden.vectors) {
      const ids = await drawFromDocuments(path, { samples: get_c4_interleaved.length, length: LENGTH, seed, encode });
      const drawn = get_c4_interleaved.map((_: unknown, i: number) => ids[i * LENGTH]);
      assertEquals(
        drawn,
        get_c4_interleaved.map(({ document, offset }: { document: number; offset: number }) =>
          document * 4096 + offset
        ),
      );
    }
  });
});

Deno.test("a text is cut where CPython's generator says, with the special tokens, and again the same", async () => {
  const text = await textOf(HELDOUT);
  const options = { tokenizer: () => tokenizerOf(AUSTEN), vocabulary: 1024, samples: 5, seqlen: 64, seed: 42 };
  const drawn = await calibrationSequences(HELDOUT, options);
  const stream = (await tokenizerOf(AUSTEN)).encode(text, { special: true });
  const random = new Random(42);
  for (let row = 0; row < 5; row++) {
    const start = random.randint(0, stream.length - 64 - 1);
    assertEquals(drawn.ids.subarray(row * 64, row * 64 + 64), stream.subarray(start, start + 64));
  }
  assertEquals([drawn.sequences, drawn.length, drawn.description], [5, 64, HELDOUT]);
  assertEquals(await calibrationSequences(HELDOUT, options), drawn);
});

testWith(
  [SHARED, SMOLLM2],
  "SmolLM2's golden calibration is drawn from the same documents",
  () =>
    inDirectory(async (directory) => {
      const lines = (await textOf(`${SHARED}/data/c4-sample.jsonl`)).trimEnd().split("\n");
      const text = `${directory}/joined.txt`;
      await Deno.writeTextFile(text, lines.map((line) => JSON.parse(line).text).join("\n\n"));
      const golden = await goldenTokens("SmolLM2-135M-Instruct", "calibration");
      const options = { tokenizer: () => smollm2Tokenizer(), vocabulary: 49152, special: false };
      const drawn = await calibrationSequences(text, { ...options, samples: golden.sequences, seqlen: golden.length });
      assertEquals(drawn.ids, golden.ids);
    }),
);

Deno.test("the sample needs no network, and 128 sequences are drawn of 2048 tokens or the model's limit", async () => {
  const drawn = await calibrationSequences("sample", {
    tokenizer: () => tokenizerOf(AUSTEN),
    vocabulary: 1024,
    defaultSeqlen: 512,
  });
  assertEquals([drawn.sequences, drawn.length, drawn.ids.length], [128, 512, 128 * 512]);
  assertEquals(drawn.description, "sample (Pride and Prejudice, chapters 1 to 20)");
  assertEquals((await calibrationSequences("sample", { ...bytes, samples: 1 })).length, 2048);
});

Deno.test("wikitext2:<path> joins the rows of a raw file by a space", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/wiki.raw`;
    await Deno.writeTextFile(path, " \n = Title = \n \n Some text . \n");
    const { ids } = await calibrationSequences(`wikitext2:${path}`, {
      ...bytes,
      special: false,
      samples: 50,
      seqlen: 27,
    });
    const joined = "  = Title = \n   Some text . \n"; // "", " = Title = \n", "", " Some text . \n"
    assertEquals(joined.length, 29);
    // Starts are drawn from 0 and 1, the last possible one (2) never, as in the published code.
    const rows = new Set(Array.from({ length: 50 }, (_, row) => BYTES.decode(ids.subarray(row * 27, row * 27 + 27))));
    assertEquals([...rows].sort(), [joined.slice(0, 27), joined.slice(1, 28)].sort());
  }));

Deno.test("JSONL documents shorter than a sequence are passed over, gzipped or not, blank lines too", () =>
  inDirectory(async (directory) => {
    const long = "0123456789";
    const lines = ['{"text": "short"}', "", `{"url": "x", "text": "${long}"}`, '{"text": "012345678"}\r', ""].join(
      "\n",
    );
    await Deno.writeTextFile(`${directory}/a.jsonl`, lines);
    await Deno.writeFile(`${directory}/a.json.gz`, gzipSync(lines));
    const options = { ...bytes, samples: 20, seqlen: 9, special: false };
    const plain = await calibrationSequences(`${directory}/a.jsonl`, options);
    assertEquals(plain.ids, BYTES.encode(long.slice(0, 9).repeat(20), { special: false }));
    assertEquals((await calibrationSequences(`${directory}/a.json.gz`, options)).ids, plain.ids);
    // With its BOS the third document has ten tokens, and is long enough.
    const withBos = await calibrationSequences(`${directory}/a.jsonl`, { ...options, special: true });
    assert(withBos.ids.join().includes(BYTES.encode("01234567", { special: true }).join()));
  }));

Deno.test("a corpus in which no document is long enough is an error, not an endless search", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/short.jsonl`;
    await Deno.writeTextFile(path, Array.from({ length: 3000 }, (_, i) => `{"text":"${i}"}\n`).join(""));
    await assertRejects(
      () => calibrationSequences(path, { ...bytes, seqlen: 5 }),
      PareError,
      "none of its 3000 documents has more than 5 tokens (the longest has 5)",
    );
  }));

Deno.test("a file of token ids is used whole unless told to take less", () =>
  inDirectory(async (directory) => {
    const golden = await goldenTokens("Austen-700K", "calibration");
    const path = new URL("../golden/Austen-700K/tokens.safetensors", import.meta.url).pathname;
    const whole = await calibrationSequences(path, { ...noTokenizer, defaultSeqlen: 100 });
    assertEquals([whole.sequences, whole.length], [32, 256]);
    assertEquals(whole.ids, golden.ids);
    const more = await calibrationSequences(path, { ...noTokenizer, samples: 128, seqlen: 2048 });
    assertEquals(more, whole);
    const less = await calibrationSequences(path, { ...noTokenizer, samples: 2, seqlen: 3 });
    assertEquals([...less.ids], [...golden.ids.subarray(0, 3), ...golden.ids.subarray(256, 259)]);

    const write = (name: string, dtype: string, shape: number[], ids: number[]) =>
      writeTokens(`${directory}/t.safetensors`, name, dtype, shape, Int32Array.from(ids));
    const drawn = () => calibrationSequences(`${directory}/t.safetensors`, noTokenizer);
    await write("calibration", "I32", [2, 2], [0, 1023, 1024, -1]);
    await assertRejects(drawn, PareError, "token 2 has id 1024; the model's vocabulary has 1024 ids");
    await write("calibration", "I32", [2, 2], [0, 5, 7, -1]);
    await assertRejects(drawn, PareError, "token 3 has id -1");
    await write("tokens", "I32", [2, 2], [0, 1, 2, 3]);
    await assertRejects(drawn, PareError, 'expected token ids as I32 "calibration" [sequences, tokens], found tokens');
    await write("calibration", "I64", [1, 2], [0, 1, 2, 3]);
    await assertRejects(drawn, PareError, "found I64 [1, 2]");
    await write("calibration", "I32", [4], [0, 1, 2, 3]);
    await assertRejects(drawn, PareError, "found I32 [4]");
    await write("calibration", "I32", [4, 0], []);
    await assertRejects(drawn, PareError, "found I32 [4, 0]");
  }));

Deno.test("a corpus that is missing, too short, or no text is a clear error", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/short.txt`;
    await Deno.writeTextFile(path, "0123456789");
    const drawn = (corpus: string, seqlen = 10) =>
      calibrationSequences(corpus, { ...bytes, samples: 1, seqlen, special: false });
    await assertRejects(() => drawn(path), PareError, `found 10 tokens in ${path}, needed 11 for sequences of 10`);
    assertEquals((await drawn(path, 9)).ids, BYTES.encode("012345678", { special: false }));
    await assertRejects(() => drawn(`${directory}/none.txt`), PareError, "no such file");
    await assertRejects(
      () => drawn("c5"),
      PareError,
      "cannot read c5: no such file or directory; the corpora with a name",
    );
    await assertRejects(() => drawn(directory), PareError, directory);
    await Deno.writeFile(path, Uint8Array.of(0x61, 0xff));
    await assertRejects(() => drawn(path), PareError, "is not UTF-8 text");

    const jsonl = `${directory}/bad.jsonl`;
    const lines = async (...lines: string[]) => {
      await Deno.writeTextFile(jsonl, lines.join("\n"));
      return await drawn(jsonl);
    };
    await assertRejects(() => lines('{"text": "a"}', "", '{"text": '), PareError, `${jsonl}: line 3 is not JSON`);
    await assertRejects(() => lines('{"text": "a"}', '"b"'), PareError, `${jsonl}: line 2: a JSON object was expected`);
    await assertRejects(() => lines('{"txt": "a"}'), PareError, `${jsonl}: line 1: expected a string under "text"`);
    await assertRejects(() => lines("", " "), PareError, "no documents");
    const gzip = gzipSync("x".repeat(1000));
    await Deno.writeFile(`${directory}/cut.jsonl.gz`, gzip.subarray(0, gzip.length - 9));
    await assertRejects(() => drawn(`${directory}/cut.jsonl.gz`), PareError, "damaged gzip file");
    await Deno.writeTextFile(`${directory}/not.jsonl.gz`, "plain");
    await assertRejects(() => drawn(`${directory}/not.jsonl.gz`), PareError, "damaged gzip file");
    await assertRejects(() => drawn(`${directory}/none.jsonl`), PareError, "no such file");
  }));
