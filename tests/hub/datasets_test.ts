/** The published data sets, small, from a Hub on loopback: a gzip shard of C4 and parquet files of WikiText-2. */
import { assertEquals, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { parquetWriteBuffer } from "hyparquet-writer";
import { fetchDatasetFile } from "../../src/checkpoint/hub.ts";
import { PareError } from "../../src/errors.ts";
import { calibrationSequences } from "../../src/text/calibration.ts";
import { fetchCorpus } from "../../src/text/fetch.ts";
import { Random } from "../../src/text/random.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { evaluationWindows } from "../../src/text/windows.ts";
import { COMMIT, type FakeHub, withHub } from "./fake_hub.ts";

/** Ids are a text's bytes. */
const BYTES: Tokenizer = {
  encode: (text) => Uint32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
};
const bytes = { tokenizer: () => Promise.resolve(BYTES), vocabulary: 256 };

const C4 = "en/c4-train.00000-of-01024.json.gz";

Deno.test("c4 is fetched once, and drawn from as get_c4 draws", () =>
  withHub(async (hub, home) => {
    const documents = Array.from({ length: 300 }, (_, i) => `document ${i} `.repeat(1 + i % 7));
    const shard = gzipSync(documents.map((text) => JSON.stringify({ text, url: "x" })).join("\n"));
    hub.put("datasets/allenai/c4", C4, new Uint8Array(shard), true);
    hub.put("datasets/allenai/c4", "en/c4-train.00001-of-01024.json.gz", "another", true);
    hub.faults.cuts = [100];
    const options = { ...bytes, samples: 40, seqlen: 30, seed: 3 };
    const drawn = await calibrationSequences("c4", options);

    const random = new Random(3);
    for (let sample = 0; sample < 40; sample++) {
      let document;
      do document = documents[random.randint(0, 299)]; while (document.length <= 30);
      const start = random.randint(0, document.length - 31);
      assertEquals(BYTES.decode(drawn.ids.subarray(sample * 30, sample * 30 + 30)), document.slice(start, start + 30));
    }
    assertEquals(drawn.description, "c4 (English, first training shard)");
    const path = `${home}/hub/datasets--allenai--c4/snapshots/${COMMIT}/${C4}`;
    assertEquals(await Deno.readLink(path), `../../../blobs/${createHash("sha256").update(shard).digest("hex")}`);

    const requests = hub.seen.length;
    assertEquals(await calibrationSequences("c4", options), drawn);
    assertEquals(hub.seen.length, requests);
  }));

Deno.test("c4:validation is the first 1100 documents of its first shard joined by spaces, 256 windows at most", () =>
  withHub(async (hub, home) => {
    const shard = "en/c4-validation.00000-of-00008.json.gz";
    const documents = Array.from({ length: 1103 }, (_, i) => `${i}`.padStart(4, "0"));
    const lines = documents.map((text) => JSON.stringify({ text })).join("\n");
    hub.put("datasets/allenai/c4", shard, new Uint8Array(gzipSync(lines)), true);
    const { path, name } = await fetchCorpus("c4:validation", "test");
    assertEquals(path, `${home}/hub/datasets--allenai--c4/snapshots/${COMMIT}/${shard}`);

    const whole = documents.slice(0, 1100).join(" ");
    const cut = await evaluationWindows(name, { ...bytes, seqlen: whole.length });
    assertEquals([cut.windows, BYTES.decode(cut.ids)], [1, whole]);
    assertEquals(cut.description, "c4 (English, first validation shard)");
    assertEquals(cut.protocol, 'the first 1100 documents, joined by " ", 256 windows at most');
    assertEquals(cut.sha256, createHash("sha256").update(lines).digest("hex"));
    const many = await evaluationWindows("c4:validation", { ...bytes, seqlen: 10 });
    assertEquals([many.windows, BYTES.decode(many.ids)], [256, whole.slice(0, 2560)]);
    assertEquals((await evaluationWindows("c4:validation", { ...bytes, seqlen: 10, windows: 3 })).windows, 3);
    // As a user's own JSONL the same bytes are another text.
    const own = await evaluationWindows(path, { ...bytes, seqlen: 10 });
    assertEquals([own.sha256, own.windows], [cut.sha256, (6 * 1103 - 2) / 10 | 0]);
    assertEquals(own.protocol, 'documents joined by "\\n\\n"');
  }));

Deno.test("ptb is its test split's sentences joined by spaces, from the Hub's parquet branch or a raw file", () =>
  withHub(async (hub, home) => {
    const put = (split: string, data: string[]) => {
      const file = parquetWriteBuffer({ columnData: [{ name: "sentence", data, type: "STRING" }] });
      const where = `penn_treebank/${split}/0000.parquet`;
      hub.put("datasets/ptb-text-only/ptb_text_only", where, new Uint8Array(file), true);
    };
    put("test", ["no it was n't black monday", "but <unk> <unk> N"]);
    put("train", ["aer banknote berlitz", "calloway centrust"]);
    const text = "no it was n't black monday but <unk> <unk> N";
    const cut = await evaluationWindows("ptb", { ...bytes, seqlen: text.length });
    assertEquals(BYTES.decode(cut.ids), text);
    assertEquals([cut.description, cut.protocol], ["ptb (test)", 'sentences joined by " "']);
    const branch = `${home}/hub/datasets--ptb-text-only--ptb_text_only/refs/refs/convert/parquet`;
    assertEquals(await Deno.readTextFile(branch), COMMIT);
    const raw = await Deno.makeTempFile();
    await Deno.writeTextFile(raw, " no it was n't black monday \n but <unk> <unk> N \n");
    const local = await evaluationWindows(`ptb:${raw}`, { ...bytes, seqlen: text.length });
    await Deno.remove(raw);
    assertEquals([local.ids, local.sha256], [cut.ids, cut.sha256]);
    // What inputs are measured on is the train split, as get_ptb of the published code draws it.
    const train = "aer banknote berlitz calloway centrust";
    const { ids } = await calibrationSequences("ptb", { ...bytes, samples: 1, seqlen: train.length - 1 });
    assertEquals(BYTES.decode(ids), train.slice(0, -1));
  }));

/** Puts a split on the Hub as the usual data set has it. */
function putSplit(hub: FakeHub, split: string, text: string[]): void {
  const file = parquetWriteBuffer({ columnData: [{ name: "text", data: text, type: "STRING" }] });
  hub.put(
    "datasets/Salesforce/wikitext",
    `wikitext-2-raw-v1/${split}-00000-of-00001.parquet`,
    new Uint8Array(file),
    true,
  );
}

Deno.test("wikitext2 is its test split joined by empty lines, or its train split joined by spaces", () =>
  withHub(async (hub) => {
    const rows = ["", " = Title = \n", "", " Text with caf\u00e9 . \n"];
    putSplit(hub, "test", rows);
    putSplit(hub, "train", rows.map((row) => row.replace("Title", "Train")));

    const length = BYTES.encode(rows.join("\n\n"), { special: true }).length;
    const cut = await evaluationWindows("wikitext2", { ...bytes, seqlen: length });
    assertEquals(BYTES.decode(cut.ids), "\n\n = Title = \n\n\n\n\n Text with caf\u00e9 . \n");
    assertEquals(cut.description, "wikitext2 (test)");
    // The same corpus as a raw file has the same SHA-256 and the same windows.
    const raw = await Deno.makeTempFile();
    await Deno.writeTextFile(raw, " \n = Title = \n \n Text with caf\u00e9 . \n");
    const local = await evaluationWindows(`wikitext2:${raw}`, { ...bytes, seqlen: length });
    await Deno.remove(raw);
    assertEquals([local.ids, local.sha256], [cut.ids, cut.sha256]);

    putSplit(hub, "validation", ["", " held out \n"]);
    const held = await evaluationWindows("wikitext2:validation", { ...bytes, seqlen: 12 });
    assertEquals(BYTES.decode(held.ids), "\n\n held out ");
    assertEquals([held.description, held.protocol], ["wikitext2 (validation)", 'lines joined by "\\n\\n"']);

    const train = " " + " = Train = \n" + " " + " " + " Text with caf\u00e9 . \n";
    const { ids } = await calibrationSequences("wikitext2", {
      ...bytes,
      samples: 1,
      seqlen: BYTES.encode(train, { special: true }).length - 1,
    });
    assertEquals(BYTES.decode(ids), train.slice(0, -1));
  }));

Deno.test("a data set that is not there or not what it should be is a clear error", () =>
  withHub(async (hub) => {
    const options = { ...bytes, seqlen: 4 };
    await assertRejects(() => evaluationWindows("wikitext2", options), PareError, "has no dataset Salesforce/wikitext");
    hub.put("datasets/allenai/c4", "README.md", "moved");
    await assertRejects(
      () => calibrationSequences("c4", options),
      PareError,
      `data set allenai/c4 on the Hub has no file ${C4}`,
    );
    hub.put("datasets/Salesforce/wikitext", "wikitext-2-raw-v1/test-00000-of-00001.parquet", "not parquet", true);
    await assertRejects(
      () => evaluationWindows("wikitext2", options),
      PareError,
      'expected a parquet file with a column "text"',
    );
    await assertRejects(() => fetchDatasetFile("wikitext", "x"), PareError, "is no id of a dataset on the Hub");
    await hub[Symbol.asyncDispose]();
    await assertRejects(
      () => fetchDatasetFile("pare/other", "x"),
      PareError,
      "without a network, give a text or JSONL file, or sample",
    );
  }));
