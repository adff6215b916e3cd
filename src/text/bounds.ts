/**
 * Bounds on what a tokenizer's file may cost: it comes from anywhere, and holds regular expressions that can take for ever
 * and steps that can each make a text a thousand times longer.
 */
import process from "node:process";
import { createContext, Script } from "node:vm";
import { PareError } from "../errors.ts";

/**
 * Milliseconds of processor time for a text of any length, and for each of its characters: some fifty times what SmolLM2's
 * takes for 1.3 MB.
 */
const ALLOWANCE = 2000, ALLOWANCE_EACH = 0.05;

/** A JavaScript engine stops only what it runs as a script, and only by the wall's clock. */
const box: { act?: () => unknown } = createContext({});
const CALL = new Script("act()");

/** The first stop comes when a thread with a core to itself has had its allowance, and a little more. */
const FIRST_STOP = 1.1;
/** How much later the next stop comes: so that the rest of the allowance is had by then, within these bounds. */
const LATER = { least: 2, most: 16 };

/** Milliseconds for which this thread has had a processor. */
export function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/**
 * What `act` gives, if it takes no more than so much of the thread's own processor time; `characters` of text are what it
 * works on. How busy the machine is does not matter: an act that was stopped before the allowance was spent is begun again
 * and stopped later. So it must be one that can be begun again.
 * @param allowance Milliseconds of processor time.
 * @param spent Milliseconds of processor time that this thread has had so far.
 * @throws PareError if it takes more.
 */
export function withinAllowance<T>(
  characters: number,
  act: () => T,
  allowance = Math.ceil(ALLOWANCE + ALLOWANCE_EACH * characters),
  spent = processorTime,
): T {
  box.act = act;
  try {
    const begun = spent();
    for (let stop = allowance * FIRST_STOP, had = 0;;) {
      try {
        return CALL.runInContext(box, { timeout: Math.ceil(stop) });
      } catch (error) {
        if (Object(error).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
        const before = had;
        had = spent() - begun;
        if (had >= allowance) {
          const text = `not done after ${allowance / 1000} s of processor time with ${characters} characters`;
          throw new PareError(text, { cause: error });
        }
        stop *= Math.min(LATER.most, Math.max(LATER.least, (allowance - had) / (had - before)));
      }
    }
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
