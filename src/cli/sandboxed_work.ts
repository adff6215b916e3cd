/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** The thread of a sandbox that does the work: a command's `main`. What it says its process (`sandboxed.ts`) passes on. */
import { PareError } from "../errors.ts";
import type { Context, Outcome } from "./context.ts";
import type { FromWork, ToWork } from "./sandbox.ts";

const stop = new AbortController();
let peak = Promise.withResolvers<number>();

const tell = (message: FromWork) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<ToWork>) => {
  if ("abort" in data) stop.abort(new PareError(data.abort));
  else if ("peak" in data) peak.resolve(data.peak);
  else void work(data.module, data.values, data.args);
};

async function work(module: string, values: unknown, args: readonly string[]): Promise<void> {
  const context: Context = {
    args,
    terminal: { note: (note) => tell({ note }), progress: (progress) => tell({ progress }) },
    signal: stop.signal,
    peakMemory: () => {
      peak = Promise.withResolvers();
      tell({ ask: "peak" });
      return peak.promise;
    },
  };
  try {
    const { main } = await import(module) as { main: (values: unknown, context: Context) => Promise<Outcome> };
    tell({ outcome: await main(values, context) });
  } catch (error) {
    if (error instanceof PareError) tell({ refused: error.message });
    else tell({ bug: error instanceof Error ? error.stack ?? String(error) : Deno.inspect(error) });
  }
}
