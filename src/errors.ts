import { constants } from "node:os";

/**
 * The one error that a user can mend. It names the thing (a file, a tensor, a flag), what was found and what was
 * expected, in one line; commands print it without a stack and exit with code 2. Any other error is a bug.
 */
export class PareError extends Error {
  /** How a stack calls it. */
  override name = "PareError";

  /**
   * What it says may quote a file that nobody trusts: whatever that holds, it is one line of a length that is still read,
   * and moves no terminal's cursor.
   */
  constructor(message: string, options?: ErrorOptions) {
    const line = message.replace(/\s*[\p{Cc}\p{Zl}\p{Zp}]+\s*/gu, " ");
    super(line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line, options);
  }
}

/** What an error must be to be expected: the system's code (`ENOENT`), or its class. */
export type Expected = string | (abstract new (...args: never[]) => unknown);

/** What the system says of a path where there is nothing. */
export const ABSENT: readonly Expected[] = ["ENOENT", "ENOTDIR"];

/** The same of one where there is nothing for this process: it may not look there, or the links go round in circles. */
export const UNSEEN: readonly Expected[] = [
  ...ABSENT,
  "EACCES",
  "EPERM",
  "ELOOP",
  "ENAMETOOLONG",
  Deno.errors.NotCapable,
];

/** Whether an error is one of those that were expected. */
export function isExpected(error: unknown, expected: readonly Expected[]): boolean {
  const code = codeOf(error);
  return expected.some((each) => typeof each === "string" ? code === each : error instanceof each);
}

/** The system's code of an error. Deno gives the common ones theirs; of the others (EFBIG, ESRCH) it tells the number alone. */
export function codeOf(error: unknown): unknown {
  const { code } = Object(error) as { code?: unknown };
  if (code !== undefined) return code;
  const number = Number(/\(os error (\d+)\)$/.exec(String(error))?.[1]);
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}

/** A handler that gives `value` in the place of an error that was expected, and throws any other: none is lost unseen. */
export function insteadOf<T>(expected: readonly Expected[], value: T): (error: unknown) => T {
  return (error) => {
    if (!isExpected(error, expected)) throw error;
    return value;
  };
}

/** A promise whose failure is somebody else's news: it is awaited, or what it was for is given up. */
export function toldElsewhere<P extends Promise<unknown>>(promise: P): P {
  promise.catch((_error) => {});
  return promise;
}

/** Characters of a message at most; the longest of Pare's own lists seven linears. */
const LONGEST = 1500;
