/** The same command twice, with any number of workers, in memory or spooled, gives the same bytes on one backend. */
import { assert, assertEquals } from "@std/assert";
import { temporary } from "../checkpoint/folders.ts";
import { AUSTEN, run, TOKENS } from "./commands.ts";
import { IN_PROCESS } from "./in_process.ts";

/** Prunes with these flags, here or in a process, and gives the bytes of the weights. */
async function weightsBy(prune: (...args: string[]) => Promise<unknown>, flags: string[]): Promise<Uint8Array> {
  using folder = temporary();
  const out = `${folder.path}/out`;
  await prune("--model", AUSTEN, "--calibration", TOKENS, "--out", out, ...flags);
  return Deno.readFileSync(`${out}/model.safetensors`);
}

const weights = (...flags: string[]): Promise<Uint8Array> => weightsBy(IN_PROCESS.prune, flags);

const processWeights = (...flags: string[]): Promise<Uint8Array> =>
  weightsBy(async (...args) => {
    const { code, err } = await run("prune", ...args);
    assertEquals(code, 0, err);
  }, flags);

/** Two batches of calibration, the last one not full, and two blocks: the second sees what the first has become. */
const CALIBRATION = ["--samples", "13", "--seqlen", "101", "--blocks", "0-1"];

for (const how of [["--sparsity", "0.5"], ["--pattern", "2:4"], ["--variant"], ["--group", "column"]]) {
  Deno.test(`wasm, ${how.join(" ")}: all cores twice, one worker and three give the same bytes`, async () => {
    const cores = ["--workers", String(navigator.hardwareConcurrency)];
    const flags = ["--backend", "wasm", ...CALIBRATION, ...how], first = await weights(...flags, ...cores);
    const dense = Deno.readFileSync(`${AUSTEN}/model.safetensors`);
    assert(first.some((byte, i) => byte !== dense[i]), "nothing was pruned");
    for (const other of [cores, ["--workers", "1"], ["--workers", "3"]]) {
      assertEquals(await weights(...flags, ...other), first, other.join(" "));
    }
  });
}

Deno.test("wasm: a process of its own gives the same bytes", async () => {
  const flags = ["--backend", "wasm", ...CALIBRATION];
  assertEquals(await processWeights(...flags), await weights(...flags));
});

Deno.test("wasm: hidden states in a file give the same bytes as in memory", async () => {
  const flags = ["--backend", "wasm", ...CALIBRATION];
  assertEquals(await weights(...flags, "--spool"), await weights(...flags));
});

Deno.test({
  name: "webgpu: the same command twice gives the same bytes",
  // Set by `deno task test` where no adapter could be had.
  ignore: Deno.env.get("PARE_NO_WEBGPU") === "1",
  fn: async () => {
    const flags = ["--backend", "webgpu", "--samples", "5", "--seqlen", "33", "--blocks", "0-1"];
    assertEquals(await processWeights(...flags), await weights(...flags));
  },
});
