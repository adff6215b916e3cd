/** The registry under several processes, and under one that is killed: real processes, one file. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { Registry } from "../../src/run/registry.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { linear } from "./runs.ts";

const WRITER = new URL("registry_writer.ts", import.meta.url).href;

function startWriter(path: string, model: string, linears: number, permissions = ["-A"]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, WRITER, path, model, String(linears)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-runs-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What SQLite itself finds wrong with a file, its foreign keys included. */
function complaints(path: string): unknown[] {
  using database = new DatabaseSync(path);
  const rows = database.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  return [
    ...rows.map(({ integrity_check }) => integrity_check).filter((text) => text !== "ok"),
    ...database.prepare("PRAGMA foreign_key_check").all(),
  ];
}

Deno.test("eight processes that begin one registry and write at once lose no row and share no id", () =>
  withFolder(async (folder) => {
    const path = join(folder, "runs.db"), linears = 100, writers = 8;
    const processes = Array.from({ length: writers }, (_, index) => startWriter(path, `model ${index}`, linears));
    const outputs = await Promise.all(processes.map((process) => process.output()));
    assertEquals(outputs.map(({ code }) => code), Array(writers).fill(0));

    using registry = Registry.open(path, { mode: "read" });
    const { runs } = registry.list();
    assertEquals(new Set(runs.map(({ id }) => id)).size, writers);
    assertEquals(
      runs.map(({ manifest }) => manifest.plan.model.name).sort(),
      Array.from({ length: writers }, (_, index) => `model ${index}`),
    );
    for (const { id, status } of runs) {
      assertEquals(status, "finished");
      assertEquals(
        registry.layers(id).map(({ name }) => name),
        Array.from({ length: linears }, (_, at) => `linear.${at}`),
      );
      assertEquals(registry.events(id).filter(({ kind }) => kind === "linear").length, linears);
    }
    assertEquals(complaints(path), []);
  }));

Deno.test("a writer needs leave for the registry's file alone, not for its folder", () =>
  withFolder(async (folder) => {
    const path = join(folder, "runs.db");
    const { code } = await startWriter(path, "m", 3, [`--allow-read=${path}`, `--allow-write=${path}`]).output();
    assertEquals(code, 0);
    using registry = Registry.open(path, { mode: "read" });
    assertEquals(registry.list().runs.map(({ status }) => status), ["finished"]);
  }));

/** Kills: enough to hit the inside of a transaction many times, as the writer does nothing else. */
const KILLS = 20;
/** Linears that a process has told of before it is killed, at most; how many is drawn (PARE_FUZZ_SEED). */
const MOST_TOLD = 40;

Deno.test("a process that is killed at any moment leaves whole rows, no fewer than it was told of", () =>
  withFolder(async (folder) => {
    const path = join(folder, "runs.db");
    const random = generator(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      const process = startWriter(path, `killed ${kill}`, 1_000_000);
      // It goes on writing while it is heard: whatever it has come to then.
      const enough = 1 + random(MOST_TOLD);
      let said = "", killed = false;
      for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (killed || said.split("\n").length <= enough) continue;
        process.kill("SIGKILL");
        killed = true;
      }
      assertEquals((await process.status).signal, "SIGKILL");

      assertEquals(complaints(path), []);
      using registry = Registry.open(path, { mode: "read", now: () => Date.now() + 31_000 });
      const [{ id, status, manifest }] = registry.list({ limit: 1 }).runs;
      assertEquals(manifest.plan.model.name, `killed ${kill}`);
      assertEquals(status, "interrupted");
      const told = said.slice(0, said.lastIndexOf("\n")).split("\n").length;
      const layers = registry.layers(id);
      assert(layers.length >= told, `${layers.length} linears, ${told} were told of`);
      assert(layers.length <= told + 1, `${layers.length} linears, ${told} were told of`);
      const events = registry.events(id).filter(({ kind }) => kind === "linear");
      assertEquals(events.map(({ data }) => data), layers);
      for (const [index, { name }] of layers.entries()) {
        assertEquals(registry.layer(id, name), linear(`linear.${index}`, index));
      }
    }
  }));
