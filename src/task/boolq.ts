/** BoolQ: yes or no (Clark et al., 2019), as SuperGLUE has it. */
import { z } from "npm:zod@4.6.7";
import { multipleChoice, reading, type Task } from "./task.ts";

/** See the file's head. */
export const boolq: Task = {
  name: "boolq",
  version: 2,
  set: { id: "aps/super_glue", config: "boolq", split: "validation" },
  file: "boolq",
  examples: { from: { file: "boolq-train", split: "train" }, which: "drawn", leaveOut: true },
  metrics: ["acc"],
  read: reading({
    schema: z.object({ passage: z.string(), question: z.string(), label: z.number() }),
    document: ({ passage, question, label }) =>
      multipleChoice(`${passage}\nQuestion: ${question}?\nAnswer:`, ["no", "yes"], label),
  }),
};
