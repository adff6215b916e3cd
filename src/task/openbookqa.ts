/** OpenBookQA: elementary science and what everybody knows besides (Mihaylov et al., 2018). */
import { z } from "npm:zod@4.6.7";
import { multipleChoice, placeOf, reading, type Task } from "./task.ts";

/** See the file's head. */
export const openbookqa: Task = {
  name: "openbookqa",
  version: 1,
  set: { id: "allenai/openbookqa", config: "main", split: "test" },
  file: "openbookqa",
  examples: { from: { file: "openbookqa-train", split: "train" }, which: "drawn", leaveOut: false },
  metrics: ["acc", "acc_norm"],
  read: reading({
    schema: z.object({
      question_stem: z.string(),
      choices: z.object({ text: z.array(z.string()), label: z.array(z.string()) }),
      answerKey: z.string(),
    }),
    document: ({ question_stem, choices: { text, label }, answerKey }) =>
      multipleChoice(question_stem, text, placeOf(answerKey.trimStart(), label)),
  }),
};
