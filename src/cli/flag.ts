/**
 * The flags of a command as data: what each is called, what value it takes, what it means when it is absent. From one
 * declaration come the parser (`flags.ts`), the help text (`help.ts`), what shells complete (`completions.ts`) and the types
 * of the values. This file only knows what a value must look like. What a value means is the command's.
 */
import { PareError } from "../errors.ts";
import { didYouMean } from "./nearest.ts";

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
  /** Two values contradict each other, such as two models; of other flags the last one counts, as scripts rely on. */
  readonly once?: boolean;
  /** The letter of its short form: `m` for `-m`. */
  readonly short?: string;
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
  /** Every value that it takes, where they are a few words. */
  readonly choices?: readonly string[];
  /** One value from its text; `flag` is what to call it in a {@linkcode PareError}. */
  read(text: string, flag: string): unknown;
}

/** Flags by name; `dryRun` is written `--dry-run` on the command line. */
// deno-lint-ignore no-explicit-any -- a record of flags of any value type
export type Flags = Readonly<Record<string, Flag<any>>>;

/** The value of every flag, and of the one that every command has and can see. */
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
  /** The flag that takes all arguments behind that one: a list, or words that are put together with blanks. */
  readonly rest?: keyof F & string;
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
  const read = (text: string, flag: string) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      const expected = `expected ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
      throw new PareError(`${flag} ${text}: ${expected}${didYouMean(text, choices)}`);
    }
    return found;
  };
  return { ...value({ metavar: choices.join("|"), ...spec }, read), choices };
}

/** A flag whose value is a number in decimal notation. */
export function number<D = undefined>(spec: Spec & { readonly fallback?: D }): Flag<number | D> {
  return value({ metavar: "NUMBER", ...spec }, (text, flag) => {
    const number = readNumber(text);
    if (Number.isNaN(number)) throw new PareError(`${flag} ${text}: expected a number`);
    return number;
  });
}

/** A flag whose value is a number in decimal notation, or one word. */
export function numberOr<const W extends string>(word: W, spec: Spec): Flag<number | W | undefined> {
  return value({ metavar: `NUMBER|${word}`, ...spec }, (text, flag) => {
    const number = readNumber(text);
    if (text === word) return word;
    if (Number.isNaN(number)) throw new PareError(`${flag} ${text}: expected a number or ${word}`);
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

/** A flag whose value is a share of all, at least 0 and below 1. */
export function share<D = undefined>(spec: Spec & { readonly fallback?: D }): Flag<number | D> {
  return value({ metavar: "SHARE", ...spec }, readShare);
}

/**
 * Reads a share.
 * @param flag What to call it.
 * @throws PareError for anything else; of what looks like per cent or a decimal comma it says which share that would be.
 */
export function readShare(text: string, flag: string): number {
  const share = readNumber(text);
  if (share >= 0 && share < 1) return share;
  const guess = shareMeant(text) ?? (/^\d+:\d+$/.test(text) ? `--pattern ${text}` : undefined);
  const expected = Number.isNaN(readNumber(text)) ? "a number" : "a share in [0, 1)";
  throw new PareError(`${flag} ${text}: expected ${expected}${guess === undefined ? "" : `; did you mean ${guess}?`}`);
}

/** The share that was meant by per cent, with its sign or without, or by a decimal comma. */
export function shareMeant(text: string): string | undefined {
  const [, digits, percent] = /^(\d*[.,]?\d+)\s*(%?)$/.exec(text) ?? [];
  const number = readNumber((digits ?? "").replace(",", ".")), hundredths = percent !== "" || number >= FEWEST_PERCENT;
  // A hundredth of a decimal number is rarely one in binary; what was written had fewer digits than this.
  const meant = hundredths ? Number((number / 100).toPrecision(12)) : number;
  return meant < 1 ? `${meant}${hundredths ? ` (${number} %)` : ""}` : undefined;
}

/** From here on a number without a sign is taken for per cent: who writes 1.2 means neither. */
const FEWEST_PERCENT = 2;

/**
 * A pattern as it is written; whether it is one is the method's to say.
 * @throws PareError for two numbers with something else between them, or the larger one first, and for a share, naming what
 * was meant.
 */
export function readPattern(text: string, flag: string): string {
  const [, first, second] = /^(\d{1,6})\D{1,4}(\d{1,6})$/.exec(text) ?? [];
  const [n, m] = [Number(first), Number(second)].sort((a, b) => a - b);
  const isShare = /^0?[.,]\d+$/.test(text);
  if (!isShare && !(n > 0 && n < m && text !== `${n}:${m}`)) return text;
  const guess = isShare ? `--sparsity ${text.replace(",", ".")}` : `${n}:${m}`;
  throw new PareError(
    `${flag} ${text}: expected n:m with 0 < n < m, such as 2:4 (n of every m weights are kept); did you mean ${guess}?`,
  );
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
