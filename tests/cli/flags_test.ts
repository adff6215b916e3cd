/** What a command line means, flag by flag, and what is said of one that means nothing. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import {
  choice,
  integer,
  mannerOf,
  number,
  parse,
  readPattern,
  readShare,
  repeated,
  required,
  spelling,
  text,
  toggle,
} from "../../src/cli/flags.ts";
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

/** A command with short forms, an output and arguments of any number. */
const pack = {
  name: "pack",
  summary: "put things together.",
  flags: {
    model: required(text({ help: "What.", metavar: "DIR", short: "m", once: true })),
    out: text({ help: "Where.", short: "o" }),
    dryRun: toggle({ help: "Only look.", short: "n" }),
    force: toggle({ help: "Whatever stands there.", short: "f" }),
    tag: repeated(text({ help: "Words.", short: "t" })),
  },
  operand: "model",
  examples: [],
} as const;

Deno.test("a short form is the flag, its value behind it, behind a blank or an equals sign, toggles together", () => {
  const long = parse(pack, ["--model", "oak", "--out", "box", "--dry-run", "--force", "--tag", "a", "--tag", "b"]);
  for (
    const line of [
      "-m oak -o box -n -f -t a -t b",
      "-moak -obox -nf -ta -tb",
      "-m=oak -o=box -fn -t=a --tag=b",
      "oak -nfo box -t a -t b",
      "--m oak --o=box --n --f -ta -tb",
    ]
  ) {
    assertEquals(parse(pack, line.split(" ")), long, line);
  }
});

Deno.test("a value may begin with a dash if it is no flag, and stands behind an equals sign if it looks like one", () => {
  const values = parse(pack, ["-", "--out", "-1", "--tag", "- a", "--tag=--force"]);
  assertEquals(values !== "help" && [values.model, values.out, values.tag, values.force], [
    "-",
    "-1",
    ["- a", "--force"],
    false,
  ]);
});

function refusePack(...args: string[]): string {
  return assertThrows(() => parse(pack, args), PareError).message;
}

Deno.test("two models are refused with both, by whatever names they are given; the same again is one, and of other flags the last counts", () => {
  assertEquals(refusePack("--model", "a", "--model", "b"), "--model is given twice: a and b; expected one");
  assertEquals(refusePack("-m", "a", "--model=b", "-m", "c"), "--model is given 3 times: a and b and c; expected one");
  assertEquals(parse(pack, ["-m", "a", "--model=a"]), parse(pack, ["a"]));
  const share = parse(command, ["oak", "--share", ".5", "--share_ratio", ".6"]);
  assertEquals(share !== "help" && share.share, 0.6);
  assertEquals(parse(pack, ["m", "-f", "--force"]), parse(pack, ["m", "-f"]));
});

Deno.test("an argument too many says what stands in its place, and where it may belong", () => {
  assertEquals(refusePack("a", "b"), 'unexpected argument "b": --model is a already; did you mean --out b?');
  assertEquals(refusePack("--model", "a", "b"), 'unexpected argument "b": did you mean --out b?');
  assertEquals(
    refusePack("a", "b", "-o", "c"),
    'unexpected argument "b": --model is a already; --help shows what is expected',
  );
});

Deno.test("a flag with one dash or with those of a word processor is told", () => {
  assertEquals(refusePack("-model", "a"), "unknown flag -model: did you mean --model?");
  assertEquals(refusePack("-dry-run", "a"), "unknown flag -dry-run: did you mean --dry-run?");
  assertEquals(refusePack("—model=a"), "unknown flag —model: did you mean --model?");
  assertEquals(refusePack("–out", "a"), "unknown flag –out: did you mean --out?");
});

Deno.test("a flag that takes no value refuses one, but for true and false", () => {
  assertEquals(refusePack("a", "--force=yes"), "--force=yes: --force takes no value");
  const values = parse(pack, ["a", "--force=false", "--dry-run=true"]);
  assertEquals(values !== "help" && [values.force, values.dryRun], [false, true]);
  assertEquals(refusePack("a", "-f=yes"), "--force=yes: --force takes no value");
  assertEquals(parse(pack, ["a", "-f=false", "-n=true"]), values);
  assertEquals(parse(pack, ["a", "-nf", "--force=false"]), values, "the last one counts");
});

Deno.test("a word behind a flag that takes no value is an argument, true and false too", () => {
  for (const word of ["true", "false"]) {
    assertEquals(parse(pack, ["--force", word]), parse(pack, ["--model", word, "--force"]));
    assertEquals(parse(pack, ["-f", word]), parse(pack, [word, "-f"]));
  }
});

Deno.test("any text is a value behind an equals sign or its letter, and any line is understood or refused", () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), (text) => {
    for (const args of [[`--out=${text}`], [`-o=${text}`], ...text.startsWith("=") ? [] : [[`-o${text}`]]]) {
      const odd = args[0] === "-out" || args[0].startsWith("-out=");
      const values = odd ? undefined : parse(pack, ["oak", ...args]);
      if (!odd) assertEquals(values !== "help" && values?.out, text);
    }
  }));
  const word = fc.oneof(fc.string(), fc.stringMatching(/^-{0,3}[a-z=.]{0,3}[=-]?[a-z]{0,2}$/));
  fc.assert(fc.property(fc.array(word, { maxLength: 4 }), (args) => {
    try {
      parse(pack, args);
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
    }
  }));
});

Deno.test("a letter that is no flag is named, alone and among others", () => {
  assertEquals(refusePack("a", "-x"), "unknown flag -x; --help lists the flags");
  assertEquals(refusePack("a", "-nxf"), "unknown flag -x; --help lists the flags");
  assertEquals(refusePack("a", "-1"), "unknown flag -1; --help lists the flags");
  assertEquals(refusePack("a", "--no-force"), "unknown flag --no-force: did you mean --force?");
});

Deno.test("what is behind the operand is the rest: a list, or one text", () => {
  const list = { ...pack, rest: "tag" } as const, words = { ...pack, rest: "out" } as const;
  const both = [parse(list, ["m", "a", "b"]), parse(words, ["m", "the", "best", "-n"])];
  assertEquals(both.map((values) => values !== "help" && [values.tag, values.out]), [
    [["a", "b"], undefined],
    [[], "the best"],
  ]);
});

Deno.test("a share is a number in [0, 1); per cent, a decimal comma and a pattern are told what they would be", () => {
  assertEquals(["0", ".5", "0.999", "5e-1"].map((text) => readShare(text, "--s")), [0, 0.5, 0.999, 0.5]);
  const said = (text: string) => assertThrows(() => readShare(text, "--sparsity"), PareError).message;
  assertEquals(said("50"), "--sparsity 50: expected a share in [0, 1); did you mean 0.5 (50 %)?");
  assertEquals(said("66.6"), "--sparsity 66.6: expected a share in [0, 1); did you mean 0.666 (66.6 %)?");
  assertEquals(said("50%"), "--sparsity 50%: expected a number; did you mean 0.5 (50 %)?");
  assertEquals(said("0.5%"), "--sparsity 0.5%: expected a number; did you mean 0.005 (0.5 %)?");
  assertEquals(said("0,5"), "--sparsity 0,5: expected a number; did you mean 0.5?");
  assertEquals(said("70,5 %"), "--sparsity 70,5 %: expected a number; did you mean 0.705 (70.5 %)?");
  assertEquals(said("2:4"), "--sparsity 2:4: expected a number; did you mean --pattern 2:4?");
  for (const text of ["1", "1.5", "100", "-0.5", "1000", "half", "0x10"]) {
    assertEquals(said(text).includes("did you mean"), false, said(text));
  }
});

Deno.test("a pattern with another sign, the wrong way round, or a share in its place is told what it would be", () => {
  for (const text of ["2:4", "1:2", "structured", "0:4", "4:4"]) assertEquals(readPattern(text, "--p"), text);
  const guess = (text: string) =>
    assertThrows(() => readPattern(text, "--pattern"), PareError).message.split("did you mean ")[1];
  assertEquals(["2/4", "2-4", "4:2", "2 of 4", "4of8"].map(guess), ["2:4?", "2:4?", "2:4?", "2:4?", "4:8?"]);
  assertEquals([".5", "0,5"].map(guess), ["--sparsity .5?", "--sparsity 0.5?"]);
});

Deno.test("how to speak is known of a command line that is wrong otherwise, and no value is taken for it", () => {
  assertEquals(mannerOf(["--sparsty", "--json"]), { json: true, progress: "auto", version: false });
  assertEquals(mannerOf(["--progress", "json"]).progress, "json");
  assertEquals(mannerOf(["--progress=none"]).progress, "none");
  assertEquals(mannerOf(["--progress", "loud"]).progress, "auto");
  assertEquals(mannerOf(["--", "--json", "-V"]), { json: false, progress: "auto", version: false });
  assertEquals(refuse("oak", "--progress", "loud"), "--progress loud: expected auto, json or none");
});
