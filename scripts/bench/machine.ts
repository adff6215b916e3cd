/** The machine that the figures belong to. */
import os from "node:os";

/** See the file's head. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly deno: string;
  readonly v8: string;
  /** Processes that wanted a core in the minute before the bench: other work makes every figure doubtful. */
  readonly load: number;
}

/** Of a machine at rest; more is said beside the results. */
export const IDLE_LOAD = 0.5;

/** Asks the system. */
export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memoryBytes: os.totalmem(),
    system: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    load: os.loadavg()[0],
  };
}
