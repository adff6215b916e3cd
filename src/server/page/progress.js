/** How far a live run has come. */
import { make } from "./dom.js";

/** A bar and its words; before the first report there is only the word. */
export function progressOf(progress) {
  if (!progress) return make("span.status.running", {}, "running");
  const { phase, block, blocks, done, total } = progress;
  const words = blocks > 0 ? `${phase}, block ${block + 1} of ${blocks}` : phase;
  return make(
    "span.status.running",
    {},
    make("progress", { value: done, max: total || 1, "aria-label": words }),
    ` ${words}`,
  );
}
