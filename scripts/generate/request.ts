/** What `generate` is asked: by its flags, and on stdin where they name no prompt. */
import type { generateCommand } from "../../src/cli/generate_command.ts";
import { spelling } from "../../src/cli/flag.ts";
import type { Values } from "../../src/cli/flags.ts";
import type { Context } from "../../src/cli/run.ts";
import { decodeText } from "../../src/checkpoint/json.ts";
import { checkSampling, PareError, type Sampling } from "../../src/mod.ts";
import { isUnchanged, labelsOf } from "../../src/run/labels.ts";
import { PermissionSet } from "../shared/sandbox.ts";
import { fetching } from "../shared/common.ts";
import { parseQuantized } from "../shared/values.ts";

/** The flags as they are given, and what the launcher has read. */
export type Given = Values<typeof generateCommand.flags> & {
  readonly conversation?: boolean;
  readonly registry?: string;
};

/** Bytes of a prompt from stdin at most: more than the longest context of any model takes. */
const MOST_PROMPT_BYTES = 64 << 20;

/** Seeds that nobody chose: what a person can type again. */
const SEEDS = 2 ** 32;

/** What stdin says, without the end of its last line. */
async function readPrompt(): Promise<string> {
  if (Deno.stdin.isTerminal()) {
    throw new PareError("--prompt is missing, and stdin is a terminal; --help shows an example");
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const piece of Deno.stdin.readable) {
    pieces.push(piece);
    if ((bytes += piece.length) > MOST_PROMPT_BYTES) {
      throw new PareError(`stdin: more than ${MOST_PROMPT_BYTES} bytes came; expected a prompt`);
    }
  }
  if (!bytes) throw new PareError("stdin: nothing came; expected a prompt");
  return decodeText(new Uint8Array(await new Blob(pieces).arrayBuffer()), "stdin").replace(/\r?\n$/, "");
}

/** How tokens are chosen, by the flags. */
export function samplingOf({ temperature, topK, topP, minP, repetitionPenalty, seed }: Given): Sampling {
  const draws = [topK, topP, minP, seed].some((value) => value !== undefined);
  const sampling: Sampling = {
    temperature: temperature ?? (draws ? 1 : 0),
    topK: topK ?? 0,
    topP: topP ?? 1,
    minP: minP ?? 0,
    repetitionPenalty: repetitionPenalty ?? 1,
    seed: seed ?? 0,
  };
  checkSampling(sampling, (name) => `--${spelling(name)}`);
  return sampling;
}

/** Reads the prompt, draws the seed, and says what the command may touch. */
export async function enter(given: Given, { terminal }: Context) {
  if (given.quantize !== undefined) parseQuantized(given.quantize, "--quantize");
  const { chat, system, stop } = given, { temperature } = samplingOf(given);
  if (system !== undefined && !chat) throw new PareError("--system is for --chat");
  if (stop.some((text) => !text)) throw new PareError("--stop: expected text, found none");
  const labels = labelsOf(given);
  if (given.runs === undefined && !isUnchanged(labels)) throw new PareError("--name, --tag and --note are for --runs");
  const allowed = new PermissionSet(), fetches = fetching(terminal), model = await allowed.model(given.model, fetches);
  const conversation = chat && !given.prompt.length && Deno.stdin.isTerminal();
  if (conversation && given.runs !== undefined) throw new PareError("--runs: a conversation is not recorded");
  const registry = given.runs === undefined ? undefined : await allowed.registryAnywhere(given.runs, fetches);
  const asked = given.prompt.length || conversation || given.explainPermissions ? given.prompt : ["-"];
  const prompt: string[] = [];
  for (const text of asked) prompt.push(text === "-" ? await readPrompt() : text);
  const seed = given.seed ?? (temperature > 0 ? crypto.getRandomValues(new Uint32Array(1))[0] % SEEDS : undefined);
  return {
    values: { ...given, model, prompt, seed, temperature, conversation, registry },
    permissions: allowed.permissions,
    leave: allowed.leave,
  };
}
