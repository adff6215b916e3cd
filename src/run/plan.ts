/**
 * The plan of a run: its one spelling, its name, and how it is read from a file. Two plans that say the same are the same
 * bytes in canonical JSON (RFC 8785: keys sorted, numbers as ECMAScript writes them), so their hash names what will be done,
 * whoever wrote the file and in whatever order.
 */
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { z } from "npm:zod@4.6.7";
import type { Json, Numerics, Plan } from "./record.ts";
import { readAs } from "./json.ts";

/** Hexadecimal digits of a plan's id: 64 bits, so that among a million plans two collide with a chance of 3e-8. */
const ID_DIGITS = 16;

/** A SHA-256 in hexadecimal. */
export const Sha256Schema: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits (SHA-256)");

const CorpusSchema = z.strictObject({
  description: z.string(),
  sequences: z.int().positive(),
  seqlen: z.int().positive(),
  sha256: Sha256Schema,
  protocol: z.string().optional(),
});

const BenchmarkSchema = z.strictObject({
  name: z.string(),
  version: z.number(),
  shots: z.int().nonnegative(),
  documents: z.int().positive(),
  total: z.int().positive(),
  data: z.array(Sha256Schema),
  set: z.strictObject({ id: z.string(), config: z.string(), split: z.string() }).optional(),
});

/** What a plan looks like. Nothing else may stand in it: a field that nobody reads would still change the id. */
export const PlanSchema: z.ZodType<Plan> = z.strictObject({
  kind: z.enum(["prune", "finetune", "eval", "compare", "generate", "bench"]),
  pare: z.string(),
  model: z.strictObject({ name: z.string(), sha256: Sha256Schema }),
  backend: z.enum(["webgpu", "wasm"]).optional(),
  numerics: z.strictObject({ kernels: Sha256Schema, arithmetic: z.string() }).optional(),
  request: z.record(z.string(), z.json()),
  calibration: CorpusSchema.optional(),
  evaluation: CorpusSchema.optional(),
  tasks: z.array(BenchmarkSchema).optional(),
});

/** A plan in its one spelling. */
export function canonicalJson(value: Plan | Numerics | Json): string {
  return canonicalize(value)!;
}

/** A plan's id: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON. */
export function planId(plan: Plan): string {
  return createHash("sha256").update(canonicalJson(plan)).digest("hex").slice(0, ID_DIGITS);
}

/**
 * Reads a plan.
 * @param path Where it stood, for errors.
 * @throws PareError naming the field if it is not a plan.
 */
export function parsePlan(text: string, path: string): Plan {
  return readAs(PlanSchema, text, path, "plan");
}
