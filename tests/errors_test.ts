/** Errors that were expected, told from those that were not. */
import { assertEquals, assertRejects } from "@std/assert";
import { ABSENT, insteadOf, UNSEEN } from "../src/errors.ts";

Deno.test("an error that was expected has a value in its place, any other is thrown", async () => {
  const missing = () => Deno.stat("/nowhere/to/be/found"), inFile = () => Deno.stat("/etc/passwd/x");
  for (const act of [missing, inFile]) assertEquals(await act().catch(insteadOf(ABSENT, "none")), "none");
  assertEquals(await Deno.stat("/" + "x".repeat(5000)).catch(insteadOf(UNSEEN, "none")), "none");
  const bug = () => Promise.reject(new TypeError("x is not a function"));
  await assertRejects(() => bug().catch(insteadOf(UNSEEN, "none")), TypeError);
  const numbered = () => Promise.reject(new Error("No such process (os error 3)"));
  assertEquals(await numbered().catch(insteadOf(["ESRCH"], "gone")), "gone");
  await assertRejects(() => missing().catch(insteadOf([SyntaxError], "none")), Deno.errors.NotFound);
});

Deno.test({
  name: "where a sandbox does not let a process look, there is nothing for it",
  permissions: { read: ["/tmp"] },
  fn: async () => assertEquals(await Deno.stat("/etc/passwd").catch(insteadOf(UNSEEN, undefined)), undefined),
});
