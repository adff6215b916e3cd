/** Ids to text while they come: nothing is shown that a later token changes, nothing is lost, stop strings are cut off. */
import { assert, assertEquals } from "@std/assert";
import { TextStream } from "../../src/generate/text_stream.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { fc } from "../fuzz/seed.ts";
import { SHARED } from "../golden/shared.ts";
import { AUSTEN, STORIES, tokenizerOf } from "../text/models.ts";

/** Byte-level pieces, and where it is there, SentencePiece's, whose first space depends on what stands before. */
const TOKENIZERS: Readonly<Record<string, string>> = { AUSTEN, ...SHARED && { STORIES } };

/** The pieces that a stream gives for some ids, the last one when they end. */
function pieces(
  tokenizer: Tokenizer,
  ids: Iterable<number>,
  stops: readonly string[] = [],
  prompt = new Uint32Array(),
) {
  const stream = new TextStream(tokenizer, prompt, stops), all: string[] = [];
  for (const id of ids) {
    all.push(stream.push(id));
    if (stream.stopped) break;
  }
  return [...all, stream.end()];
}

for (const [name, path] of Object.entries(TOKENIZERS)) {
  Deno.test(`the pieces of any text, and of any ids, are its text together (${name.toLowerCase()})`, async () => {
    const tokenizer = await tokenizerOf(path);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(30), (text, cut) => {
        const ids = tokenizer.encode(text, { special: false }), prompt = ids.subarray(0, cut);
        const found = pieces(tokenizer, ids.subarray(cut), [], prompt).join("");
        const all = tokenizer.decode(ids);
        assert(all.endsWith(found), `${JSON.stringify(found)} is no end of ${JSON.stringify(all)}`);
        if (!tokenizer.decode(prompt).endsWith("\ufffd")) assertEquals(tokenizer.decode(prompt) + found, all);
      }),
      { numRuns: 25 },
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 3, max: 500 })), (ids) => {
        assertEquals(pieces(tokenizer, ids).join(""), tokenizer.decode(ids));
      }),
      { numRuns: 25 },
    );
  });
}

Deno.test("a character comes when its last byte has, and half a one when nothing follows", async () => {
  const tokenizer = await tokenizerOf(AUSTEN), ids = tokenizer.encode("é😀", { special: false });
  assert(ids.length > 4, "the vocabulary has no such pieces");
  const found = pieces(tokenizer, ids);
  assertEquals(found.filter((piece) => piece !== ""), ["é", "😀"]);
  const cut = pieces(tokenizer, ids.subarray(0, ids.length - 1));
  assert(/^\ufffd+$/.test(cut.at(-1)!));
  assert(cut.slice(0, -1).every((piece) => !piece.includes("\ufffd")));
});

Deno.test("a stop string is cut off wherever tokens cut it, and nothing of it is shown before", async () => {
  const tokenizer = await tokenizerOf(AUSTEN), text = "She had been forced into prudence in her youth.";
  const ids = tokenizer.encode(text, { special: false });
  for (
    const [stop, want] of [["forced into", "She had been "], ["S", ""], [
      "youth.",
      "She had been forced into prudence in her ",
    ]]
  ) {
    assertEquals(pieces(tokenizer, ids, ["nowhere", stop]).join(""), want);
  }
  // Of two the one that comes first; what only looks like one is shown in the end.
  assertEquals(pieces(tokenizer, ids, ["prudence", "into prud"]).join(""), "She had been forced ");
  assertEquals(pieces(tokenizer, ids, ["youth.!"]).join(""), text);
  fc.assert(fc.property(fc.integer({ min: 0, max: text.length - 1 }), fc.integer({ min: 1, max: 12 }), (at, length) => {
    const stop = text.slice(at, at + length), found = pieces(tokenizer, ids, [stop]);
    assertEquals(found.join(""), text.slice(0, text.indexOf(stop)));
  }));
});
