/**
 * The flags of a command as data: what each is called, what value it takes, what it means when it is absent. From one
 * declaration come the parser here, the help text (`help.ts`) and the types of the values. The command line itself is
 * taken apart by `@std/cli`; this file only knows what a value must look like. What a value means is the command's.
 */
import { parseArgs } from "@std/cli/parse-args";
import { closest, distance } from "fastest-levenshtein";
import { PareError } from "../errors.ts";

/** What a person is told of a flag. */
export interface Spec {
  /** One sentence or two. */
  readonly help: string;
  /** Stands in the help for the value, such as `DIR`. */
  readonly metavar?: string;
  /** What happens without the flag, where no default value says it. */
  readonly otherwise?: string;
  /** Other spellings, such as those of the published code. */
  readonly aliases?: readonly string[];
}

/** One flag whose value is a `T`. */
export interface Flag<T> extends Spec {
  /** `toggle` takes no value, `value` one, `values` may be repeated. */
  readonly kind: "toggle" | "value" | "values";
  /** The value without the flag. */
  readonly absent: T;
  /** The value of the flag without a value (`--spool`); where it is undefined that is an error. */
  readonly bare?: T;
  /** True if the command needs the flag. */
  readonly required: boolean;
  /** One value from its text; `flag` is what to call it in a {@linkcode PareError}. */
  read(text: string, flag: string): unknown;
}

/** Flags by name; `dryRun` is written `--dry-run` on the command line. */
// deno-lint-ignore no-explicit-any -- a record of flags of any value type
export type Flags = Readonly<Record<string, Flag<any>>>;

/** The value of every flag, and of the two that every command has. */
export type Values<F extends Flags> =
  & { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }
  & { readonly json: boolean };

/** What a command is, for its parser and its help. */
export interface Command<F extends Flags> {
  /** As in `deno task NAME`. */
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** The flags, in the order of the help. */
  readonly flags: F;
  /** The flag that may be given without its name, such as the model of `inspect`. */
  readonly operand?: keyof F & string;
  /** Whole command lines that work. */
  readonly examples: readonly string[];
  /** What else must be known, printed under the flags. */
  readonly notes?: string;
}

/** A flag of any value; `read` turns the text into it. `fallback` is its value where the flag is absent. */
export function value<T, D = undefined>(
  spec: Spec & { readonly fallback?: D; readonly bare?: T },
  read: (text: string, flag: string) => T,
): Flag<T | D> {
  return { ...spec, kind: "value", absent: spec.fallback as D, required: false, read };
}

/** A flag without a value. */
export function toggle(spec: Spec): Flag<boolean> {
  return { ...spec, kind: "toggle", absent: false, required: false, read: () => true };
}

/** A flag whose value is any text. */
export function text<D = undefined>(
  spec: Spec & { readonly fallback?: D; readonly bare?: string },
): Flag<string | D> {
  return value(spec, (text) => text);
}

/** A flag whose value is one of a few words. */
export function choice<const C extends string, const D extends C | undefined = undefined>(
  choices: readonly C[],
  spec: Spec & { readonly fallback?: D },
): Flag<C | D> {
  return value({ metavar: choices.join("|"), ...spec }, (text, flag) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw new PareError(`${flag} ${text}: expected ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`);
    }
    return found;
  });
}

/** A flag whose value is a number in decimal notation. */
export function number<D = undefined>(spec: Spec & { readonly fallback?: D }): Flag<number | D> {
  return value({ metavar: "NUMBER", ...spec }, (text, flag) => {
    const number = readNumber(text);
    if (Number.isNaN(number)) throw new PareError(`${flag} ${text}: expected a number`);
    return number;
  });
}

/** A flag whose value is a whole number from `least` on. */
export function integer<D = undefined>(least: number, spec: Spec & { readonly fallback?: D }): Flag<number | D> {
  return value({ metavar: "N", ...spec }, (text, flag) => {
    const number = readNumber(text);
    if (!Number.isSafeInteger(number) || number < least) {
      throw new PareError(`${flag} ${text}: expected a whole number of ${least} or more`);
    }
    return number;
  });
}

/** Stricter than `Number`, which takes `""`, `0x10` and `Infinity` too; NaN for anything but decimal notation. */
function readNumber(text: string): number {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
}

/** The flag, needed: its value is never absent. */
export function required<T>(flag: Flag<T>): Flag<NonNullable<T>> {
  return { ...flag, required: true } as Flag<NonNullable<T>>;
}

/** The flag, repeatable: its value is the list of what was given, in order. */
export function repeated<T>(flag: Flag<T>): Flag<readonly NonNullable<T>[]> {
  return { ...flag, kind: "values", absent: [], bare: undefined } as Flag<readonly NonNullable<T>[]>;
}

/** How a flag is spelled on the command line, without its dashes: `dryRun` is `dry-run`. */
export function spelling(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flags that every command has. */
export const COMMON = {
  json: toggle({ help: "Print one JSON object on stdout instead of text." }),
  help: toggle({ help: "Show this text.", aliases: ["h"] }),
};

/**
 * Reads a command line, or gives `"help"` if it asks for it.
 * @throws PareError naming the flag, what was found and what was expected.
 */
export function parse<F extends Flags>(command: Command<F>, args: readonly string[]): Values<F> | "help" {
  const flags: Flags = { ...command.flags, ...COMMON };
  const names = Object.keys(flags);
  const spellings = (name: string) => [spelling(name), ...flags[name].aliases ?? []];
  const ofKind = (kind: Flag<unknown>["kind"][]) =>
    names.filter((name) => kind.includes(flags[name].kind)).map(spelling);

  const given: Record<string, unknown> = parseArgs(joinNegatives(args), {
    boolean: ofKind(["toggle"]),
    string: [...ofKind(["value", "values"]), "_"],
    collect: ofKind(["values"]),
    alias: Object.fromEntries(names.map((name) => [spelling(name), [...flags[name].aliases ?? []]])),
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownFlag(arg, names.flatMap(spellings));
    },
  });
  if (given.help) return "help";
  const operands = given._ as string[];
  const values: Record<string, unknown> = {};
  for (const name of [...Object.keys(command.flags), "json"]) {
    const operand = name === command.operand ? operands.shift() : undefined;
    values[name] = readFlag(name, flags[name], operand ?? given[spelling(name)]);
  }
  if (operands.length > 0) {
    throw new PareError(`unexpected argument "${operands[0]}"; --help shows what is expected`);
  }
  return values as Values<F>;
}

/** The value of one flag from what was given: nothing, a text, texts, or true. */
function readFlag(name: string, flag: Flag<unknown>, given: unknown): unknown {
  const spelled = `--${spelling(name)}`;
  const read = (text: string) => {
    if (text !== "") return flag.read(text, spelled);
    if (flag.bare !== undefined) return flag.bare;
    throw new PareError(`${spelled} needs a value: ${flag.metavar ?? "TEXT"}`);
  };
  if (flag.kind === "toggle") return given === true;
  if (flag.kind === "values") return (given as string[] | undefined ?? []).map(read);
  if (given !== undefined) return read(String(given));
  if (flag.required) throw new PareError(`${spelled} is missing; --help shows an example`);
  return flag.absent;
}

/** `--flag -1` as `--flag=-1`: a number with a sign is a value, never a flag. */
function joinNegatives(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const flag = joined.at(-1);
    if (/^-[.\d]/.test(arg) && flag?.startsWith("--") && !flag.includes("=")) {
      joined[joined.length - 1] = `${flag}=${arg}`;
    } else {
      joined.push(arg);
    }
  }
  return joined;
}

/** A flag that the command does not have; names the nearest one unless every one is more different than alike. */
function unknownFlag(arg: string, spellings: readonly string[]): PareError {
  const name = arg.replace(/^-+/, "").replace(/=.*$/s, "");
  const nearest = spellings.find((spelling) => name.length > 1 && spelling.startsWith(name)) ??
    closest(name, spellings);
  const alike = nearest.startsWith(name) || distance(name, nearest) <= Math.max(2, name.length / 2);
  return new PareError(
    `unknown flag ${arg.replace(/=.*$/s, "")}${alike ? `: did you mean --${nearest}?` : "; --help lists the flags"}`,
  );
}
