/**
 * What Pare says while it works: notes, errors and progress, all on stderr, so that stdout holds nothing but the result. On
 * a terminal progress is one bar that is redrawn; elsewhere (a log, a pipe) it is plain lines, few enough to read; to a
 * program it is lines of JSON. Writing never fails: a reader that went away (`| head`) is no reason to stop.
 */
import process from "node:process";
import { measure, type Position, progressBar, progressLine } from "./progress.ts";
import { isExpected, UNSEEN } from "../errors.ts";

export type { Position } from "./progress.ts";

/** How often the bar is redrawn: often enough to look alive. */
const BAR_INTERVAL_MS = 100;

/** How often a plain line is written while the label stays: a log of hours stays readable. */
const LINE_INTERVAL_MS = 10_000;

/** How often a line of JSON is written while the label stays: often enough for a bar of another program. */
const JSON_INTERVAL_MS = 250;

/** The exit code of what the user can mend. */
export const EXIT_MENDABLE = 2;

/** How progress is shown. */
export type ProgressStyle = "auto" | "json" | "none";

/** Where to write, and what is there; the defaults are this process's stderr. */
export interface Screen {
  /** Writes text as it is. */
  write(text: string): void;
  /** Someone watches: lines may be redrawn. */
  readonly terminal: boolean;
  /** Characters in a line. */
  readonly columns: number;
  /** Colours are welcome (https://no-color.org). */
  readonly color: boolean;
  /** Milliseconds from any start. */
  now(): number;
}

/** Writes all of a text at once; a closed pipe swallows it, and so does a closed terminal if `watched`: nobody looks. */
export function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string, watched = false): void {
  let bytes: Uint8Array = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    const closed = watched && (error as { code?: unknown }).code === "EIO";
    if (!closed && !(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * The most memory that a process has held, in bytes; this one unless another is named. On Linux the kernel's own count for
 * the program: the usual one begins with the peak of the process that started it.
 */
export function peakMemory(pid = Deno.pid): number {
  try {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    if (kibibytes) return Number(kibibytes) * 1024;
  } catch (error) {
    // Another system, a process that may not read there, or one that has ended.
    if (!isExpected(error, [...UNSEEN, "ESRCH"])) throw error;
  }
  return process.resourceUsage().maxRSS * 1024;
}

function standardError(): Screen {
  const terminal = Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb";
  return {
    write: (text) => writeAll(Deno.stderr, text, true),
    terminal,
    get columns() {
      return terminal ? Deno.consoleSize().columns : Infinity;
    },
    color: terminal && !Deno.env.get("NO_COLOR"),
    now: () => performance.now(),
  };
}

/** Notes, errors and progress on one screen, which keep out of each other's way. */
export class Terminal {
  readonly #screen: Screen;
  readonly #style: ProgressStyle;
  #start: { readonly time: number; readonly done: number } | undefined;
  #shownAt = -Infinity;
  #label = "";
  #bar = "";

  /** Draws on stderr unless told otherwise. */
  constructor(screen: Screen = standardError(), style: ProgressStyle = "auto") {
    this.#screen = screen;
    this.#style = style;
  }

  /** A line for the reader. */
  note(line: string): void {
    if (this.#style === "json") return this.#say({ note: line });
    this.#clear();
    this.#screen.write(`${line}\n`);
    this.#draw();
  }

  /** The one line that an error is, with the exit code that follows, for programs, and a bug's stack. */
  error(message: string, code: number = EXIT_MENDABLE, stack?: string): void {
    const line = message.replace(/\s*\n\s*/g, " ");
    if (this.#style === "json") return this.#say({ error: { message: line, code, stack } });
    this.endProgress();
    this.#screen.write(
      `${this.#screen.color ? "\x1b[1;31merror:\x1b[0m" : "error:"} ${line}\n${
        stack === undefined ? "" : `${stack}\n`
      }`,
    );
  }

  /** Shows how far the work has come: with the time left, the rate and the peak memory. The first call starts the clock. */
  progress(position: Position, peakBytes = peakMemory()): void {
    const { terminal, columns } = this.#screen, style = this.#style;
    const time = this.#screen.now();
    const { done, total, label } = position;
    this.#start ??= { time, done };
    const last = done >= total;
    const line = style === "json" ? JSON_INTERVAL_MS : LINE_INTERVAL_MS;
    const wait = terminal && style === "auto" ? BAR_INTERVAL_MS : label === this.#label ? line : 0;
    if (style === "none" || !last && time - this.#shownAt < wait) return;
    this.#label = label;
    this.#shownAt = time;
    const measured = measure(position, done - this.#start.done, (time - this.#start.time) / 1000, peakBytes);
    if (style === "json") {
      this.#say({ progress: measured });
    } else if (terminal) {
      this.#clear();
      this.#bar = progressBar(measured, columns);
      this.#draw();
    } else {
      this.#screen.write(`${progressLine(measured)}\n`);
    }
    if (last) this.endProgress();
  }

  /** Leaves the bar as it is; the next progress is of another work. */
  endProgress(): void {
    if (this.#bar) this.#screen.write("\n");
    this.#bar = "";
    this.#start = undefined;
    this.#shownAt = -Infinity;
    this.#label = "";
  }

  #say(message: unknown): void {
    this.#screen.write(`${JSON.stringify(message)}\n`);
  }

  #clear(): void {
    if (this.#bar) this.#screen.write("\r\x1b[K");
  }

  #draw(): void {
    if (this.#bar) this.#screen.write(this.#bar);
  }
}
