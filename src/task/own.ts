/**
 * A user's own task: JSON (an array) or JSONL whose objects have `context`, `choices` and `label` (the number of the right
 * one, from 0), or `context` and `continuation`. Its examples are the first of the other documents.
 */
import { basename } from "node:path";
import { z } from "npm:zod@4.6.7";
import { continued, type Metric, multipleChoice, reading, type Task } from "./task.ts";

const readChoices = reading({
  schema: z.object({ context: z.string(), choices: z.array(z.string()).min(1), label: z.number() }),
  document: ({ context, choices, label }) => multipleChoice(context, choices, label),
});
const readContinuation = reading({
  schema: z.object({ context: z.string(), continuation: z.string().min(1) }),
  document: ({ context, continuation }) => continued(context, continuation),
});

/**
 * The task of a file.
 * @param first Its first row: all others must have the same form.
 */
export function ownTask(path: string, first: unknown): Task {
  const one = Object(first).choices === undefined && Object(first).continuation !== undefined;
  const metrics: Metric[] = one ? ["acc", "perplexity"] : ["acc", "acc_norm"];
  return {
    name: basename(path).replace(/\.jsonl?$/i, ""),
    version: 0,
    file: path,
    examples: { from: "asked", which: "first", leaveOut: true },
    metrics,
    read: one ? readContinuation : readChoices,
  };
}
