/**
 * Bounds on what a tokenizer's file may cost: it comes from anywhere, and holds regular expressions that can take for ever
 * and steps that can each make a text a thousand times longer.
 */
import { createContext, Script } from "node:vm";
import { PareError } from "../errors.ts";

/** Milliseconds for a text of any length, and for each of its characters: sixty times what SmolLM2's takes for 1.3 MB. */
const PATIENCE = 5000, PATIENCE_EACH = 0.05;

/** A JavaScript engine stops at a deadline only what it runs as a script. */
const box: { act?: () => unknown } = createContext({});
const CALL = new Script("act()");

/**
 * What `act` gives, if it ends in time; `characters` of text are what it works on.
 * @throws PareError if it does not.
 */
export function inTime<T>(characters: number, act: () => T): T {
  const milliseconds = Math.ceil(PATIENCE + PATIENCE_EACH * characters);
  box.act = act;
  try {
    return CALL.runInContext(box, { timeout: milliseconds });
  } catch (error) {
    if (Object(error).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new PareError(`not done after ${milliseconds / 1000} s with ${characters} characters`, { cause: error });
  } finally {
    box.act = undefined;
  }
}

/** A step of a tokenizer, before it is known to be one. */
interface Step {
  readonly type?: unknown;
  readonly normalizers?: readonly Step[];
  readonly pretokenizers?: readonly Step[];
  readonly pattern?: { readonly String?: string };
  readonly content?: string;
  readonly replacement?: string;
}

/** How many times longer Unicode's normal forms make a text at most (UAX #15), and its bytes, a character for each. */
const FORMS: Readonly<Record<string, number>> = { NFC: 3, NFD: 4, NFKC: 18, NFKD: 18, Precompiled: 18, ByteLevel: 3 };

/** How many times longer a step, or a sequence of them, can make a text. */
export function growth(step: Step | null | undefined): number {
  const { type, normalizers, pretokenizers, pattern, content, replacement } = Object(step) as Step;
  const each = normalizers ?? pretokenizers;
  if (type === "Sequence" && Array.isArray(each)) return each.reduce((product, step) => product * growth(step), 1);
  if (type === "Metaspace") return Math.max(1, replacement?.length ?? 1);
  if (type !== "Replace") return FORMS[type as string] ?? 1;
  // An expression can match between any two characters.
  const added = content?.length ?? 0, { length = 0 } = pattern?.String ?? "";
  return length ? Math.max(1, added / length) : 1 + added;
}
