/** The command of a run: a shell reads it back as the arguments that it was made of. */
import { assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { commandLine, quoteArgument } from "../../src/run/command.ts";
import { manifest } from "./runs.ts";

Deno.test("a shell reads every argument back, whatever is in it", () => {
  // No NUL: no operating system passes one in an argument. Well-formed: the shell's output is read as UTF-8.
  const argument = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0") && text.isWellFormed());
  fc.assert(
    fc.property(fc.array(argument, { minLength: 1, maxLength: 8 }), (args) => {
      const script = `printf '%s\\0' ${args.map(quoteArgument).join(" ")}`;
      const { stdout } = new Deno.Command("sh", { args: ["-c", script] }).outputSync();
      assertEquals(new TextDecoder("utf-8", { ignoreBOM: true }).decode(stdout).split("\0").slice(0, -1), args);
    }),
    { numRuns: 50 },
  );
});

Deno.test("plain arguments stay as they are, so that a person can read the command", () => {
  const { plan } = manifest();
  const args = ["--model", "org/name", "--include", "*.mlp.*", "--calibration", "it's text.txt", "--out="];
  assertEquals(
    commandLine({ plan, args }),
    String.raw`deno task prune --model org/name --include '*.mlp.*' --calibration 'it'\''s text.txt' --out=`,
  );
});
