/** Turns: one at a time, in the order in which they were asked for, whoever gives up between. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Full, Turns } from "../../src/chat/turns.ts";

Deno.test("turns come in order, one at a time; who gives up makes room at once and is passed over", async () => {
  const turns = new Turns(3),
    patient = new AbortController().signal,
    stop = new AbortController(),
    order: string[] = [];
  const [first, second, third] = [turns.reserve(), turns.reserve(), turns.reserve()];
  await first.turn(patient);
  const givenUp = assertRejects(() => second.turn(stop.signal), DOMException);
  const waiting = (place: typeof first, name: string) => place.turn(patient).then(() => void order.push(name));
  const thirdTurn = waiting(third, "third");
  assertThrows(() => turns.reserve(), Full);
  assertEquals(turns.taken, 3);
  stop.abort();
  await givenUp;
  second[Symbol.dispose]();
  assertEquals([turns.taken, order], [2, []]);
  const fourth = turns.reserve(), fourthTurn = waiting(fourth, "fourth");
  first[Symbol.dispose]();
  await thirdTurn;
  assertEquals(order, ["third"]);
  third[Symbol.dispose]();
  third[Symbol.dispose]();
  await fourthTurn;
  fourth[Symbol.dispose]();
  assertEquals([turns.taken, order], [0, ["third", "fourth"]]);
});

Deno.test("who has a place and has not asked for a turn yet keeps nobody waiting", async () => {
  const turns = new Turns(2), { signal } = new AbortController();
  using slow = turns.reserve();
  using quick = turns.reserve();
  await quick.turn(signal);
  quick[Symbol.dispose]();
  await slow.turn(signal);
});
