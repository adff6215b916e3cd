/** The backends that golden results are compared on. */
import type { Backend } from "../../src/backend/backend.ts";
import { ReferenceBackend } from "../reference/backend.ts";

export const BACKENDS: ReadonlyMap<string, () => Promise<Backend>> = new Map([
  ["reference", () => Promise.resolve(new ReferenceBackend())],
]);
