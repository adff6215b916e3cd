/** Text to train on: one stream of tokens, windows without overlap, the first held out, the others in an order that is known. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { type PackOptions, packWindows, WindowOrder } from "../../src/text/packed.ts";
import { AUSTEN, HELDOUT, textOf, tokenizerOf } from "./models.ts";

const options = (more: Partial<PackOptions>): PackOptions => ({
  tokenizer: () => tokenizerOf(AUSTEN),
  vocabulary: 1024,
  seqlen: 256,
  windows: 1000,
  heldOut: 4,
  ...more,
});

Deno.test("a text is cut from its beginning: what is held out first, then what is trained on", async () => {
  const tokens = (await tokenizerOf(AUSTEN)).encode(await textOf(HELDOUT), { special: true });
  const all = await packWindows(HELDOUT, options({}));
  // 16969 tokens: 66 whole windows, the rest dropped.
  assertEquals([all.windows, all.length], [62, 256]);
  assertEquals(all.heldOut.ids, tokens.slice(0, 4 * 256));
  assertEquals(all.train.ids, tokens.slice(4 * 256, 66 * 256));
  const few = await packWindows(HELDOUT, options({ windows: 5 }));
  assertEquals([few.windows, few.heldOut.ids], [5, all.heldOut.ids]);
  assertEquals(few.train.ids, all.train.ids.slice(0, 5 * 256));
});

Deno.test("documents come one after the other, each with its special tokens", async () => {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    const texts = Array.from(
      { length: 40 },
      (_, i) => `It is a truth universally acknowledged, number ${i}. `.repeat(9),
    );
    await Deno.writeTextFile(path, texts.map((text) => JSON.stringify({ text })).join("\n"));
    const tokenizer = await tokenizerOf(AUSTEN);
    const stream = texts.flatMap((text) => [...tokenizer.encode(text, { special: true })]);
    const found = await packWindows(path, options({ seqlen: 100, heldOut: 1 }));
    assertEquals(found.windows, Math.floor(stream.length / 100) - 1);
    assertEquals([...found.heldOut.ids, ...found.train.ids], stream.slice(0, (found.windows + 1) * 100));
    // However few are asked for, they are the same.
    const few = await packWindows(path, options({ seqlen: 100, heldOut: 1, windows: 2 }));
    assertEquals([...few.train.ids], stream.slice(100, 300));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a text that is too short is refused, with what would do", async () => {
  const error = await assertRejects(() => packWindows(HELDOUT, options({ heldOut: 66 })), PareError);
  assertEquals(error.message.includes(`found 16969 tokens in ${HELDOUT}, needed ${67 * 256}`), true, error.message);
  await assertRejects(
    () => packWindows(HELDOUT, options({ seqlen: 1 })),
    PareError,
    "expected a --seqlen of 2 or more",
  );
});

Deno.test("an epoch has every window once, in an order of its own that the seed says", () => {
  const order = new WindowOrder(10, 4, 7), seen = Array.from({ length: 10 }, (_, step) => [...order.of(step)]).flat();
  const epochs = Array.from({ length: 4 }, (_, at) => seen.slice(at * 10, at * 10 + 10));
  for (const epoch of epochs) assertEquals(epoch.toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertNotEquals(epochs[0], epochs[1]);
  // A step that is asked for alone, as after a resume, sees the same.
  for (const step of [9, 2, 7]) {
    assertEquals([...new WindowOrder(10, 4, 7).of(step)], seen.slice(step * 4, step * 4 + 4));
  }
  assert(
    new WindowOrder(1000, 8, 1).of(0).join() !== new WindowOrder(1000, 8, 2).of(0).join(),
    "another seed, another order",
  );
});
