/** What a command line means, flag by flag, and what is said of one that means nothing. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { choice, integer, number, parse, repeated, required, spelling, text, toggle } from "../../src/cli/flags.ts";
import { PareError } from "../../src/errors.ts";

const command = {
  name: "carve",
  summary: "cut things.",
  flags: {
    model: required(text({ help: "What to cut.", metavar: "DIR" })),
    share: number({ help: "How much.", aliases: ["share_ratio"] }),
    steps: integer(1, { help: "How often.", fallback: 3 }),
    tool: choice(["knife", "saw", "axe"], { help: "With what.", fallback: "knife" }),
    dryRun: toggle({ help: "Only look." }),
    include: repeated(text({ help: "Only these." })),
    spool: text({ help: "Where to put chips.", bare: "" }),
  },
  operand: "model",
  examples: ["deno task carve oak"],
} as const;

function refuse(...args: string[]): string {
  return assertThrows(() => parse(command, args), PareError).message;
}

Deno.test("an absent flag has its default, or is undefined, false or an empty list", () => {
  assertEquals(parse(command, ["--model", "oak"]), {
    model: "oak",
    share: undefined,
    steps: 3,
    tool: "knife",
    dryRun: false,
    include: [],
    spool: undefined,
    json: false,
  });
});

Deno.test("a value follows its flag after a space or an equals sign", () => {
  assertEquals(parse(command, ["--model=oak", "--share", ".5"]), parse(command, ["--share=0.5", "--model", "oak"]));
});

Deno.test("any number that a flag takes comes back as it was written", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), (share, equals) => {
    const args = equals ? [`--share=${share}`] : ["--share", `${share}`];
    const values = parse(command, ["oak", ...args]);
    assertEquals(values !== "help" && values.share, Number(`${share}`));
  }));
});

Deno.test("names that look like numbers stay names", () => {
  const values = parse(command, ["0123", "--include", "7"]);
  assertEquals(values !== "help" && [values.model, values.include], ["0123", ["7"]]);
});

Deno.test("another spelling is the same flag", () => {
  assertEquals(parse(command, ["oak", "--share_ratio", "0.25"]), parse(command, ["oak", "--share", "0.25"]));
});

Deno.test("a flag that may be repeated keeps the order", () => {
  const values = parse(command, ["oak", "--include", "b", "--include=a"]);
  assertEquals(values !== "help" && values.include, ["b", "a"]);
});

Deno.test("a flag whose value may be left out has another value then", () => {
  const values = parse(command, ["oak", "--spool", "--dry-run"]);
  assertEquals(values !== "help" && [values.spool, values.dryRun], ["", true]);
});

Deno.test("--help wins over everything that is missing", () => {
  assertEquals(parse(command, ["--help"]), "help");
});

Deno.test("camel case in the code is dashes on the command line", () => {
  assertEquals(spelling("dryRun"), "dry-run");
});

Deno.test("a mistyped flag names the nearest one, other spellings included", () => {
  assertEquals(refuse("oak", "--shrae", "1"), "unknown flag --shrae: did you mean --share?");
  assertEquals(refuse("oak", "--dryrun"), "unknown flag --dryrun: did you mean --dry-run?");
  assertEquals(refuse("oak", "--inc=x"), "unknown flag --inc: did you mean --include?");
  assertEquals(refuse("oak", "--share_raito=1"), "unknown flag --share_raito: did you mean --share_ratio?");
  assertEquals(refuse("oak", "--json_"), "unknown flag --json_: did you mean --json?");
});

Deno.test("a flag that resembles none gets no guess", () => {
  assertEquals(refuse("oak", "--zzzzzz"), "unknown flag --zzzzzz; --help lists the flags");
  assertStringIncludes(refuse("oak", "-x"), "unknown flag -x");
});

Deno.test("every wrong value is named with what was expected", () => {
  assertEquals(refuse("oak", "--share", "half"), "--share half: expected a number");
  assertEquals(refuse("oak", "--share", "0x10"), "--share 0x10: expected a number");
  assertEquals(refuse("oak", "--steps", "1.5"), "--steps 1.5: expected a whole number of 1 or more");
  assertEquals(refuse("oak", "--steps", "-1"), "--steps -1: expected a whole number of 1 or more");
  assertEquals(
    refuse("oak", "--steps", "9007199254740993"),
    "--steps 9007199254740993: expected a whole number of 1 or more",
  );
  assertEquals(refuse("oak", "--tool", "spoon"), "--tool spoon: expected knife, saw or axe");
});

Deno.test("what is missing is named", () => {
  assertStringIncludes(refuse(), "--model is missing");
  assertEquals(refuse("--model"), "--model needs a value: DIR");
  assertEquals(refuse("oak", "--share", "--dry-run"), "--share needs a value: NUMBER");
});

Deno.test("an argument too many is named", () => {
  assertStringIncludes(refuse("oak", "elm"), 'unexpected argument "elm"');
  assertStringIncludes(refuse("oak", "--", "elm"), 'unexpected argument "elm"');
});
