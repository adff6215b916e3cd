/** How far a live run has come: a bar, and how long it will take, at which rate, with how much memory. */
import { make } from "./dom.js";
import { memory, seconds, secondsOf } from "./format.js";

/**
 * What is to be expected of a live run: `left` (seconds), `rate` (tokens through a block by the second), `memory`. A run
 * says its own rate; one of an older Pare is taken to have been as fast all along. Of a comparison it is the part that it is
 * at.
 */
export function outlookOf(run) {
  const { rate: said, memoryBytes, done, total } = run.progress ?? {}, spent = secondsOf(run);
  const rate = said ?? (run.manifest.plan.kind !== "compare" && done > 0 && spent > 0 ? done / spent : undefined);
  return { rate, left: rate > 0 ? Math.max(0, total - done) / rate : undefined, memory: memoryBytes };
}

/** A bar and its words; before the first report there is only the word. */
export function progressOf(run) {
  if (!run.progress) return make("span.status.running", {}, "running");
  const { phase, block, blocks, done, total } = run.progress, { left } = outlookOf(run);
  const words = blocks > 0 ? `${phase}, block ${block + 1} of ${blocks}` : phase;
  return make(
    "span.status.running",
    {},
    make("progress", { value: done, max: total || 1, "aria-label": words }),
    ` ${words}`,
    left > 0 ? make("span.faint", {}, `, ${seconds(left)} left`) : undefined,
  );
}

/** The same as facts, of a live run alone. */
export function factsOf(run) {
  if (run.status !== "running") return {};
  const { left, rate, memory: bytes } = outlookOf(run);
  return {
    left: left > 0 ? seconds(left) : undefined,
    rate: rate === undefined ? undefined : `${Math.round(rate).toLocaleString("en")} tokens/s through a block`,
    "memory now": bytes === undefined ? undefined : memory(bytes),
  };
}

/** Where a run stands: its progress while it is live. */
export const statusOf = (run) =>
  run.status === "running" ? progressOf(run) : make(`span.status.${run.status}`, {}, run.status);
