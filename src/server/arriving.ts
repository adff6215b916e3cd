/**
 * A registry that need not be there yet: until the first run makes it there are no runs. It may also be moved away, and made
 * anew by the run after that; what is shown is what stands at its path now.
 */
import { statSync } from "node:fs";
import { NoRegistry } from "../run/database.ts";
import { Registry } from "../run/registry.ts";
import type { Source } from "./source.ts";
import { isExpected, UNSEEN } from "../errors.ts";

/** The runs at a path, whatever comes there or goes. */
export class ArrivingRegistry implements Source, Disposable {
  readonly #path: string;
  #open?: { readonly file: string; readonly registry: Registry };

  /** Opens nothing yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Whether there is a registry now. @throws PareError if there is something, but no registry that can be read. */
  get there(): boolean {
    return this.#now() !== undefined;
  }

  /** No runs, or those of the registry. */
  list: Registry["list"] = (filter) => this.#now()?.list(filter) ?? { runs: [] };
  /** As the registry; undefined without one. */
  get: Registry["get"] = (id) => this.#now()?.get(id);
  /** As the registry; none without one. */
  curvePoints: Registry["curvePoints"] = (id) => this.#now()?.curvePoints(id) ?? [];
  /** As the registry; none without one. */
  layers: Registry["layers"] = (id) => this.#now()?.layers(id) ?? [];
  /** As the registry; undefined without one. */
  layer: Registry["layer"] = (id, name) => this.#now()?.layer(id, name);
  /** As the registry; undefined without one. */
  documents: Registry["documents"] = (id, record) => this.#now()?.documents(id, record);
  /** As the registry; undefined without one. */
  scores: Registry["scores"] = (id, record) => this.#now()?.scores(id, record);
  /** As the registry; none without one. */
  events: Registry["events"] = (id, after) => this.#now()?.events(id, after) ?? [];
  /** As the registry; 0 without one. */
  newestEvent: Registry["newestEvent"] = (id) => this.#now()?.newestEvent(id) ?? 0;

  /** Closes the file, if one is open. */
  [Symbol.dispose](): void {
    this.#open?.registry[Symbol.dispose]();
    this.#open = undefined;
  }

  /** The registry that stands at the path. */
  #now(): Registry | undefined {
    const file = identity(this.#path);
    if (this.#open && this.#open.file === file) return this.#open.registry;
    this[Symbol.dispose]();
    if (file === undefined) return undefined;
    try {
      // A file that takes its place in between shows at the next look.
      this.#open = { file, registry: Registry.open(this.#path, { mode: "read" }) };
      return this.#open.registry;
    } catch (error) {
      if (error instanceof NoRegistry) return undefined;
      throw error;
    }
  }
}

/** What tells a file from another one that took its place; undefined if there is none. */
function identity(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found && `${found.dev} ${found.ino} ${found.birthtimeMs}`;
  } catch (error) {
    if (!isExpected(error, UNSEEN)) throw error;
    return "no file"; // or one that may not be looked at: opening it says what is wrong
  }
}
