/** A model that is ready to write: what `generate` and `chat-server` load. */
import type { Context } from "../../src/cli/run.ts";
import { type Backend, type CacheDtype, type Checkpoint, ResidentModel } from "../../src/mod.ts";

/** Loads a model's weights, and shows how far that is. */
export function loadWeights(
  checkpoint: Checkpoint,
  backend: Backend,
  { terminal, signal }: Context,
): Promise<ResidentModel> {
  terminal.note(`backend: ${backend.name} (${backend.description})`);
  return ResidentModel.open({
    checkpoint,
    backend,
    signal,
    onLoad: (done, total) => terminal.progress({ label: "weights", done, total, unit: "bytes" }),
  });
}

/** What `--cache` says. */
export function cacheDtype(flag: "f32" | "f16"): CacheDtype {
  return flag === "f16" ? "F16" : "F32";
}
