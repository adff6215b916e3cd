/**
 * The inside of a sandbox: a process that runs one command's `main` and speaks to its launcher (`sandbox.ts`). The work is
 * done by a thread of its own (`sandboxed_work.ts`); this one computes nothing, so that it always hears: when its stdin
 * ends the launcher is gone, killed or not, and the process ends at once, whatever the work is busy with.
 */
import { TextLineStream } from "./lines.ts";
import type { FromWork, ToWork } from "./sandbox.ts";
import { writeAll } from "./terminal.ts";

/** Signals that reach every process of a terminal; it is the launcher that says when to stop. */
const LEFT_TO_LAUNCHER: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

if (import.meta.main) {
  for (const signal of LEFT_TO_LAUNCHER) Deno.addSignalListener(signal, () => {});
  const work = new Worker(new URL("./sandboxed_work.ts", import.meta.url), { type: "module" });
  work.onmessage = ({ data }: MessageEvent<FromWork>) => {
    writeAll(Deno.stdout, `${JSON.stringify(data)}\n`);
    if ("outcome" in data || "refused" in data || "bug" in data) Deno.exit(0);
  };
  for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
    work.postMessage(JSON.parse(line) satisfies ToWork);
  }
  Deno.exit(1);
}
