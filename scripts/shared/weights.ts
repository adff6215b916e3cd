/** A model that is ready to write: what `generate` and `chat-server` load. */
import type { Context } from "../../src/cli/run.ts";
import { showBytes, showShare } from "../../src/cli/units.ts";
import { type Backend, type CacheDtype, type Checkpoint, ResidentModel } from "../../src/mod.ts";
import { parseQuantized } from "./values.ts";

/** Loads a model's weights, rounded where that is asked for, and shows how far that is. */
export async function loadWeights(
  checkpoint: Checkpoint,
  backend: Backend,
  { terminal, signal }: Context,
  quantize: string | undefined,
): Promise<ResidentModel> {
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  const model = await ResidentModel.open({
    checkpoint,
    backend,
    signal,
    quantize: quantize === undefined ? undefined : parseQuantized(quantize, "--quantize"),
    onLoad: (done, total) => terminal.progress({ label: "weights", done, total, unit: "bytes" }),
  });
  for (const [kind, { weights, bytes, denseBytes }] of model.packed) {
    terminal.note(`${weights} weights ${kind}: ${showBytes(bytes)}, ${showShare(bytes / denseBytes)} of dense`);
  }
  return model;
}

/** What `--cache` says. */
export function cacheDtype(flag: "f32" | "f16"): CacheDtype {
  return flag === "f16" ? "F16" : "F32";
}
