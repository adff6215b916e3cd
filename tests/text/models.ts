/**
 * The models and token ids that the text tests compare with: those in the repository, and those beside it that may not
 * be committed (`../shared`, and SmolLM2 where `PARE_SMOLLM2` names its directory). No tests are in here.
 */
import { openFile } from "../../src/checkpoint/file.ts";
import { readTokens, type TokenMatrix } from "../../src/text/token_file.ts";
import { loadTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";

/** The repository's root, with a slash at its end. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** Where the data lies that has other people's licences. */
export const SHARED = Deno.env.get("PARE_SHARED") ?? `${ROOT}../shared`;

/** A model that the repository carries. */
export const AUSTEN = `${ROOT}tests/fixtures/models/Austen-700K`;

/** Text that Austen-700K has not seen. */
export const HELDOUT = `${ROOT}tests/fixtures/data/austen-heldout.txt`;

/** A Llama tokenizer in SentencePiece's manner. */
export const STORIES = `${SHARED}/models/stories260K`;

/** Where `../shared/tools/make_smollm2.py` put its model, if anywhere. */
export const SMOLLM2 = Deno.env.get("PARE_SMOLLM2") ?? "";

/** Whether a file or directory is there. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The tokenizer of a model directory. */
export function tokenizerOf(directory: string): Promise<Tokenizer> {
  const readText = (file: string) => Deno.readTextFile(`${directory}/${file}`).catch(() => undefined);
  return loadTokenizer(readText, directory);
}

/** The token ids that the published code was run on. */
export function goldenTokens(model: string, name: "calibration" | "evaluation"): Promise<TokenMatrix> {
  const golden = model === "Austen-700K" ? `${ROOT}tests/golden` : `${SHARED}/golden`;
  return readTokens(`${golden}/${model}/tokens.safetensors`, name);
}

/** A whole file as text. */
export async function textOf(path: string): Promise<string> {
  await using file = await openFile(path);
  return new TextDecoder().decode(await file.read(0, file.size));
}
