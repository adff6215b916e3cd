/** A bound on work is one on the thread's own processor time: a busy machine refuses nothing. */
import { assertEquals, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { withinAllowance } from "../../src/text/bounds.ts";

/** Spins until it is stopped, so many times; then it is done. */
function slow(times: number): () => string {
  return () => {
    if (times-- > 0) { for (;;); }
    return "done";
  };
}

Deno.test("what was stopped before it had its processor time is begun again, however often", () => {
  assertEquals(withinAllowance(10, slow(2), 1, () => 0), "done");
});

Deno.test("what has had its processor time is refused, with the time and the text's length", () => {
  let had = 0;
  const { message } = assertThrows(() => withinAllowance(10, slow(5), 1, () => had++), PareError);
  assertEquals(message, "not done after 0.001 s of processor time with 10 characters");
});

Deno.test("what goes wrong on the way is thrown as it is", () => {
  const failing = () => {
    throw new RangeError("odd");
  };
  assertThrows(() => withinAllowance(10, failing), RangeError, "odd");
});

Deno.test("the clock is the thread's own: an endless act is stopped by it", () => {
  assertThrows(() => withinAllowance(1, slow(Infinity), 20), PareError, "0.02 s of processor time");
});
