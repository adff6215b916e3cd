/**
 * The part of `@std/assert` that Pare's tests use, with its names, signatures and messages, over `node:assert/strict`.
 * It stands in where JSR cannot be reached; see the README beside it.
 */
import { deepStrictEqual } from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";

/** What every assertion throws. */
class AssertionError extends Error {
  override name = "AssertionError";
}

// deno-lint-ignore no-explicit-any -- a constructor of anything, as in the real package
type Constructor<T> = abstract new (...args: any[]) => T;

function suffix(msg?: string): string {
  return msg ? `: ${msg}` : ".";
}

/** Fails always. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Deeply and strictly equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  // The comparison without a difference to print is much the faster one on large arrays.
  if (isDeepStrictEqual(actual, expected)) return;
  let difference = "";
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    difference = (error as Error).message;
  }
  throw new AssertionError(`Values are not equal${suffix(msg)}\n\n${difference}`);
}

/** Not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!isDeepStrictEqual(actual, expected)) return;
  throw new AssertionError(`Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}${suffix(msg)}`);
}

/** An instance of a class. */
export function assertInstanceOf<T>(actual: unknown, type: Constructor<T>, msg = ""): asserts actual is T {
  if (actual instanceof type) return;
  const found = actual instanceof Object ? actual.constructor?.name ?? "Object" : inspect(actual);
  throw new AssertionError(`Expected object to be an instance of "${type.name}" but was "${found}"${suffix(msg)}`);
}

/** `|actual - expected| <= tolerance`; without one, 1e-7 of the expected value. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  tolerance ??= Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7;
  if (delta <= tolerance) return;
  const show = (n: number) => Number.isInteger(n) ? n : n.toExponential();
  throw new AssertionError(
    `Expected actual: "${show(actual)}" to be close to "${show(expected)}": delta "${show(delta)}" is greater than "${
      show(tolerance)
    }"${suffix(msg)}`,
  );
}

/** `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw new AssertionError(`Expect ${inspect(actual)} > ${inspect(expected)}${suffix(msg)}`);
}

/** `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) {
    throw new AssertionError(`Expect ${inspect(actual)} >= ${inspect(expected)}${suffix(msg)}`);
  }
}

/** `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw new AssertionError(`Expect ${inspect(actual)} < ${inspect(expected)}${suffix(msg)}`);
}

/** `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) {
    throw new AssertionError(`Expect ${inspect(actual)} <= ${inspect(expected)}${suffix(msg)}`);
  }
}

/** The string contains the other. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`);
}

/** The string matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`);
}

/** What was thrown is an instance of the class and its message includes the text. */
function checkError<E extends Error>(error: unknown, type?: Constructor<E>, includes?: string, msg?: string): void {
  if (type === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown${suffix(msg)}`);
  }
  if (!(error instanceof type)) {
    throw new AssertionError(
      `Expected error to be instance of "${type.name}", but was "${error.constructor.name}"${
        suffix(msg)
      }\n${error.stack}`,
    );
  }
  if (includes && !error.message.includes(includes)) {
    throw new AssertionError(
      `Expected error message to include "${includes}", but got "${error.message}"${suffix(msg)}`,
    );
  }
}

/** The function throws; gives what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** The function throws this kind of error, with a message that includes the text; gives the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  classOrMsg?: Constructor<E> | string,
  includes?: string,
  msg?: string,
): unknown {
  const type = typeof classOrMsg === "string" ? undefined : classOrMsg;
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    checkError(error, type, includes, text);
    return error;
  }
  throw new AssertionError(`Expected function to throw${suffix(text)}`);
}

/** The promise rejects; gives what it rejected with. A function that throws before it gives a promise fails. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** The promise rejects with this kind of error, with a message that includes the text; gives the error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: Constructor<E> | string,
  includes?: string,
  msg?: string,
): Promise<unknown> {
  const type = typeof classOrMsg === "string" ? undefined : classOrMsg;
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    throw new AssertionError(`Function throws when expected to reject${suffix(text)}`);
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, type, includes, text);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(text)}`);
}
