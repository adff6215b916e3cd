/** Recognising textual entailment (Dagan et al., 2006), as GLUE has it. */
import { z } from "npm:zod@4.6.7";
import { multipleChoice, reading, type Task } from "./task.ts";

/** See the file's head. */
export const rte: Task = {
  name: "rte",
  version: 1,
  set: { id: "nyu-mll/glue", config: "rte", split: "validation" },
  file: "rte",
  examples: { from: { file: "rte-train", split: "train" }, which: "drawn", leaveOut: true },
  metrics: ["acc"],
  read: reading({
    schema: z.object({ sentence1: z.string(), sentence2: z.string(), label: z.number() }),
    document: ({ sentence1, sentence2, label }) =>
      multipleChoice(`${sentence1}\nQuestion: ${sentence2} True or False?\nAnswer:`, ["True", "False"], label),
  }),
};
