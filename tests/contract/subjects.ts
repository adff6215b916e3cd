/**
 * Who must keep the contract: the reference, and every realisation of the backend in every way that it can be tuned.
 * A new one is one more line here.
 */
import type { Backend } from "../../src/backend/backend.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** A backend to be opened for one test. */
export interface Subject {
  readonly name: string;
  /** True where it cannot run here. */
  readonly ignore?: boolean;
  open(): Promise<Backend>;
}

/** Every backend under test. */
export const SUBJECTS: readonly Subject[] = [
  { name: "reference", open: () => Promise.resolve(new ReferenceBackend()) },
];
