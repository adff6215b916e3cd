/** A writer that is kept out by others waits as long as they come to ends. */
import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { openDatabase, transact } from "../../src/run/database.ts";
import { temporary } from "../checkpoint/folders.ts";

/** A connection that waits for nobody and tells of every attempt to begin, and another one that holds the file. */
function open(path: string, attempt: (other: DatabaseSync) => void): { one: DatabaseSync } & Disposable {
  const other = openDatabase(path, "write"), own = new DatabaseSync(path, { timeout: 0 });
  other.exec("CREATE TABLE t (x); BEGIN IMMEDIATE; INSERT INTO t VALUES (0)");
  const one = new Proxy(own, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (name === "exec") {
        return (sql: string) => {
          if (sql.startsWith("BEGIN")) attempt(other);
          return target.exec(sql);
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    one,
    [Symbol.dispose]: () => {
      other.close();
      own.close();
    },
  };
}

Deno.test("a file that is locked by one writer after another is waited for, however many they are", () => {
  using folder = temporary();
  let writers = 5;
  using opened = open(`${folder.path}/runs.db`, (other) => {
    other.exec("COMMIT");
    if (writers-- > 0) other.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
  });
  assertEquals(transact(opened.one, () => opened.one.prepare("SELECT count(*) AS n FROM t").get()!.n), 6);
});

Deno.test("a writer that holds the file and does not come to its end is given up on", () => {
  using folder = temporary();
  let attempts = 0;
  using opened = open(`${folder.path}/runs.db`, () => attempts++);
  assertThrows(() => transact(opened.one, () => 0), Error, "database is locked");
  assertEquals(attempts, 1);
});
