/** What stays of a document whose text has become tokens: its ids and what is right, not the text. */
import { assertEquals, assertLess } from "@std/assert";
import { MODELS } from "../stream/checkpoints.ts";

/** Bytes of an id of a small vocabulary. */
const ID_BYTES = Uint16Array.BYTES_PER_ELEMENT;
/**
 * Bytes of a document beside its ids: where four requests begin and end, its key, and what a collector leaves. Its text alone,
 * with the objects around it, would be 900.
 */
const DOCUMENT_BYTES = 300;
/** A collector with threads of its own leaves half a megabyte more now and then, where the machine is busy. */
const FLAGS = "--v8-flags=--expose-gc,--single-threaded-gc";
const FEW = 500, MANY = 2500;

async function held(documents: number): Promise<{ readonly held: number; readonly ids: number }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--allow-all", FLAGS],
      ...[new URL("held.ts", import.meta.url).pathname, `${MODELS}/Austen-700K`, `${documents}`],
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const found = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(found.asked, documents);
  return found;
}

Deno.test(`an exam of ${MANY} documents holds their ids beside what one of ${FEW} holds, and not their text`, async () => {
  const [few, many] = [await held(FEW), await held(MANY)];
  assertLess(many.held - few.held, ID_BYTES * (many.ids - few.ids) + DOCUMENT_BYTES * (MANY - FEW));
});
