/** The backends that methods are tried on: the plain one in f64, and those that a user has. */
import { BACKENDS, type GoldenBackend } from "../golden/backends.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** See the file's head. */
export const SUBJECTS: readonly GoldenBackend[] = [
  { name: "reference", ignore: false, open: () => Promise.resolve(new ReferenceBackend()) },
  ...BACKENDS,
];
