/** HellaSwag: how a scene goes on (Zellers et al., 2019). */
import { z } from "npm:zod@4.6.7";
import { capitalize, strip } from "../text/python.ts";
import { multipleChoice, reading, type Task } from "./task.ts";

/** Takes out what WikiHow's pages left in the texts. */
function tidy(text: string): string {
  return strip(text).replaceAll(" [title]", ". ").replace(/\[[^\n]*?\]/g, "").replaceAll("  ", " ");
}

/** See the file's head. */
export const hellaswag: Task = {
  name: "hellaswag",
  version: 1,
  set: { id: "Rowan/hellaswag", config: "default", split: "validation" },
  file: "hellaswag",
  examples: { from: { file: "hellaswag-train", split: "train" }, which: "drawn", leaveOut: true },
  metrics: ["acc", "acc_norm"],
  read: reading({
    schema: z.object({
      activity_label: z.string(),
      ctx_a: z.string(),
      ctx_b: z.string(),
      endings: z.array(z.string()),
      // Digits, or nothing where the answer is kept secret.
      label: z.union([z.string().regex(/^\d+$/, "expected digits"), z.number()]),
    }),
    document: ({ activity_label, ctx_a, ctx_b, endings, label }) =>
      multipleChoice(tidy(`${activity_label}: ${ctx_a} ${capitalize(ctx_b)}`), endings.map(tidy), Number(label)),
  }),
};
