/** `deno task serve` as a user runs it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TextLineStream } from "../../src/cli/lines.ts";
import { ROOT, run, start } from "../scripts/commands.ts";
import { Registry } from "../../src/run/registry.ts";
import { manifest } from "../run/runs.ts";
import { openFixture } from "./fixture.ts";

/** Starts the server on a free port; where it listens, and how to end it. */
async function serve(...args: string[]) {
  const child = start("serve", "--port", "0", ...args);
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  const { value = "" } = await lines.read();
  const [, address] = /(http:\S+)/.exec(value)!;
  return {
    address,
    async stop() {
      child.kill("SIGTERM");
      await lines.cancel();
      await child.stdout.cancel();
      return (await child.status).code;
    },
  };
}

Deno.test("it says where it listens, answers there, and ends on SIGTERM", async () => {
  await using fixture = await openFixture();
  const { address, stop } = await serve("--runs", fixture.path);
  try {
    assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    const { runs } = await (await fetch(`${address}api/runs`)).json();
    assertEquals(runs.length, 3);
    const taken = await run("serve", "--runs", fixture.path, "--port", new URL(address).port);
    assertEquals([taken.code, taken.out], [2, ""]);
    assertMatch(taken.err, /port \d+ of 127\.0\.0\.1 is in use; --port N takes another one/);
    assertEquals(taken.err.trim().split("\n").length, 1);
  } finally {
    assertEquals(await stop(), 143);
  }
});

Deno.test("it starts before any run is recorded, and shows the first one when it comes", async () => {
  const directory = await Deno.makeTempDir({ prefix: "pare-server-" }), path = `${directory}/runs.db`;
  const { address, stop } = await serve("--runs", path);
  const listed = async () => (await (await fetch(`${address}api/runs`)).json()).runs;
  try {
    assertEquals(await listed(), []);
    using registry = Registry.open(path, { mode: "write" });
    const id = registry.begin(manifest({ planId: "00000000000000aa" }));
    assertEquals((await listed()).map((run: { id: string }) => run.id), [id]);
  } finally {
    await stop();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("it may read the registry and Pare's own files and listen at one address, and nothing else", async () => {
  await using fixture = await openFixture();
  const { code, out } = await run("serve", "--runs", fixture.path, "--port", "7000", "--explain-permissions");
  const path = Deno.realPathSync(fixture.path), files = [path, `${path}-wal`, `${path}-shm`];
  assertEquals([code, out.trimEnd().split("\n")], [0, [
    ...[ROOT, ...files].map((file) => `--allow-read=${file}`),
    "--allow-net=127.0.0.1:7000",
    "and nothing else: no other address, no environment, no subprocess",
  ]]);
});

Deno.test("what cannot be served is one line and exit code 2", async () => {
  await using fixture = await openFixture();
  for (
    const [args, says] of [
      [["--runs", "/nowhere/runs.db"], "/nowhere/runs.db"],
      [["--runs", fixture.path, "--host", "0.0.0.0"], "--host 0.0.0.0 is open to other machines: expected a token"],
      [["--runs", fixture.path, "--host", "::"], "expected a token"],
      [["--runs", fixture.path, "--token-file", "/nowhere/token"], "--token-file /nowhere/token"],
      [["--runs", fixture.path, "--host", "127.0.0.1.nowhere.invalid"], "127.0.0.1.nowhere.invalid"],
      [["--port", "65536"], "--port 65536: expected a port from 0 to 65535"],
    ] as const
  ) {
    const { code, out, err } = await run("serve", ...args);
    assertEquals([code, out], [2, ""], err);
    assertStringIncludes(err, says);
    assertEquals(err.trim().split("\n").length, 1, err);
  }
});

Deno.test("open to other machines, it asks for the token of its file", async () => {
  await using fixture = await openFixture();
  const file = `${fixture.path}.token`, token = "0123456789abcdef";
  await Deno.writeTextFile(file, `${token}\n`);
  const { address, stop } = await serve("--runs", fixture.path, "--host", "0.0.0.0", "--token-file", file);
  try {
    const url = address.replace("0.0.0.0", "127.0.0.1") + "api/runs";
    const bare = await fetch(url);
    await bare.body?.cancel();
    const known = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await known.body?.cancel();
    assertEquals([bare.status, known.status], [401, 200]);
  } finally {
    await stop();
  }
});
