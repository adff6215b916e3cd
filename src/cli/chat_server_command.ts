/** What `deno task chat-server` understands. */
import { integer, text, type Values } from "./flags.ts";
import { listenFlags } from "./listen_flags.ts";
import { backend, cache, explainPermissions, model, quantize, workers } from "./shared_flags.ts";

/** Beside the dashboard's, "PARE" on the keys of a telephone. */
const PORT = 7274;

/** What `deno task chat-server` understands. */
export const chatServerCommand = {
  name: "chat-server",
  summary: "let chat clients talk to a model: it answers as OpenAI's API does.",
  flags: {
    model,
    modelName: text({ metavar: "NAME", help: "What the model is called.", otherwise: "the last part of --model" }),
    queue: integer(1, {
      help: "Requests that may wait or be answered at once; more are asked to come again (503).",
      fallback: 16,
    }),
    cache,
    ...listenFlags(PORT),
    quantize,
    backend,
    workers,
    explainPermissions,
  },
  operand: "model",
  examples: ["deno task chat-server --model HuggingFaceTB/SmolLM2-135M-Instruct"],
  notes:
    "POST /v1/chat/completions and /v1/completions, whole or as events (stream), GET /v1/models. Requests are answered " +
    "one after the other; whoever goes away has their text stopped.",
} as const;

/** The values of its flags. */
export type ChatServerValues = Values<typeof chatServerCommand.flags>;
