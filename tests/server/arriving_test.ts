/** A server before any run, and after the registry was moved away: what it shows is what stands there now. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { Registry } from "../../src/run/registry.ts";
import { createApp } from "../../src/server/app.ts";
import { ArrivingRegistry } from "../../src/server/arriving.ts";
import { manifest } from "../run/runs.ts";
import { ask } from "./fixture.ts";

/** Runs a test with a path where nothing is yet, and a server of it. */
async function withNothing(test: (path: string, app: ReturnType<typeof createApp>) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "pare-server-" });
  try {
    const path = join(directory, "data", "runs.db");
    using source = new ArrivingRegistry(path);
    await test(path, createApp({ source, version: "0.1.0", look: 5 }));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Records one run. */
function record(path: string, planId: string): string {
  using registry = Registry.open(path, { mode: "write" });
  const id = registry.begin(manifest({ planId }));
  registry.finish(id, { phases: {} });
  return id;
}

const listed = async (app: ReturnType<typeof createApp>) => {
  const { runs } = await (await ask(app, "/api/runs")).json();
  return runs.map(({ id }: { id: string }) => id);
};

Deno.test("before any run there are none, and the first one shows as soon as it is recorded", () =>
  withNothing(async (path, app) => {
    for (const address of ["/", "/healthz", "/api/runs", "/metrics"]) {
      const response = await ask(app, address);
      assertEquals([address, response.status], [address, 200]);
      await response.body?.cancel();
    }
    assertEquals(await listed(app), []);
    assertEquals((await ask(app, "/api/runs/unknown/events")).status, 404);
    await Deno.mkdir(join(path, ".."));
    await Deno.writeFile(path, new Uint8Array()); // another process is just making it
    assertEquals(await listed(app), []);
    const id = record(path, "00000000000000aa");
    assertEquals(await listed(app), [id]);
    assertMatch(await (await ask(app, `/api/runs/${id}/events`)).text(), /finished/);
  }));

Deno.test("a registry that is moved away is gone, and the one that is begun in its place is shown", () =>
  withNothing(async (path, app) => {
    record(path, "00000000000000aa");
    assertEquals((await listed(app)).length, 1);
    await Deno.rename(path, `${path}.old`);
    assertEquals(await listed(app), []);
    const id = record(path, "00000000000000bb");
    assertEquals(await listed(app), [id]);
    await Deno.rename(`${path}.old`, path);
    assertEquals(await listed(app), ["00000000000000aa"]);
  }));

Deno.test("what comes and is no registry is a problem in one line", () =>
  withNothing(async (path, app) => {
    await Deno.mkdir(join(path, ".."));
    await Deno.writeTextFile(path, "no database, but long enough to be read as one".repeat(100));
    const response = await ask(app, "/api/runs");
    assertEquals(response.status, 503);
    assertMatch((await response.json()).detail, /it is not a registry of Pare/);
  }));
