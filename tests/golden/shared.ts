/**
 * Where the models and golden results are that are not in the repository: other people's, with their own licences. The
 * gate names the folders in the environment; elsewhere these comparisons do not exist (they are not skipped: a machine
 * without the folder has nothing to skip).
 */

/** The folder with golden/ and models/, and a directory with SmolLM2-135M-Instruct. */
export const SHARED: string | undefined = Deno.env.get("PARE_SHARED");
/** A directory with SmolLM2-135M-Instruct in F16, as `tools/make_smollm2.py` of that folder makes it. */
export const SMOLLM2: string | undefined = Deno.env.get("PARE_SMOLLM2");
