/** Turns: one at a time, in the order in which they were asked for, whoever gives up between. */
import { assertEquals, assertRejects } from "@std/assert";
import { Full, Turns } from "../../src/chat/turns.ts";

Deno.test("turns come in order, one at a time; who gives up makes room at once and is passed over", async () => {
  const turns = new Turns(3),
    patient = new AbortController().signal,
    stop = new AbortController(),
    order: string[] = [];
  const first = await turns.take(patient);
  const second = assertRejects(() => turns.take(stop.signal), DOMException);
  const third = turns.take(patient).then((turn) => {
    order.push("third");
    return turn;
  });
  await assertRejects(() => turns.take(patient), Full);
  assertEquals(turns.taken, 3);
  stop.abort();
  await second;
  assertEquals([turns.taken, order], [2, []]);
  const fourth = turns.take(patient).then((turn) => {
    order.push("fourth");
    return turn;
  });
  first[Symbol.dispose]();
  const turn = await third;
  assertEquals(order, ["third"]);
  turn[Symbol.dispose]();
  turn[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
  assertEquals([turns.taken, order], [0, ["third", "fourth"]]);
});
