/**
 * Where the models, texts and golden results are that are not in the repository: other people's, with their own licences.
 * The gate names them in the environment; elsewhere these comparisons do not exist (they are not skipped: a machine
 * without them has nothing to skip).
 */

/** The folder with golden/, models/ and data/; what is in it is in README.md beside this file. */
export const SHARED: string | undefined = Deno.env.get("PARE_SHARED");
/** A directory with SmolLM2-135M-Instruct in F16, as `tests/fixtures/make/smollm2.py` makes it. */
export const SMOLLM2: string | undefined = Deno.env.get("PARE_SMOLLM2");
/** The GGUF file that it is made of. */
export const SMOLLM2_GGUF: string | undefined = Deno.env.get("PARE_SMOLLM2_GGUF");

/** Declares a test where all that it compares with is there; `ignore` counts it as skipped. */
export function testWith(
  data: readonly (string | undefined)[],
  name: string,
  fn: () => void | Promise<void>,
  ignore = false,
): void {
  if (data.every(Boolean)) Deno.test({ name, ignore, fn });
}
