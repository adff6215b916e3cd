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

/** Characters of a message at most; the longest of Pare's own lists seven linears. */
const LONGEST = 1500;
