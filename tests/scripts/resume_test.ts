/** A run that is killed at any moment is gone on with, and ends with the bytes of one that was not. */
import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { Registry } from "../../src/run/registry.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { AUSTEN, run, runJson, start, TOKENS } from "./commands.ts";

/** As fine as moments are drawn, of a run's duration. */
const MOMENTS = 1000;

/** The process that a person has started dies with its work. */
async function kill(flags: readonly string[], after: number): Promise<boolean> {
  const child = start("prune", ...flags);
  const output = child.output();
  await new Promise((resolve) => setTimeout(resolve, after));
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
  return !(await output).success;
}

for (const method of ["wanda", "sparsegpt"]) {
  Deno.test(`${method}, killed at random moments (PARE_FUZZ_SEED) and gone on with, gives identical bytes`, async () => {
    const random = generator(SEED);
    using folder = temporary();
    const flags = ["--model", AUSTEN, "--calibration", TOKENS, "--method", method, "--backend", "wasm"]
      .concat(["--runs", `${folder.path}/runs.db`]);
    const whole = `${folder.path}/whole`, begun = performance.now();
    await runJson("prune", ...flags, "--out", whole);
    const duration = performance.now() - begun, bytes = Deno.readFileSync(`${whole}/model.safetensors`);
    let killed = 0, resumed = 0, done = 0;
    for (let i = 0; i < 10; i++) {
      const out = `${folder.path}/out-${i}`;
      killed += Number(await kill([...flags, "--out", out], duration * (0.3 + 0.7 * random(MOMENTS) / MOMENTS)));
      const left = names(folder.path).filter((name) => name.includes(`out-${i}`));
      assert(left.length <= 1 && (left[0] ?? "").match(/^$|^\.out-\d\.partial$|^out-\d$/), String(left));
      if (left[0] === `out-${i}`) {
        done++; // before it was killed
        continue;
      }
      const found = await runJson("prune", ...flags, "--out", out, "--resume");
      resumed += Number(found.resumed > 0);
      assertEquals(Deno.readFileSync(`${out}/model.safetensors`), bytes);
      assertEquals(found.linears.length, 42);
      Deno.removeSync(out, { recursive: true });
    }
    assert(killed > 0 && resumed > 0, `${killed} killed, ${resumed} resumed`);
    assertEquals(names(folder.path).filter((name) => name.startsWith(".")), []);
    // Who goes on takes up the record, too.
    using registry = Registry.open(`${folder.path}/runs.db`, { mode: "read" });
    const open = registry.list({ limit: 100 }).runs.filter(({ status }) => status !== "finished");
    assertLessOrEqual(open.length, done);
  });
}

Deno.test("a run with another plan does not go on with what was left, and says so", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  const flags = ["--model", AUSTEN, "--calibration", TOKENS, "--backend", "wasm", "--out", out, "--runs", "none"];
  const child = start("prune", ...flags);
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) if (text.includes("block 4")) break;
  child.kill("SIGKILL");
  await child.stdout.cancel();
  await child.status;
  const { code, err } = await run("prune", ...flags, "--sparsity", "0.6", "--resume");
  assertEquals(code, 2, err);
  assertMatch(err, /error: .*journal was begun by a run of another plan/);
  await runJson("prune", ...flags, "--sparsity", "0.6");
});
