/** What stays of a document whose text has become tokens: its ids and what is right, not the text. */
import { assertEquals, assertLess } from "@std/assert";
import { MODELS } from "../stream/checkpoints.ts";

/** Bytes of an id of a small vocabulary. */
const ID_BYTES = Uint16Array.BYTES_PER_ELEMENT;
/**
 * Bytes of a document beside its ids: where four requests begin and end, its key, and what a collector leaves (205 were found);
 * in order for a model, what is asked where, and room for the answers (265). All numbers in four bytes, 409 were found; its text
 * alone, with the objects around it, would be 900.
 */
const DOCUMENT_BYTES = 320;
/** A collector with threads of its own leaves half a megabyte more now and then, where the machine is busy. */
const FLAGS = "--v8-flags=--expose-gc,--single-threaded-gc";
const FEW = 500, MANY = 2500;

/** Bytes that are held of so many documents, and of how many ids: as tokens, and in order for a model. */
interface Held {
  readonly tokens: number;
  readonly ids: number;
  readonly order: number;
  readonly through: number;
}

async function held(documents: number): Promise<Held> {
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
  const [few, many] = [await held(FEW), await held(MANY)], beside = DOCUMENT_BYTES * (MANY - FEW);
  assertLess(many.tokens - few.tokens, ID_BYTES * (many.ids - few.ids) + beside);
  assertLess(many.order - few.order, ID_BYTES * (many.through - few.through) + beside);
});
