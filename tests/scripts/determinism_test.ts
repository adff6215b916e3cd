/** The same command twice, with any number of workers, in memory or spooled, gives the same bytes on one backend. */
import { assert, assertEquals } from "@std/assert";
import { temporary } from "../checkpoint/folders.ts";
import { AUSTEN, run, TOKENS } from "./commands.ts";

/** Prunes with these flags and gives the bytes of the weights. */
async function weights(...flags: string[]): Promise<Uint8Array> {
  using folder = temporary();
  const out = `${folder.path}/out`;
  const { code, err } = await run("prune", "--model", AUSTEN, "--calibration", TOKENS, "--out", out, ...flags);
  assertEquals(code, 0, err);
  return Deno.readFileSync(`${out}/model.safetensors`);
}

/** Several batches of calibration, the last one not full. */
const CALIBRATION = ["--samples", "27", "--seqlen", "101"];

for (const how of [["--sparsity", "0.5"], ["--pattern", "2:4"], ["--variant"], ["--group", "column"]]) {
  Deno.test(`wasm, ${how.join(" ")}: all cores twice, one worker and three give the same bytes`, async () => {
    const flags = ["--backend", "wasm", ...CALIBRATION, ...how], first = await weights(...flags);
    const dense = Deno.readFileSync(`${AUSTEN}/model.safetensors`);
    assert(String(first) !== String(dense), "nothing was pruned");
    for (const other of [[], ["--workers", "1"], ["--workers", "3"]]) {
      assertEquals(await weights(...flags, ...other), first, other.join(" "));
    }
  });
}

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
    assertEquals(await weights(...flags), await weights(...flags));
  },
});
