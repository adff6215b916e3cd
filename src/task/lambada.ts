/** LAMBADA: the last word of a passage (Paperno et al., 2016), in OpenAI's spelling of the set. */
import { z } from "npm:zod@4.6.7";
import { continued, reading, type Task } from "./task.ts";

/** See the file's head. */
export const lambadaOpenai: Task = {
  name: "lambada_openai",
  version: 1,
  set: { id: "EleutherAI/lambada_openai", config: "default", split: "test" },
  file: "lambada_openai",
  examples: { from: "asked", which: "drawn", leaveOut: false },
  metrics: ["acc", "perplexity"],
  read: reading({
    schema: z.object({ text: z.string() }),
    document: ({ text }) => {
      const words = text.split(" ");
      return continued(words.slice(0, -1).join(" "), ` ${words.at(-1)}`);
    },
  }),
};
