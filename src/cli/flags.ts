/**
 * The command line: taken apart by Node's `parseArgs`, put together here into the values of a command's flags. What is not
 * understood is answered with what was probably meant.
 */
import { parseArgs } from "node:util";
import { PareError } from "../errors.ts";
import { choice, type Command, type Flag, type Flags, spelling, toggle, type Values } from "./flag.ts";
import { nearest } from "./nearest.ts";

export * from "./flag.ts";

/** The flags that every command has. */
export const COMMON = {
  json: toggle({ help: "Print one JSON object on stdout instead of text; of an error too: {error: {message, code}}." }),
  progress: choice(["auto", "json", "none"], {
    help:
      "How progress is shown on stderr: auto draws a bar on a terminal and lines elsewhere; json writes notes, progress " +
      "and errors as JSON, an object a line; none shows no progress.",
    fallback: "auto",
  }),
  version: toggle({ help: "Print Pare's version.", short: "V" }),
  help: toggle({ help: "Show this text.", short: "h" }),
};

/** How a command is to speak, whether or not its command line makes sense otherwise. */
export interface Manner {
  readonly json: boolean;
  readonly progress: "auto" | "json" | "none";
  /** Only the version is asked for. */
  readonly version: boolean;
}

/** Reads the manner out of a command line. */
export function mannerOf(args: readonly string[]): Manner {
  const end = args.indexOf("--"), flags = end < 0 ? args : args.slice(0, end);
  const at = flags.lastIndexOf("--progress");
  const progress = at < 0 ? flags.findLast((flag) => flag.startsWith("--progress="))?.slice(11) : flags[at + 1];
  return {
    json: flags.includes("--json"),
    progress: COMMON.progress.choices!.find((each) => each === progress) as Manner["progress"] ?? "auto",
    version: flags.includes("--version") || flags.includes("-V"),
  };
}

/** What was given to each flag, by its name; `""` where it stands without a value. */
type Given = Map<string, string[]>;

/**
 * Reads a command line, or gives `"help"` if it asks for it.
 * @throws PareError naming the flag, what was found and what was expected.
 */
export function parse<F extends Flags>(command: Command<F>, args: readonly string[]): Values<F> | "help" {
  const flags: Flags = { ...command.flags, ...COMMON };
  const { given, operands } = takeApart(flags, args);
  if (given.has("help")) return "help";
  const { operand, rest } = command;
  const [first] = operands, standsAlone = operand !== undefined && first !== undefined && !given.has(operand);
  if (standsAlone) give(given, operand, operands.shift()!);
  if (rest !== undefined && operands.length && !given.has(rest)) {
    const texts = flags[rest].kind === "values" ? operands.splice(0) : [operands.splice(0).join(" ")];
    for (const text of texts) give(given, rest, text);
  }
  if (operands.length) throw unexpected(operands[0], command, given, standsAlone ? first : undefined);
  const values = Object.keys(flags).map((name) => [name, readFlag(name, flags[name], given.get(name) ?? [])]);
  const { progress: _p, version: _v, help: _h, ...known } = Object.fromEntries(values);
  return known as Values<F>;
}

/** Flags by name with what was given to each, and what stands without a flag. */
function takeApart(flags: Flags, args: readonly string[]) {
  const names = new Map(
    Object.entries(flags).flatMap(([name, { aliases = [], short }]) =>
      [spelling(name), ...aliases, ...short ? [short] : []].map((word) => [word, name] as const)
    ),
  );
  const takesValue = (word: string) => names.has(word) && flags[names.get(word)!].kind !== "toggle";
  const { tokens } = parseArgs({
    args: separate(args, names, takesValue),
    options: Object.fromEntries(
      Object.entries(flags).flatMap(([name, { aliases = [], short, kind }]) => {
        const type = kind === "toggle" ? "boolean" as const : "string" as const;
        return [[spelling(name), { type, ...short && { short } }], ...aliases.map((alias) => [alias, { type }])];
      }),
    ),
    strict: false,
    tokens: true,
  });
  const given: Given = new Map(), operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const name = names.get(token.name);
    if (name === undefined) throw unknownFlag(token.rawName, [...names.keys()]);
    if (flags[name].kind === "toggle" && !["true", "false", undefined].includes(token.value)) {
      throw new PareError(`${token.rawName}=${token.value}: ${token.rawName} takes no value`);
    }
    // `-o=DIR` is meant as `-o DIR`.
    const text = token.inlineValue && !token.rawName.startsWith("--") ? token.value.replace(/^=/, "") : token.value;
    if (text !== "false" || flags[name].kind !== "toggle") give(given, name, text ?? "");
  }
  return { given, operands };
}

function give(given: Given, name: string, text: string): void {
  given.set(name, [...given.get(name) ?? [], text]);
}

/**
 * The arguments, so that no flag swallows the next one: `--spool --dry-run` is `--spool= --dry-run`. A number with a sign is
 * a value, never a flag.
 */
function separate(
  args: readonly string[],
  names: ReadonlyMap<string, string>,
  takesValue: (word: string) => boolean,
): string[] {
  const end = args.indexOf("--"), separated: string[] = [];
  for (const [at, arg] of args.entries()) {
    const [, dashes = "", word = ""] = /^([-–—]+)([^=]*)/.exec(arg) ?? [];
    if (end >= 0 && at >= end || !word || /^-[.\d]/.test(arg)) {
      separated.push(arg);
      continue;
    }
    // Typed with one dash, or by a word processor.
    if (word.length > 1 && names.has(word) && dashes !== "--") {
      throw new PareError(`unknown flag ${dashes}${word}: did you mean --${word}?`);
    }
    const next = args[at + 1], isFlag = next === undefined || /^-(-?[a-z]|-$)/i.test(next);
    const bare = arg === `--${word}` || arg === `-${word}` && word.length === 1;
    separated.push(bare && isFlag && takesValue(word) ? `--${spelling(names.get(word)!)}=` : arg);
  }
  return separated;
}

/** The value of one flag from what was given. */
function readFlag(name: string, flag: Flag<unknown>, given: readonly string[]): unknown {
  const called = `--${spelling(name)}`;
  const read = (text: string) => {
    if (text !== "") return flag.read(text, called);
    if (flag.bare !== undefined) return flag.bare;
    throw new PareError(`${called} needs a value: ${flag.metavar ?? "TEXT"}`);
  };
  if (flag.kind === "toggle") return given.length > 0;
  if (flag.required && !given.length) throw new PareError(`${called} is missing; --help shows an example`);
  if (flag.kind === "values") return given.map(read);
  const values = given.map(read), texts = [...new Set(given)];
  if (flag.once && texts.length > 1) {
    const all = texts.map((text) => text || "nothing").join(" and ");
    throw new PareError(
      `${called} is given ${texts.length > 2 ? `${texts.length} times` : "twice"}: ${all}; expected one`,
    );
  }
  return given.length ? values.at(-1) : flag.absent;
}

/** An argument too many: what stands in its place already, and where it may belong. */
function unexpected<F extends Flags>(
  argument: string,
  { operand, flags }: Command<F>,
  given: Given,
  before: string | undefined,
): PareError {
  const taken = before === undefined ? "" : `: --${spelling(operand!)} is ${before} already`;
  const guess = "out" in flags && !given.has("out")
    ? `${taken ? ";" : ":"} did you mean --out ${argument}?`
    : "; --help shows what is expected";
  return new PareError(`unexpected argument "${argument}"${taken}${guess}`);
}

/** A flag that the command does not have; names the nearest one unless every one is more different than alike. */
function unknownFlag(flag: string, spellings: readonly string[]): PareError {
  const name = flag.replace(/^-+/, "");
  const guess = name.length > 1 ? nearest(name, spellings.filter((spelling) => spelling.length > 1)) : undefined;
  return new PareError(
    `unknown flag ${flag}${guess === undefined ? "; --help lists the flags" : `: did you mean --${guess}?`}`,
  );
}
