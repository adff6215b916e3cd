/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** The thread of a sandbox that does the work: a command's `main`. What it says its process (`sandboxed.ts`) passes on. */
import { PareError } from "../errors.ts";
import type { Context, Outcome } from "./context.ts";
import type { FromWork, ToWork } from "./sandbox.ts";

const stop = new AbortController();
let peak = Promise.withResolvers<number>();
let line: PromiseWithResolvers<string | undefined> | undefined;
/** By the directory: what waits for it to be forced to the disk. */
const syncing = new Map<string, PromiseWithResolvers<void>>();

/** What was given to be delivered and is not there yet. */
const delivering = new Map<number, PromiseWithResolvers<void>>();
let deliveries = 0;

const tell = (message: FromWork) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<ToWork>) => {
  if ("abort" in data) {
    stop.abort(new PareError(data.abort));
    line?.reject(stop.signal.reason);
  } else if ("peak" in data) peak.resolve(data.peak);
  else if ("line" in data && data.error !== undefined) line?.reject(new PareError(data.error));
  else if ("line" in data) line?.resolve(data.line ?? undefined);
  else if ("synced" in data) settle(data);
  else if ("delivered" in data) {
    const { delivered, error } = data, waiting = delivering.get(delivered)!;
    delivering.delete(delivered);
    if (error === undefined) waiting.resolve();
    else waiting.reject(new PareError(error));
  } else void work(data.module, data.values, data.args, data.sink);
};

function settle({ synced, error }: { readonly synced: string; readonly error?: string }): void {
  const waiting = syncing.get(synced);
  syncing.delete(synced);
  if (error === undefined) waiting?.resolve();
  else waiting?.reject(new PareError(`cannot write ${synced}: ${error}`));
}

/** The launcher delivers. */
function deliver(what: { readonly send: string } | { readonly commit: readonly string[] }): Promise<void> {
  const delivery = ++deliveries, waiting = Promise.withResolvers<void>();
  delivering.set(delivery, waiting);
  tell({ ...what, delivery });
  return waiting.promise;
}

async function work(module: string, values: unknown, args: readonly string[], sink: string | undefined): Promise<void> {
  const context: Context = {
    args,
    terminal: { note: (note) => tell({ note }), progress: (progress) => tell({ progress }) },
    signal: stop.signal,
    write: (text) => tell({ write: text }),
    readLine: () => {
      stop.signal.throwIfAborted();
      line = Promise.withResolvers();
      tell({ ask: "line" });
      return line.promise;
    },
    peakMemory: () => {
      peak = Promise.withResolvers();
      tell({ ask: "peak" });
      return peak.promise;
    },
    syncDirectory: (path) => {
      const waiting = Promise.withResolvers<void>();
      syncing.set(path, waiting); // one output is committed at a time
      tell({ sync: path });
      return waiting.promise;
    },
    ...sink !== undefined && {
      sink: { path: sink, send: (name) => deliver({ send: name }), commit: (names) => deliver({ commit: names }) },
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
