/** A command as small as one can be, for `run_test.ts` to start in a process of its own. */
import { choice } from "../../src/cli/flags.ts";
import { run } from "../../src/cli/run.ts";
import { PareError } from "../../src/errors.ts";

const command = {
  name: "carve",
  summary: "end in one of the ways that a command can end.",
  flags: { end: choice(["well", "problem", "mendable", "bug", "wait", "hang"], { help: "How.", fallback: "well" }) },
  examples: ["deno task carve --end well"],
} as const;

await run(command, async ({ end }, { signal, terminal }) => {
  if (end === "mendable") throw new PareError("oak.txt: found a knot,\n  expected straight grain");
  if (end === "bug") throw new TypeError("the knife is a spoon");
  if (end === "wait" || end === "hang") {
    // Something for the event loop, as a real command has; otherwise Deno would end.
    const work = setInterval(() => {}, 1000);
    terminal.note("ready");
    await new Promise<void>((resolve) => {
      if (end === "wait") signal.addEventListener("abort", () => resolve());
    });
    clearInterval(work);
    terminal.note("tidied up");
    signal.throwIfAborted();
  }
  const problems = end === "problem" ? ["the bark is damaged"] : [];
  return { text: "carved\nwell", json: { carved: true }, problems };
});
