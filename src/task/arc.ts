/** ARC: school science, the easy part and the one that was hard for the programs of its day (Clark et al., 2018). */
import { z } from "npm:zod@4.6.7";
import { multipleChoice, placeOf, reading, type Task } from "./task.ts";

function arc(name: string, config: string): Task {
  return {
    name,
    version: 1,
    set: { id: "allenai/ai2_arc", config, split: "test" },
    file: name,
    examples: { from: { file: `${name}-train`, split: "train" }, which: "drawn", leaveOut: false },
    metrics: ["acc", "acc_norm"],
    read: reading({
      schema: z.object({
        question: z.string(),
        choices: z.object({ text: z.array(z.string()), label: z.array(z.string()) }),
        answerKey: z.string(),
      }),
      document: ({ question, choices: { text, label }, answerKey }) =>
        multipleChoice(`Question: ${question}\nAnswer:`, text, placeOf(answerKey, label)),
    }),
  };
}

/** The easy part. */
export const arcEasy: Task = arc("arc_easy", "ARC-Easy");
/** The hard part. */
export const arcChallenge: Task = arc("arc_challenge", "ARC-Challenge");
