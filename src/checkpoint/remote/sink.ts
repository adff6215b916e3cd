/**
 * Where a checkpoint goes that is not to stay on this machine: a bucket, or a repository on the Hub. It is made in a directory
 * here (`writer.ts`) and sent file by file; what makes it a model comes last, so that there is no model before all of it is
 * there. Each file goes with its SHA-256, by which it is known when it is looked at again.
 */
import { PareError } from "../../errors.ts";
import { MANIFEST } from "../owned.ts";
import { INDEX, isSideFile } from "../side_files.ts";
import type { RangeOptions } from "./client.ts";

/** A file that lies there. */
export interface SunkFile {
  /** Its name there. */
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
  /** Of its content, where the place tells it. */
  readonly sha256?: string;
}

/** A place that takes a checkpoint. */
export interface Sink {
  /** What a person calls it. */
  readonly path: string;
  /**
   * Takes a file whose bytes are final, while others are being computed; one that is there already is not sent again.
   * @throws PareError if the place does not take it.
   */
  send(name: string): Promise<void>;
  /**
   * Takes the rest, in an order in which there is no model before the last file.
   * @param names Of all files; whatever else of Pare's lies there is removed.
   * @throws PareError if the place does not take them: then there is no model there.
   */
  commit(names: readonly string[]): Promise<void>;
}

/** A place as it was found, before a run. */
export interface Target {
  /** What takes a checkpoint there. */
  readonly sink: Sink;
  /** The manifest of a checkpoint that is there: its text. */
  readonly manifest?: string;
  /** What lies there. */
  readonly files: readonly SunkFile[];
}

/** How a place is opened. */
export interface SinkOptions extends RangeOptions {
  /** The directory in which the files are made. */
  readonly directory: string;
  /** Whether what Pare wrote there is replaced. */
  readonly force?: boolean;
  /** Told of every file that was sent, or was there. */
  readonly onSent?: (name: string, was: "sent" | "there") => void;
  /** Ends all that is not under way yet. */
  readonly signal?: AbortSignal;
}

/** By what a directory is known as a model. */
export const CONFIG = "config.json";

/** Whether a file of this name makes a model, as a licence or the `.gitattributes` of a fresh repository do not. */
export function isOfModel(name: string): boolean {
  return [CONFIG, MANIFEST, INDEX].includes(name) || !name.startsWith(".") && !isSideFile(name);
}

/**
 * What may be done with what lies there.
 * @param own Whether a file is known to be Pare's.
 * @param force Whether Pare's own may be replaced.
 * @throws PareError unless there is no model, or one that may be replaced, or perhaps the one that would be written.
 */
export function refuseOccupied(
  path: string,
  files: readonly SunkFile[],
  own: (file: SunkFile) => boolean,
  force: boolean,
): void {
  const manifest = files.some(({ name }) => name === MANIFEST);
  const foreign = files.find((file) => isOfModel(file.name) && !own(file));
  if (foreign) {
    throw new PareError(
      `the output ${path} holds ${foreign.name}, which is not Pare's${
        force ? "; --force replaces only what is" : ""
      }: ` +
        "name another place",
    );
  }
  // Without a manifest it is what a run that ended early has left; with one it may be the very model that is asked for.
  if (!manifest && files.some(({ name }) => name === CONFIG)) {
    throw new PareError(`the output ${path} holds a model without ${MANIFEST}: name another place`);
  }
}
