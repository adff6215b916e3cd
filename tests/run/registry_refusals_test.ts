/** What a registry refuses: files that are none, are damaged, newer or read-only. One line each, and the file as it was. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { Registry } from "../../src/run/registry.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { linear, manifest } from "./runs.ts";

async function withFolder(test: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-runs-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A registry with a finished run of many linears. */
function fill(path: string): void {
  using registry = Registry.open(path, { mode: "write" });
  const id = registry.begin(manifest());
  for (let index = 0; index < 40; index++) registry.linear(id, linear(`linear.${index}`, index));
  const evaluation = { description: "text", sequences: 1, seqlen: 2, sha256: "00".repeat(32) };
  registry.perplexity(id, { label: "dense", perplexity: 12, evaluation });
  registry.finish(id, { phases: { prune: 1 } });
}

/** Both ways of opening refuse with this, in one line that names the file, and leave every byte. */
function assertRefused(path: string, says: string): void {
  const before = Deno.readFileSync(path);
  for (const mode of ["read", "write"] as const) {
    const error = assertThrows(() => Registry.open(path, { mode }), PareError, says);
    assert(error.message.includes(path) && !error.message.includes("\n"), error.message);
  }
  assertEquals(Deno.readFileSync(path), before);
}

Deno.test("a registry from a newer Pare is left alone", () =>
  withFolder((folder) => {
    const path = join(folder, "runs.db");
    fill(path);
    {
      using database = new DatabaseSync(path);
      database.exec("PRAGMA user_version = 99");
    }
    assertRefused(path, "newer Pare: its version is 99");
  }));

Deno.test("another program's SQLite file is left alone, whether it says whose it is or not", () =>
  withFolder((folder) => {
    for (const sql of ["CREATE TABLE bookmarks (url TEXT)", "PRAGMA application_id = 7"]) {
      const path = join(folder, `${sql.length}.db`);
      {
        using database = new DatabaseSync(path);
        database.exec(sql);
      }
      assertRefused(path, "another program's");
    }
  }));

Deno.test("a file that is no SQLite file is left alone", () =>
  withFolder((folder) => {
    const path = join(folder, "runs.db");
    Deno.writeTextFileSync(path, "Dear diary, ".repeat(1000));
    assertRefused(path, "not a SQLite file");
  }));

Deno.test("a directory, a path through a file and, to read, no file and an empty one are refused", () =>
  withFolder((folder) => {
    const file = join(folder, "file");
    Deno.writeTextFileSync(file, "");
    for (const mode of ["read", "write"] as const) {
      assertThrows(() => Registry.open(folder, { mode }), PareError, mode === "read" ? "a directory" : "not a file");
      assertThrows(() => Registry.open(join(file, "runs.db"), { mode }), PareError, "cannot be opened");
    }
    assertThrows(() => Registry.open(join(folder, "none"), { mode: "read" }), PareError, "does not exist");
    assertThrows(() => Registry.open(file, { mode: "read" }), PareError, "is empty");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["file"]);
  }));

/** Root may write what nobody may, by one capability, which it can start a process without (util-linux). */
const UNPRIVILEGED = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override"];

function hasProgram(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false; // it is not there
  }
}

const root = Deno.build.os !== "windows" && Deno.uid() === 0;

Deno.test({
  name: "a read-only registry can be read, and is refused for writing before a run begins",
  ignore: Deno.build.os === "windows" || root && !hasProgram("setpriv"),
  fn: () =>
    withFolder(async (folder) => {
      const path = join(folder, "runs.db");
      fill(path);
      Deno.chmodSync(path, 0o444);
      const program = new URL("registry_readonly.ts", import.meta.url).pathname;
      const [start, ...args] = [...root ? UNPRIVILEGED : [], Deno.execPath(), "run", "--allow-all", program, path];
      const { stdout } = await new Deno.Command(start, { args, stderr: "inherit" }).output();
      const { plain, linears, write } = JSON.parse(new TextDecoder().decode(stdout));
      // The file is what it should be: the system refuses it.
      assertStringIncludes(plain, "PermissionDenied");
      assertEquals(linears, 40);
      assertStringIncludes(write, "PareError");
      assertStringIncludes(write, "read-only");
      assert(write.includes(path) && !write.includes("\n"), write);
    }),
});

/** Enough to meet the header, the schema, inner pages, leaves and the JSON in them. */
const DAMAGES = 300;

Deno.test("a damaged registry gives what it can or says that it is damaged, and nothing else", () =>
  withFolder((folder) => {
    const whole = join(folder, "whole.db"), path = join(folder, "runs.db");
    fill(whole);
    const bytes = Deno.readFileSync(whole);
    let refused = 0;
    for (let damage = 0; damage < DAMAGES; damage++) {
      const where = `PARE_FUZZ_SEED=${SEED}, damage ${damage}`, random = generator(SEED * 1_000_003 + damage);
      const damaged = bytes.slice(0, damage % 3 ? bytes.length : random(bytes.length));
      // Half of them in the first pages, where the structure is.
      const reach = damage % 2 ? damaged.length : Math.min(damaged.length, 16384);
      for (let flip = 0; flip < 8; flip++) {
        if (reach) damaged[random(reach)] ^= 1 << random(8);
      }
      Deno.writeFileSync(path, damaged);
      try {
        using registry = Registry.open(path, { mode: damage % 5 ? "read" : "write" });
        for (const { id } of registry.list().runs) {
          for (const { name } of registry.layers(id)) registry.layer(id, String(name));
          registry.events(id);
        }
      } catch (error) {
        if (!(error instanceof PareError)) throw new Error(`${where}: not a PareError`, { cause: error });
        refused++;
      }
      for (const ending of ["-wal", "-shm"]) {
        try {
          Deno.removeSync(path + ending);
        } catch { /* it was closed as it should be */ }
      }
    }
    assert(refused > DAMAGES / 10, `PARE_FUZZ_SEED=${SEED}: ${refused} of ${DAMAGES} were noticed`);
  }));
