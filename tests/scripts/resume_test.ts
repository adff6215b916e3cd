/** A run that is killed at any moment is gone on with, and ends with the bytes of one that was not. */
import { assert, assertEquals, assertLessOrEqual, assertMatch, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { Registry } from "../../src/run/registry.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { AUSTEN, runJson as processJson, start, TOKENS } from "./commands.ts";
import { IN_PROCESS, runJson } from "./in_process.ts";
import { CHANGES, endAfter } from "./moments.ts";

/** Little to compute: what is claimed is of the files. */
const FLAGS = ["--model", AUSTEN, "--calibration", TOKENS, "--samples", "4", "--seqlen", "64", "--backend", "wasm"]
  .concat(["--workers", "1"]);

/**
 * How often a run of each method is killed: at a random moment of each of so many equal parts of it. What is on the disk then is
 * the same whatever the method; one that updates weights shows that the next block sees the updated ones again.
 */
const KILLS = { wanda: 5, sparsegpt: 3 };

for (const [method, kills] of Object.entries(KILLS)) {
  Deno.test(`${method}, killed at random moments (PARE_FUZZ_SEED) and gone on with, gives identical bytes`, async () => {
    const random = generator(SEED);
    using folder = temporary(), records = temporary();
    const flags = [...FLAGS, "--method", method, "--runs", `${records.path}/runs.db`], whole = `${folder.path}/whole`;
    await runJson("prune", ...flags, "--out", whole);
    const bytes = Deno.readFileSync(`${whole}/model.safetensors`);
    let killed = 0, resumed = 0, done = 0;
    for (let i = 0; i < kills; i++) {
      const out = `${folder.path}/out-${i}`, moment = Math.ceil(CHANGES * (i + random(1000) / 1000) / kills) || 1;
      const command = () => start("prune", ...flags, "--out", out);
      // The process that a person has started dies with its work.
      killed += Number(!(await endAfter(moment, folder.path, "SIGKILL", command)).success);
      const left = names(folder.path).filter((name) => name.includes(`out-${i}`));
      assert(/^$|^(\.out-\d\.partial,?)?(out-\d)?$/.test(String(left)), String(left));
      if (left.includes(`out-${i}`)) {
        done++; // before it was killed; what it had not cleared up yet is cleared up by whoever asks for the same
        assertEquals(Deno.readFileSync(`${out}/model.safetensors`), bytes);
        assertEquals((await runJson("prune", ...flags, "--out", out)).done, true);
        continue;
      }
      // Once in its sandbox.
      const goOn = resumed ? runJson : processJson, found = await goOn("prune", ...flags, "--out", out, "--resume");
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
  const flags = [...FLAGS, "--out", `${folder.path}/out`, "--runs", "none"], child = start("prune", ...flags);
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) if (text.includes("block 4")) break;
  child.kill("SIGKILL");
  await child.stdout.cancel();
  await child.status;
  const other = [...flags, "--sparsity", "0.6"];
  const { message } = await assertRejects(() => IN_PROCESS.prune(...other, "--resume"), PareError);
  assertMatch(message, /journal was begun by a run of another plan/);
  await runJson("prune", ...other);
});
