/** How a command ends, seen from outside: exit code, stdout, stderr of a real process. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const CARVE = new URL("carve.ts", import.meta.url).pathname;

function command(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", CARVE, ...args],
    stdout: "piped",
    stderr: "piped",
  });
}

async function carve(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await command(...args).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** Sends a command signals when it says that it is ready, the next ones when it has answered, and gives how it ended. */
async function interrupt(
  child: Deno.ChildProcess,
  ...signals: Deno.Signal[][]
): Promise<{ code: number; err: string }> {
  let err = "", sent = 0;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    err += text;
    const answered = err.split("\n").length - 1;
    if (sent < signals.length && answered > sent) { for (const signal of signals[sent++]) child.kill(signal); }
  }
  await child.stdout.cancel();
  return { code: (await child.status).code, err };
}

Deno.test("a result is text on stdout, and nothing else is", async () => {
  assertEquals(await carve(), { code: 0, out: "carved\nwell\n", err: "" });
});

Deno.test("--json prints one object in its place", async () => {
  assertEquals(await carve("--json"), { code: 0, out: '{"carved":true}\n', err: "" });
});

Deno.test("--help is a result", async () => {
  const { code, out, err } = await carve("--help");
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "Example:\n  deno task carve --end well\n");
});

Deno.test("what the user can mend is one line on stderr and exit code 2", async () => {
  const found = { code: 2, out: "", err: "error: oak.txt: found a knot, expected straight grain\n" };
  assertEquals(await carve("--end", "mendable"), found);
  assertEquals(await carve("--end", "mendable", "--json"), {
    ...found,
    out: '{"error":{"message":"oak.txt: found a knot, expected straight grain","code":2}}\n',
  });
});

Deno.test("a mistyped flag is what the user can mend", async () => {
  assertEquals(await carve("--edn", "well"), {
    code: 2,
    out: "",
    err: "error: unknown flag --edn: did you mean --end?\n",
  });
});

Deno.test("a problem beside a result is exit code 2, with the result", async () => {
  assertEquals(await carve("--end", "problem", "--json"), {
    code: 2,
    out: '{"carved":true}\n',
    err: "error: the bark is damaged\n",
  });
});

Deno.test("a bug shows its stack and is exit code 70", async () => {
  const { code, out, err } = await carve("--end", "bug");
  assertEquals([code, out], [70, ""]);
  assertMatch(err, /^error: this is a bug in Pare.*\nTypeError: the knife is a spoon\n {4}at .*carve\.ts/);
  const told = await carve("--end", "bug", "--json");
  assertEquals([told.code, JSON.parse(told.out).error.code, told.err], [70, 70, err]);
});

Deno.test("a reader that goes away is no error", async () => {
  const child = command().spawn();
  await child.stdout.cancel();
  const { code, stderr } = await child.output().catch(async () => ({
    code: (await child.status).code,
    stderr: new Uint8Array(),
  }));
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`${signal} lets the command tidy up and is exit code ${code}`, async () => {
    const { code: found, err } = await interrupt(command("--end", "wait").spawn(), [signal]);
    assertEquals(found, code);
    assertEquals(err, `ready\n${signal}: stopping; once more stops at once\ntidied up\nerror: stopped by ${signal}\n`);
  });
}

Deno.test("a second signal ends a command that does not stop", async () => {
  const { code, err } = await interrupt(command("--end", "hang").spawn(), ["SIGINT"], ["SIGINT"]);
  assertEquals([code, err], [130, "ready\nSIGINT: stopping; once more stops at once\n"]);
});

Deno.test("a terminal that closes twice is closed once: the command still tidies up", async () => {
  const { code, err } = await interrupt(command("--end", "wait").spawn(), ["SIGHUP", "SIGHUP"]);
  assertEquals(code, 129);
  assertStringIncludes(err, "tidied up\n");
});

Deno.test({
  name: "what is started to outlive its terminal does, and can still be stopped",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const args = ["-c", 'trap "" HUP; exec "$@"', "sh", Deno.execPath(), "run", "--quiet", "--allow-all", CARVE];
    const child = new Deno.Command("sh", { args: [...args, "--end", "wait"], stdout: "piped", stderr: "piped" })
      .spawn();
    const { code, err } = await interrupt(child, ["SIGHUP", "SIGTERM"]);
    assertEquals(code, 143);
    assertEquals(err, "ready\nSIGTERM: stopping; once more stops at once\ntidied up\nerror: stopped by SIGTERM\n");
  },
});
