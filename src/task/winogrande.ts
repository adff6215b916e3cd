/** WinoGrande: who a blank stands for (Sakaguchi et al., 2020). The rest of the sentence is judged after each of the two. */
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { strip } from "../text/python.ts";
import { multipleContext, reading, type Task } from "./task.ts";

/** See the file's head. */
export const winogrande: Task = {
  name: "winogrande",
  version: 1,
  set: { id: "allenai/winogrande", config: "winogrande_xl", split: "validation" },
  file: "winogrande",
  examples: { from: { file: "winogrande-train", split: "train" }, which: "drawn", leaveOut: true },
  metrics: ["acc"],
  read: reading({
    schema: z.object({
      sentence: z.string(),
      option1: z.string(),
      option2: z.string(),
      answer: z.enum(["1", "2"], 'expected "1" or "2"'),
    }),
    document: ({ sentence, option1, option2, answer }) => {
      const blank = sentence.indexOf("_");
      if (blank < 0) throw new PareError('column "sentence": expected a blank (_)');
      const contexts = [option1, option2].map((option) => sentence.slice(0, blank) + option);
      return multipleContext(contexts, strip(sentence.slice(blank + 1)), Number(answer) - 1);
    },
  }),
};
