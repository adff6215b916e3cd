/** JSON that a person or another program wrote, read by a schema; what does not fit is named by its field. */
import type { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";

/**
 * Reads JSON as what the schema describes.
 * @param path Where it stood.
 * @param what A word for it: "plan".
 * @throws PareError `<path>: not a plan: <field>: <what is wrong>`.
 */
export function readAs<T>(schema: z.ZodType<T>, text: string, path: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the place, line ends and all.
    throw new PareError(`${path}: not a ${what}: not JSON: ${(error as Error).message.replace(/\s+/g, " ")}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [{ path: field, message }] = result.error.issues;
  throw new PareError(`${path}: not a ${what}: ${[...field, ""].join(".").slice(0, -1) || "the whole"}: ${message}`);
}
