/** A model family: one file that turns a config into a specification, and a line in `mod.ts`. */
import type { Config } from "../config.ts";
import type { ModelSpec } from "../spec.ts";

/** See the file's head. */
export interface Family {
  /** `model_type` of its configs. */
  readonly modelType: string;
  /**
   * The specification of a model of the family.
   * @throws PareError for a value that is missing or out of range, or an option that is not known.
   */
  read(config: Config): ModelSpec;
}
