/** A run that is killed at any moment is gone on with, and ends with the bytes of one that was not. */
import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { Registry } from "../../src/run/registry.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { AUSTEN, run, runJson, start, TOKENS } from "./commands.ts";
import { CHANGES, endAfter } from "./moments.ts";

for (const method of ["wanda", "sparsegpt"]) {
  Deno.test(`${method}, killed at random moments (PARE_FUZZ_SEED) and gone on with, gives identical bytes`, async () => {
    const random = generator(SEED);
    using folder = temporary(), records = temporary();
    const flags = ["--model", AUSTEN, "--calibration", TOKENS, "--method", method, "--backend", "wasm"]
      .concat(["--runs", `${records.path}/runs.db`]);
    const whole = `${folder.path}/whole`;
    await runJson("prune", ...flags, "--out", whole);
    const bytes = Deno.readFileSync(`${whole}/model.safetensors`);
    let killed = 0, resumed = 0, done = 0;
    for (let i = 0; i < 10; i++) {
      const out = `${folder.path}/out-${i}`;
      const command = () => start("prune", ...flags, "--out", out);
      // The process that a person has started dies with its work.
      killed += Number(!(await endAfter(1 + random(CHANGES), folder.path, "SIGKILL", command)).success);
      const left = names(folder.path).filter((name) => name.includes(`out-${i}`));
      assert(/^$|^(\.out-\d\.partial,?)?(out-\d)?$/.test(String(left)), String(left));
      if (left.includes(`out-${i}`)) {
        done++; // before it was killed; what it had not cleared up yet is cleared up by whoever asks for the same
        assertEquals(Deno.readFileSync(`${out}/model.safetensors`), bytes);
        assertEquals((await runJson("prune", ...flags, "--out", out)).done, true);
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
    using registry = Registry.open(`${records.path}/runs.db`, { mode: "read" });
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
