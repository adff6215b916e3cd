/** PIQA: how things are done in the physical world (Bisk et al., 2020). */
import { z } from "npm:zod@4.6.7";
import { multipleChoice, reading, type Task } from "./task.ts";

/** See the file's head. */
export const piqa: Task = {
  name: "piqa",
  version: 1,
  set: { id: "baber/piqa", config: "default", split: "validation" },
  file: "piqa",
  examples: { from: { file: "piqa-train", split: "train" }, which: "drawn", leaveOut: true },
  metrics: ["acc", "acc_norm"],
  read: reading({
    schema: z.object({ goal: z.string(), sol1: z.string(), sol2: z.string(), label: z.number() }),
    document: ({ goal, sol1, sol2, label }) => multipleChoice(`Question: ${goal}\nAnswer:`, [sol1, sol2], label),
  }),
};
