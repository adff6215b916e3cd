/** What `deno task pack` and `deno task unpack` understand. */
import { required, text, toggle } from "./flags.ts";
import { explainPermissions, model } from "./shared_flags.ts";

const out = required(text({
  metavar: "DIR",
  help: "The directory that the model is written to; without --force it must not be there yet, or be empty. " +
    "s3://bucket/prefix and hf://owner/name[@revision] take it too; it is made in the user's cache then, and sent.",
  short: "o",
  once: true,
}));
const force = toggle({
  short: "f",
  help: "Replace the directory --out if it holds what Pare wrote there, and nothing else.",
});

/** What `deno task pack` understands. */
export const packCommand = {
  name: "pack",
  summary: "write a pruned model in fewer bytes: zeros are not stored, and what is left as it is, or rounded.",
  flags: {
    model,
    out,
    values: text({
      metavar: "f16|int8|int4[:GROUP]",
      help:
        "How numbers that are not zero are stored: f16, bf16 and f32 as they are (the model's own); int8 and int4 as " +
        "integers, rounded, that share a scale for GROUP columns (128 and 32), the head's too.",
      otherwise: "as they are",
    }),
    force,
    explainPermissions,
  },
  operand: "model",
  examples: [
    "deno task pack --model pruned --out packed",
    "deno task pack pruned --out packed-int8 --values int8",
    "deno task unpack packed --out dense",
  ],
  notes:
    "Each linear is stored by the pattern that its zeros follow: n:m, a bitmask, or dense where that takes fewer bytes. eval, " +
    "inspect, prune and generate read the result; unpack gives the dense files back, byte for byte unless numbers were " +
    "rounded. Other software reads the dense model alone.",
} as const;

/** What `deno task unpack` understands. */
export const unpackCommand = {
  name: "unpack",
  summary: "write a packed model dense again, as other software reads it.",
  flags: { model, out, force, explainPermissions },
  operand: "model",
  examples: ["deno task unpack packed --out dense"],
  notes: "What was packed with the values as they are comes back byte for byte; integers become F32, exactly.",
} as const;
