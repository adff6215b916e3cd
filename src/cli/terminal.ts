/**
 * What Pare says to a person while it works: notes, errors and progress, all on stderr, so that stdout holds nothing
 * but the result. On a terminal progress is one bar that is redrawn; elsewhere (a log, a pipe) it is plain lines, few
 * enough to read. Writing never fails: a reader that went away (`| head`) is no reason to stop.
 */
import process from "node:process";
import { showBytes, showCount, showSeconds } from "./units.ts";

/** How often the bar is redrawn: often enough to look alive. */
const BAR_INTERVAL_MS = 100;

/** How often a plain line is written while the label stays: a log of hours stays readable. */
const LINE_INTERVAL_MS = 10_000;

/** How far a command has come. */
export interface Position {
  /** What is being done, such as `block 3 of 30`. Without a terminal every new label is a line. */
  readonly label: string;
  /** What of it, such as `observe`. */
  readonly detail?: string;
  /** Units of work that are done. */
  readonly done: number;
  /** Units of work in all. */
  readonly total: number;
  /** What the work is counted in. */
  readonly unit: "tokens" | "bytes";
}

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
  } catch {
    // Another system, or a process that may not read there.
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
  #start: { readonly time: number; readonly done: number } | undefined;
  #shownAt = -Infinity;
  #label = "";
  #bar = "";

  /** Draws on stderr unless told otherwise. */
  constructor(screen: Screen = standardError()) {
    this.#screen = screen;
  }

  /** A line for the reader. */
  note(line: string): void {
    this.#clear();
    this.#screen.write(`${line}\n`);
    this.#draw();
  }

  /** The one line that an error is. */
  error(message: string): void {
    this.endProgress();
    const line = message.replace(/\s*\n\s*/g, " ");
    this.#screen.write(`${this.#screen.color ? "\x1b[1;31merror:\x1b[0m" : "error:"} ${line}\n`);
  }

  /** Shows how far the work has come: with the time left, the rate and the peak memory. The first call starts the clock. */
  progress(position: Position, peakBytes = peakMemory()): void {
    const { terminal } = this.#screen;
    const time = this.#screen.now();
    const { done, total, label } = position;
    this.#start ??= { time, done };
    const last = done >= total;
    const wait = terminal ? BAR_INTERVAL_MS : label === this.#label ? LINE_INTERVAL_MS : 0;
    if (!last && time - this.#shownAt < wait) return;
    this.#label = label;
    this.#shownAt = time;
    const line = describe(position, done - this.#start.done, (time - this.#start.time) / 1000, peakBytes);
    if (terminal) {
      this.#clear();
      this.#bar = bar(line, done / total, this.#screen.columns);
      this.#draw();
    } else {
      this.#screen.write(`${line}\n`);
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

  #clear(): void {
    if (this.#bar) this.#screen.write("\r\x1b[K");
  }

  #draw(): void {
    if (this.#bar) this.#screen.write(this.#bar);
  }
}

/** A line on a position that was reached by doing `since` units in `seconds` seconds. */
function describe(
  { label, detail, done, total, unit }: Position,
  since: number,
  seconds: number,
  peakBytes: number,
): string {
  const rate = since / seconds;
  const parts = [`${detail ? `${label}, ${detail}` : label}: ${(100 * done / total).toFixed(0)} %`];
  if (since > 0 && seconds > 0) {
    parts.push(done < total ? `${showSeconds((total - done) / rate)} left` : `took ${showSeconds(seconds)}`);
    parts.push(unit === "bytes" ? `${showBytes(rate)}/s` : `${showCount(rate)} ${unit}/s`);
  }
  parts.push(`peak memory ${showBytes(peakBytes)}`);
  return parts.join(", ");
}

/** `[####------] line`, cut to the width of the terminal. */
function bar(line: string, share: number, columns: number): string {
  const width = 24;
  const full = Math.round(width * Math.min(share, 1));
  return `[${"#".repeat(full)}${"-".repeat(width - full)}] ${line}`.slice(0, Math.max(columns - 1, 0));
}
