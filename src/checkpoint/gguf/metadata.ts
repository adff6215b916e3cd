/** The metadata of a GGUF file with its types checked: a key is there and what it must be, or there is one clear line. */
import { PareError } from "../../errors.ts";
import { quote } from "../quote.ts";
import type { Value } from "./header.ts";

/** Typed access to the metadata. Each getter throws a PareError naming file and key if the value is of another kind. */
export class Metadata {
  /** Over these values; `file` is what errors call the file. */
  constructor(readonly values: ReadonlyMap<string, Value>, readonly file: string) {}

  /** The error for something that is wrong with the file. */
  wrong(what: string): PareError {
    return new PareError(`${this.file}: ${what}`);
  }

  /** Whether the key is there. */
  has(key: string): boolean {
    return this.values.has(key);
  }

  /** A number; `fallback` if the key is missing and there is one. */
  number(key: string, fallback?: number): number {
    return this.#get(key, "a number", (value) => typeof value === "number", fallback) as number;
  }

  /** A whole number of things, one or more. */
  count(key: string, fallback?: number): number {
    const count = this.number(key, fallback);
    if (Number.isSafeInteger(count) && count >= 1) return count;
    throw this.wrong(`its metadata should have a positive integer as ${quote(key)}, found ${count}`);
  }

  /** A text. */
  text(key: string, fallback?: string): string {
    return this.#get(key, "a text", (value) => typeof value === "string", fallback) as string;
  }

  /** A switch. */
  flag(key: string, fallback?: boolean): boolean {
    return this.#get(key, "a boolean", (value) => typeof value === "boolean", fallback) as boolean;
  }

  /** A list of texts. */
  texts(key: string): readonly string[] {
    const all = (value: Value) => Array.isArray(value) && value.every((each) => typeof each === "string");
    return this.#get(key, "a list of texts", all) as readonly string[];
  }

  /** A list of numbers. */
  numbers(key: string): ArrayLike<number> {
    return this.#get(key, "a list of numbers", (value) => ArrayBuffer.isView(value)) as ArrayLike<number>;
  }

  #get(key: string, kind: string, fits: (value: Value) => boolean, fallback?: Value): Value {
    const value = this.values.get(key) ?? fallback;
    if (value === undefined) throw this.wrong(`its metadata lack ${quote(key)}`);
    if (!fits(value)) throw this.wrong(`its metadata should have ${kind} as ${quote(key)}`);
    return value;
  }
}

/**
 * A number that was stored as f32, as the shortest decimal that is the same f32: 1e-5, not 0.000009999999747378752, as
 * the config said before it was rounded.
 */
export function shortest(number: number): number {
  if (Math.fround(number) !== number) return number;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(number.toPrecision(digits));
    if (Math.fround(short) === number) return short;
  }
  return number;
}
