/**
 * The models and token ids that the text tests compare with: those in the repository, and those that may not be
 * committed, where they are (`tests/golden/shared.ts`). No tests are in here.
 */
import { openFile } from "../../src/checkpoint/file.ts";
import { readTokens, type TokenMatrix } from "../../src/text/token_file.ts";
import { loadTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { SHARED, SMOLLM2 } from "../golden/shared.ts";

/** The repository's root, with a slash at its end. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** A model that the repository carries. */
export const AUSTEN = `${ROOT}tests/fixtures/models/Austen-700K`;

/** Text that Austen-700K has not seen. */
export const HELDOUT = `${ROOT}tests/fixtures/data/austen-heldout.txt`;

/** A Llama tokenizer in SentencePiece's manner. */
export const STORIES = `${SHARED}/models/stories260K`;

/** The tokenizer of a model directory. */
export function tokenizerOf(directory: string): Promise<Tokenizer> {
  const readText = (file: string) => Deno.readTextFile(`${directory}/${file}`).catch(() => undefined);
  return loadTokenizer(readText, directory);
}

/** SmolLM2's tokenizer; only for tests that are declared where it is. */
export const smollm2Tokenizer = (): Promise<Tokenizer> => tokenizerOf(SMOLLM2!);

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
