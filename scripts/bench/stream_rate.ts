/**
 * How fast this machine reads memory: what a token cannot be faster than, since it reads every weight. WebAssembly threads, one
 * for each core, each go through memory of their own that no cache holds, by loads of 16 bytes and nothing else.
 */
import type { Side } from "./ratio.ts";

/** Of each thread: eight times a last-level cache of 32 MiB. */
export const STREAM_BYTES = 256 << 20;

/** The threads, which wait to be measured. */
export async function openStream(threads: number): Promise<Side & Disposable> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL("./stream_worker.ts", import.meta.url), { type: "module" }),
  );
  const answers = () =>
    Promise.all(workers.map((worker) =>
      new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = (event) => reject(new Error(event.message));
      })
    ));
  await answers();
  return {
    label: `memory read by ${threads} threads`,
    unit: "GB/s",
    async sample() {
      const start = performance.now(), all = answers();
      workers.forEach((worker) => worker.postMessage("go"));
      await all;
      return threads * STREAM_BYTES / (performance.now() - start) / 1e6;
    },
    [Symbol.dispose]: () => workers.forEach((worker) => worker.terminate()),
  };
}
