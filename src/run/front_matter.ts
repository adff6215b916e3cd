/** The front matter of a model card that anybody may have written: YAML between two lines of hyphens, before the text. */
import { CORE_SCHEMA, load, YAMLException } from "js-yaml";
import { PareError } from "../errors.ts";

/** A card in its parts; joined they are the card. */
export interface Card {
  /** The line that begins the front matter; empty without one. */
  readonly begin: string;
  /** What stands in it. */
  readonly yaml: string;
  /** The line that ends it. */
  readonly end: string;
  /** The text behind it. */
  readonly rest: string;
}

/** Its beginning, what stands in it, its end. */
const FRONT = /(?<![\s\S])(\uFEFF?---\r?\n)([\s\S]*?)(^---[ \t]*(?:\r?\n|$))/m;

/** Takes a card apart. */
export function splitCard(card: string): Card {
  const [whole = "", begin = "", yaml = "", end = ""] = FRONT.exec(card) ?? [];
  return { begin, yaml, end, rest: card.slice(whole.length) };
}

/**
 * What a front matter says; undefined where it is nothing but remarks. YAML 1.2's core schema: `no` is a language, and a date
 * is a text.
 * @throws PareError if it is no YAML.
 */
export function parseFront(yaml: string): unknown {
  // To YAML that is no document.
  if (yaml.split("\n").every((line) => /^\s*(#|$)/.test(line))) return undefined;
  try {
    return load(yaml, { schema: CORE_SCHEMA });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new PareError(`its front matter is no YAML: ${error.reason}`, { cause: error });
  }
}
