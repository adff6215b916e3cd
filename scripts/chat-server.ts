/** `deno task chat-server`: a model behind OpenAI's API, until it is stopped. */
import { basename } from "node:path";
import { createChatApp } from "../src/chat/app.ts";
import { ChatWriter } from "../src/chat/writer.ts";
import { chatServerCommand, type ChatServerValues } from "../src/cli/chat_server_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { openBackend, openCheckpoint, PareError, readTongue } from "../src/mod.ts";
import { LIMITS } from "../src/server/listen.ts";
import { addressOf, openServer, readToken } from "./shared/listening.ts";
import { PermissionSet } from "./shared/sandbox.ts";
import { parseQuantized } from "./shared/values.ts";
import { fetching } from "./shared/common.ts";
import { cacheDtype, loadWeights } from "./shared/weights.ts";

/** The flags as they are given, and what the launcher has read: the token stands in a file or in the environment. */
type Given = ChatServerValues & { readonly token?: string };

/** Milliseconds for which an answer may say nothing: one that is not streamed comes when its text is whole. */
const PATIENCE = 3_600_000;

/** Says what the server may touch: Pare's own files, the model, one address. */
export async function enter(given: Given, { terminal }: Context) {
  if (given.quantize !== undefined) parseQuantized(given.quantize, "--quantize");
  const token = readToken(given),
    allowed = new PermissionSet(),
    model = await allowed.model(given.model, fetching(terminal));
  const modelName = given.modelName ?? basename(given.model.replace(/\/+$/, ""));
  return {
    values: { ...given, model, modelName, token },
    permissions: { ...allowed.permissions, net: [addressOf(given.host, given.port)] },
  };
}

/** The server itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, { allowHost: hosts, allowOrigin: origins, token, queue } = values;
  await using checkpoint = await openCheckpoint(values.model);
  const tongue = await readTongue(checkpoint);
  await using backend = await openBackend(values.backend, { workers: values.workers });
  using model = await loadWeights(checkpoint, backend, context, values.quantize);
  using writer = new ChatWriter(model, tongue, cacheDtype(values.cache));
  const stop = new AbortController();
  const app = createChatApp({ writer, model: values.modelName!, token, hosts, origins, queue, signal: stop.signal });
  await using listening = await openServer(app, values, { ...LIMITS, stalled: PATIENCE });
  const address = `http://${addressOf(listening.hostname, listening.port)}/v1`;
  const notes = [
    ...tongue.template ? [] : ["it has no chat template: completions only"],
    ...token ? [] : ["only this machine can see it"],
  ];
  terminal.note([`${address} answers as ${values.modelName}`, ...notes].join("; "));
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  stop.abort(new PareError("the server is stopped"));
  return { text: `${address} is closed`, json: { address } };
}

/** What `pare chat-server` runs. */
export const program = [chatServerCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
