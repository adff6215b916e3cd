/** The inside of a sandbox: a process that runs one command's `main` and speaks to its launcher (`sandbox.ts`). */
import { PareError } from "../errors.ts";
import { TextLineStream } from "./lines.ts";
import type { Context, Outcome } from "./context.ts";
import type { FromWork, ToWork } from "./sandbox.ts";
import { writeAll } from "./terminal.ts";

const stop = new AbortController();
let peak = Promise.withResolvers<number>();

const tell = (message: FromWork) => writeAll(Deno.stdout, `${JSON.stringify(message)}\n`);

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
  Deno.exit(0);
}

if (import.meta.main) {
  // Ctrl-C reaches every process of a terminal; it is the launcher that says when to stop.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    if (Deno.build.os !== "windows" || signal === "SIGINT") Deno.addSignalListener(signal, () => {});
  }
  for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
    const said: ToWork = JSON.parse(line);
    if ("abort" in said) stop.abort(new PareError(said.abort));
    else if ("peak" in said) peak.resolve(said.peak);
    else void work(said.module, said.values, said.args);
  }
  // The launcher is gone.
  Deno.exit(1);
}
