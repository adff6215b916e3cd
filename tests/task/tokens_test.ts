/** From requests to ids, with a tokenizer whose tokens are words with the space before them. */
import { assertEquals, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { encodeRequests, readPrefix } from "../../src/task/tokens.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

/** The ids are the words' lengths, and 1000 is BOS, which is written `<s>`. */
const words = (bos: boolean): Tokenizer => ({
  encode(text, { special }) {
    const pieces = text.match(/<s>|\s*[^\s<]+|\s+$/g) ?? [];
    return Uint32Array.from([
      ...special && bos ? [1000] : [],
      ...pieces.map((piece) => piece === "<s>" ? 1000 : piece.length),
    ]);
  },
  decode: () => "",
});
const PREFIX = { id: 1000, text: "<s>" };

/** Contexts and continuations as ids. */
function encode(tokenizer: Tokenizer, ...requests: [context: string, continuation: string][]) {
  const pairs = encodeRequests(
    requests.map(([context, continuation]) => ({ context, continuation })),
    tokenizer,
    PREFIX,
  );
  return pairs.map(({ context, continuation }) => [[...context], [...continuation]]);
}

Deno.test("a continuation's ids are those of the whole text behind the context's", () => {
  assertEquals(encode(words(false), ["to be", " or not"], ["to be", " that"]), [[[2, 3], [3, 4]], [[2, 3], [5]]]);
});

Deno.test("white space at the end of a context counts to the continuation", () => {
  assertEquals(encode(words(false), ["to be \n", "or"]), [[[2, 3], [4]]]);
});

Deno.test("the tokenizer's BOS stands before a text, and not twice where the text begins with it", () => {
  assertEquals(encode(words(true), ["to be", " or"], ["<s>to be", " or"]), [[[1000, 2, 3], [3]], [[1000, 2, 3], [3]]]);
});

Deno.test("an empty context is BOS, whatever the tokenizer adds; so is one of white space where it adds none", () => {
  for (const bos of [false, true]) assertEquals(encode(words(bos), ["", "or not"]), [[[1000], [2, 4]]]);
  assertEquals(encode(words(false), ["", "<s>or"], ["  ", "or"]), [[[1000], [2]], [[1000], [4]]]);
  assertEquals(encode(words(true), ["  ", "or"]), [[[1000], [4]]]);
});

Deno.test("what has no token is refused, and an empty context where nothing begins a text", () => {
  assertThrows(() => encode(words(false), ["to", ""]), PareError, 'a continuation has no token: ""');
  assertThrows(() => encodeRequests([{ context: "", continuation: "a" }], words(false), undefined), PareError, "empty");
});

Deno.test("what begins a text is BOS, else EOS, by the tokenizer's files or the config", async () => {
  const read = (tokenizerConfig: unknown, config: unknown) =>
    readPrefix({ config, readText: () => Promise.resolve(JSON.stringify(tokenizerConfig)) }, words(false));
  assertEquals(await read({ bos_token: { content: "<s>" }, eos_token: "e" }, {}), PREFIX);
  assertEquals(await read({ bos_token: null, eos_token: "eos" }, { bos_token_id: 7 }), { id: 3, text: "eos" });
  assertEquals(await read(undefined, { eos_token_id: [5, 6] }), { id: 5 });
  assertEquals(await read({}, {}), undefined);
});
