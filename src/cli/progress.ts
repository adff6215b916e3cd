/** How far a command has come, as a line for a log, as a bar for a terminal of any width, and as numbers for a program. */
import { showBytes, showCount, showSeconds } from "./units.ts";

/** How far a command has come. */
export interface Position {
  /** What is being done, such as `block 3 of 30`. Without a terminal every new label is a line. */
  readonly label: string;
  /** The label where there is no room, such as `3/30`. */
  readonly short?: string;
  /** What of it, such as `observe`. */
  readonly detail?: string;
  /** Units of work that are done. */
  readonly done: number;
  /** Units of work in all. */
  readonly total: number;
  /** What the work is counted in. */
  readonly unit: "tokens" | "bytes" | "documents" | "requests";
}

/** A position with what follows from the time that it took. */
export interface Measured extends Position {
  /** Since the work began. */
  readonly seconds: number;
  /** Units a second; absent until something is done. */
  readonly rate?: number;
  /** The time left at that rate. */
  readonly secondsLeft?: number;
  /** The most memory held so far. */
  readonly peakBytes: number;
}

/** Cells of a bar where there is room, and the fewest that still tell something. */
const WIDEST_BAR = 24, NARROWEST_BAR = 4;

/** A position that was reached by doing `since` units in `seconds` seconds. */
export function measure(position: Position, since: number, seconds: number, peakBytes: number): Measured {
  const { done, total } = position, rate = since / seconds;
  const known = since > 0 && seconds > 0 && { rate, secondsLeft: Math.max(total - done, 0) / rate };
  return { ...position, seconds, ...known, peakBytes };
}

/** `block 3 of 30, observe: 45 %, 568 ms left, 1,351 tokens/s, peak memory 193 MiB`. */
export function progressLine(measured: Measured): string {
  return `${title(measured)}: ${numbers(measured, false)}`;
}

/**
 * The line with a bar before it, for a terminal. Where it is narrow the bar shrinks first, then words go, then the bar; the
 * numbers stay as long as they fit.
 * @returns Fewer characters than the terminal has columns.
 */
export function progressBar(measured: Measured, columns: number): string {
  const room = Math.max(columns - 1, 0), { label, short = label, done, total } = measured;
  const few = numbers(measured, true), left = room - few.length - "…: ".length;
  const lines = [progressLine(measured), ...[title(measured), label, short].map((words) => `${words}: ${few}`)];
  const cellsBeside = (line: string) => Math.min(room - line.length - "[] ".length, WIDEST_BAR);
  const barred = lines.find((line) => cellsBeside(line) >= NARROWEST_BAR);
  if (barred === undefined) {
    // Of a label that is too long its beginning, if that is more than a letter.
    return lines.find(({ length }) => length <= room) ??
      (left > 1 ? `${label.slice(0, left)}…: ${few}` : few.slice(0, room));
  }
  const cells = cellsBeside(barred), full = Math.round(cells * Math.min(done / total, 1));
  return `[${"#".repeat(full)}${"-".repeat(cells - full)}] ${barred}`;
}

const title = ({ label, detail }: Position): string => detail ? `${label}, ${detail}` : label;

/** The share done, the time, the rate and the memory; with `few` words or with all. */
function numbers({ done, total, unit, seconds, rate, secondsLeft, peakBytes }: Measured, few: boolean): string {
  const percent = Math.round(100 * done / total);
  const parts = [`${done < total ? Math.min(percent, 99) : percent} %`];
  if (rate !== undefined) {
    parts.push(done < total ? `${showSeconds(secondsLeft!)} left` : `took ${showSeconds(seconds)}`);
    parts.push(unit === "bytes" ? `${showBytes(rate)}/s` : `${showCount(rate)} ${few ? unit.slice(0, 3) : unit}/s`);
  }
  return [...parts, `${few ? "" : "peak memory "}${showBytes(peakBytes)}`].join(few ? " " : ", ");
}
