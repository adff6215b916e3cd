/**
 * The command line: taken apart by `@std/cli`, put together here into the values of a command's flags. What is not
 * understood is answered with what was probably meant.
 */
import { parseArgs } from "@std/cli/parse-args";
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
  const names = Object.keys(flags), toggles = names.filter((name) => flags[name].kind === "toggle");
  const valued = names.filter((name) => !toggles.includes(name)).map(spelling);
  const others = ({ aliases = [], short }: Flag<unknown>) => [...aliases, ...short ? [short] : []];
  const words = new Map(
    names.flatMap((name) => [spelling(name), ...others(flags[name])].map((word) => [word, name] as const)),
  );
  const { _: operands, ...found }: Record<string, unknown> = parseArgs(spellOut(flags, words, args), {
    boolean: toggles.map(spelling),
    string: [...valued, "_"],
    collect: valued,
    alias: Object.fromEntries(names.map((name) => [spelling(name), others(flags[name])])),
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownFlag(arg.replace(/(?<=[^-])=.*$/s, ""), [...words.keys()]);
    },
  });
  const given: Given = new Map();
  for (const name of names) {
    const value = found[spelling(name)];
    const texts = Array.isArray(value) ? value.map(String) : value === true ? [""] : [];
    if (texts.length) given.set(name, texts);
  }
  return { given, operands: (operands as unknown[]).map(String) };
}

function give(given: Given, name: string, text: string): void {
  given.set(name, [...given.get(name) ?? [], text]);
}

/**
 * The arguments as `parseArgs` reads them right: short forms spelled out, and each value behind an equals sign. It takes no
 * value that touches its letter (`-oDIR`) or begins with a dash (`--out -1`), and takes `true` behind a toggle for its value.
 * @param words Names of flags by their spellings.
 */
function spellOut(flags: Flags, words: ReadonlyMap<string, string>, args: readonly string[]): string[] {
  const end = args.indexOf("--"), rest = args.slice(0, end < 0 ? undefined : end), spelled: string[] = [];
  for (const arg of rest) refuseOddDashes(words, arg);
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, dashes, word = "", equals] = /^(--?)([^=]*)(=?)/.exec(arg) ?? [];
    const name = words.get(word), isToggle = name !== undefined && flags[name].kind === "toggle";
    if (dashes === "-" && arg !== "-") rest.unshift(...spellLetters(flags, words, arg.slice(1)));
    else if (dashes !== "--" || name === undefined) spelled.push(arg);
    else if (!equals) spelled.push(`${arg}=${isToggle ? true : looksLikeFlag(rest[0]) ? "" : rest.shift()}`);
    else if (isToggle && !["true", "false"].includes(arg.slice(word.length + 3))) {
      throw new PareError(`${arg}: --${word} takes no value`);
    } else spelled.push(arg);
  }
  return end < 0 ? spelled : [...spelled, ...args.slice(end)];
}

/** A flag's whole word behind one dash, or behind those of a word processor, is meant as the flag wherever it stands. */
function refuseOddDashes(words: ReadonlyMap<string, string>, arg: string): void {
  const [, dashes, word = ""] = /^([-–—]+)([^=]+)/.exec(arg) ?? [];
  if (dashes === "--" || word.length < 2 || !words.has(word)) return;
  throw new PareError(`unknown flag ${dashes}${word}: did you mean --${word}?`);
}

/** Letters behind one dash in long form: `nf` is `--dry-run --force`, `oDIR` and `o=DIR` are `--out=DIR`. */
function spellLetters(flags: Flags, words: ReadonlyMap<string, string>, text: string): string[] {
  const [letter, rest] = [text[0], text.slice(1)];
  const name = words.get(letter);
  if (name === undefined) throw unknownFlag(`-${letter}`, [...words.keys()]);
  const long = `--${spelling(name)}`;
  if (rest === "") return [long];
  const takesRest = flags[name].kind !== "toggle" || rest.startsWith("=");
  return takesRest ? [`${long}=${rest.replace(/^=/, "")}`] : [long, ...spellLetters(flags, words, rest)];
}

/** Whether a flag takes no value from here: a flag follows, not a number with a sign, or nothing. */
function looksLikeFlag(arg: string | undefined): boolean {
  return arg === undefined || /^-(-?[a-z]|-$)/i.test(arg);
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
