/**
 * The one error that a user can mend. It names the thing (a file, a tensor, a flag), what was found and what was
 * expected, in one line; commands print it without a stack and exit with code 2. Any other error is a bug.
 */
export class PareError extends Error {
  /** How a stack calls it. */
  override name = "PareError";
}
