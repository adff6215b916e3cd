/**
 * JSON out of a file that may be anything: the bytes must be UTF-8, the text JSON, and the outermost value an object.
 * What stands inside is for the reader of that file (by `zod`). Nesting needs no guard: V8 parses it without recursion,
 * and no reader here walks deeper than its schema.
 */
import { PareError } from "../errors.ts";

/**
 * Parses an object.
 * @param name what to call it in an error.
 * @throws PareError if the bytes are not UTF-8, not JSON, or not an object.
 */
export function parseObject(bytes: Uint8Array, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(bytes, name));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PareError(`${name} is not JSON: ${oneLine(error.message)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
    throw new PareError(`${name}: a JSON object was expected, found ${found}`);
  }
  return value as Record<string, unknown>;
}

/**
 * UTF-8 as text.
 * @throws PareError if it is not UTF-8.
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new PareError(`${name} is not UTF-8 text`);
  }
}

/** V8 quotes the text around a syntax error, line ends and all. */
function oneLine(message: string): string {
  return message.replace(/\s+/g, " ");
}
