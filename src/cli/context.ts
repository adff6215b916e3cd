/** What a command is given, and what it gives back. */
import type { Terminal } from "./terminal.ts";

/** What a command has found. */
export interface Outcome {
  /** For a person, on stdout. */
  readonly text: string;
  /** The same for a program: what `--json` prints instead, one object. */
  readonly json: Readonly<Record<string, unknown>>;
  /** What is wrong although there was something to show: printed as errors, and the exit code is 2. */
  readonly problems?: readonly string[];
}

/** Where a result goes that is not to stay on this machine; files are called by their names in the directory it is made in. */
export interface Delivery {
  /** What a person calls it. */
  readonly path: string;
  /** Takes a file that is finished, while others are being computed. */
  send(name: string): Promise<void>;
  /** Takes the rest: the result is there then. */
  commit(names: readonly string[]): Promise<void>;
}

/** What a command is given beside its flags. */
export interface Context {
  /** The command line, exactly. */
  readonly args: readonly string[];
  /** Notes and progress, on stderr. */
  readonly terminal: Pick<Terminal, "note" | "progress">;
  /** A piece of the result for a person, on stdout as it comes; what `Outcome.text` says follows. */
  write(text: string): void;
  /** The next line of stdin without its end; undefined when there is none. Throws the signal's reason once it is aborted. */
  readLine(): Promise<string | undefined>;
  /** Aborted by Ctrl-C or SIGTERM. The command should stop, tidy up and throw; after a while it is ended anyway. */
  readonly signal: AbortSignal;
  /** The most memory that this process has held, in bytes. */
  peakMemory(): Promise<number>;
  /** Forces a directory's entries to the disk: the one that an output stands in, which no sandbox opens. */
  readonly syncDirectory: (path: string) => Promise<void>;
  /** Takes the result, if it goes elsewhere: no sandbox opens the way there, nor has what opens the place. */
  readonly sink?: Delivery;
}
