/** A corpus from stdin reaches the work in its sandbox, is the same as one from a file, and leaves nothing behind. */
import { assertEquals } from "@std/assert";
import { calibrationSequences, evaluationWindows, loadTokenizer, openCheckpoint, readSpec } from "../../src/mod.ts";
import { AUSTEN, DATA_HOME, HELD_OUT, ROOT } from "./commands.ts";

/** Runs a command on an input; `folder` is its directory for temporary files. */
// deno-lint-ignore no-explicit-any -- the JSON of a command, looked into by the test
async function runOn(input: string, folder: string, command: string, ...args: string[]): Promise<any> {
  await using file = await Deno.open(input);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/${command}.ts`, ...args, "--json"],
    env: { NO_COLOR: "1", XDG_DATA_HOME: DATA_HOME, TMPDIR: folder },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), file.readable.pipeTo(child.stdin)]);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("--calibration - and --corpus /dev/stdin read stdin, inside the sandbox, and keep nothing", async () => {
  const folder = await Deno.makeTempDir();
  await using checkpoint = await openCheckpoint(AUSTEN);
  const how = {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), AUSTEN),
    vocabulary: readSpec(checkpoint).vocabulary,
    seqlen: 64,
  };
  const model = ["--model", AUSTEN, "--seqlen", "64"];
  try {
    const drawn = await calibrationSequences(HELD_OUT, { ...how, samples: 2 });
    const { calibration } = await runOn(
      HELD_OUT,
      folder,
      "prune",
      ...model,
      "--samples",
      "2",
      "--calibration",
      "-",
      "--dry-run",
    );
    assertEquals([calibration.sha256, calibration.description], [drawn.sha256, "stdin"]);

    const cut = await evaluationWindows(HELD_OUT, { ...how, windows: 2 });
    const asked = [...model, "--windows", "2", "--corpus", "/dev/stdin", "--runs", "none"];
    const { sha256, corpus } = await runOn(HELD_OUT, folder, "eval", ...asked);
    assertEquals([sha256, corpus], [cut.sha256, "stdin"]);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
