/** `pare` as a person and a program start it: the commands behind it, what it says, and how it ends. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { temporary } from "../checkpoint/folders.ts";
import { Registry } from "../../src/run/registry.ts";
import { AUSTEN, run, TOKENS } from "./commands.ts";

Deno.test("pare lists its commands, tells its version, and names what a mistyped command was meant to be", async () => {
  const { code, out, err } = await run("pare");
  assertEquals([code, err], [0, ""]);
  assertMatch(out, /^ {2}prune +remove/m);
  assertMatch((await run("pare", "eval", "--version")).out, /^pare \d+\.\d+\.\d+\n$/);
  assertEquals(await run("pare", "pruen", "--json", "--progress", "json"), {
    code: 2,
    out: '{"error":{"message":"unknown command pruen: did you mean prune?","code":2}}\n',
    err: '{"error":{"message":"unknown command pruen: did you mean prune?","code":2}}\n',
  });
});

Deno.test("a run is named, tagged and noted on by the command that leaves it, and again where it is done already", async () => {
  using folder = temporary();
  const runs = `${folder.path}/runs.db`;
  const evaluate = async (...labels: string[]) => {
    const args = ["eval", AUSTEN, "--tokens", TOKENS, "--windows", "1", "-b", "wasm", "--runs", runs, ...labels];
    const { code, out, err } = await run("pare", ...args, "--json", "--progress", "json");
    assertEquals(code, 0, err);
    const lines = err.trimEnd().split("\n").map((line) => JSON.parse(line));
    return { result: JSON.parse(out), progress: lines.flatMap(({ progress }) => progress ?? []) };
  };
  const labels = (id: string) => {
    using registry = Registry.open(runs, { mode: "read" });
    const { name, tags, note } = registry.get(id)!;
    return { name, tags, note };
  };
  const { result, progress } = await evaluate("--name", "dense", "-t", "a", "--tag", "b,c", "--note", "one window");
  assertEquals(labels(result.run), { name: "dense", tags: ["a", "b", "c"], note: "one window" });
  assertEquals([progress.at(-1).done, progress.at(-1).short], [progress[0].total, "6/6"]);
  assert(
    progress.every(({ unit, peakBytes }: { unit: string; peakBytes: number }) => unit === "tokens" && peakBytes > 0),
  );
  const again = await evaluate("--name", "the dense one");
  assertEquals([again.result.done, again.result.run, again.progress], [true, result.run, []]);
  assertEquals(labels(result.run), { name: "the dense one", tags: ["a", "b", "c"], note: "one window" });
});

Deno.test("a label that cannot be kept is told before anything is done", async () => {
  using folder = temporary();
  const refused = ["eval", `${folder.path}/none`, "--tag", "two words"];
  const { code, err } = await run("pare", ...refused);
  assertEquals(code, 2);
  assertStringIncludes(err, 'the tag "two words": expected a word without blanks');
});
