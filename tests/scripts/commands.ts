/** The commands as a user runs them: a process of its own, its exit code, and what it says on both streams. */
import { assert, assertEquals } from "@std/assert";

/** The root of the repository. */
export const ROOT = new URL("../../", import.meta.url).pathname;
/** The trained model that comes with it. */
export const AUSTEN = `${ROOT}tests/fixtures/models/Austen-700K`;
/** What stands beside a pruned model's own files: its manifest and its card. */
export const BESIDE = ["README.md", "pare_manifest.json"];
/** A text that it has not seen. */
export const HELD_OUT = `${ROOT}tests/fixtures/data/austen-heldout.txt`;
/** Its calibration and evaluation tokens, as the golden runs have them. */
export const TOKENS = `${ROOT}tests/golden/Austen-700K/tokens.safetensors`;

/** Where the tests' own runs are recorded. */
export const DATA_HOME = Deno.makeTempDirSync({ prefix: "pare-data-" });
globalThis.addEventListener("unload", () => Deno.removeSync(DATA_HOME, { recursive: true }));

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The process of a command, to be watched or stopped. */
export function start(command: string, ...args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/${command}.ts`, ...args],
    // Runs are recorded, but not among those of whoever tests.
    env: { NO_COLOR: "1", XDG_DATA_HOME: DATA_HOME },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs `deno task <command> <args>` to its end. */
export async function run(command: string, ...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await start(command, ...args).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** Runs a command that must succeed with `--json`, and gives the one object on its stdout. */
// deno-lint-ignore no-explicit-any -- the JSON of a command, looked into by the test
export async function runJson(command: string, ...args: readonly string[]): Promise<any> {
  const { code, out, err } = await run(command, ...args, "--json");
  assertEquals(code, 0, err);
  assert(out.endsWith("}\n") && out.indexOf("\n") === out.length - 1, `one line was expected: ${out}`);
  return JSON.parse(out);
}
