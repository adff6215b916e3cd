/**
 * The statements of one SQLite file: each prepared once, each error in the user's words, each row understood before it is
 * handed on.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { inWords, type Mode, openDatabase, patiently, transact } from "./database.ts";

/** What a statement's parameters take: by name, or in order. */
export type Values = (Value | Record<string, Value>)[];

type Value = string | number | null | Uint8Array;

/** An open registry, as SQL. */
export class Statements implements Disposable {
  /** Where it stands. */
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  /**
   * Opens the file.
   * @throws PareError as {@linkcode openDatabase}.
   */
  constructor(path: string, mode: Mode) {
    this.path = path;
    this.#database = openDatabase(path, mode);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Does everything or nothing. */
  transact<T>(act: () => T): T {
    return inWords(this.path, () => transact(this.#database, act));
  }

  /** Changes something. */
  run(sql: string, ...values: Values): void {
    inWords(this.path, () => patiently(this.#database, () => this.#statement(sql).run(...values as [])));
  }

  /** The first row, as `read` understands it; a row that it cannot read is a damaged file. */
  get<Row, T>(read: (row: Row) => T, sql: string, ...values: Values): T | undefined {
    return inWords(this.path, () => {
      const row = this.#statement(sql).get(...values as []) as Row | undefined;
      return row && read(row);
    });
  }

  /** All rows. */
  all<Row, T>(read: (row: Row) => T, sql: string, ...values: Values): T[] {
    return inWords(this.path, () => (this.#statement(sql).all(...values as []) as Row[]).map(read));
  }

  #statement(sql: string): StatementSync {
    const known = this.#prepared.get(sql) ?? this.#database.prepare(sql);
    this.#prepared.set(sql, known);
    return known;
  }
}

/** The JSON of a column: always an object or a list. */
export function parseStored(text: string): ReturnType<typeof JSON.parse> {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new SyntaxError("a column without its object");
  return value;
}
