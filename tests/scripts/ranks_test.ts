/** `prune --ranks`: whole commands that share a run, one of them killed; what they leave, and what is refused in a line. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { AUSTEN, BESIDE, run, runJson, start, TOKENS } from "./commands.ts";
import { errorsOf } from "./in_process.ts";

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-ranks-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const asked = ["--model", AUSTEN, "--method", "sparsegpt", "--calibration", TOKENS, "--seqlen", "128", "--shards", "4"]
  .concat(["--workers", "1"]);

/** The weights of a pruned model, and its plan. */
async function resultOf(out: string) {
  const manifest = JSON.parse(await Deno.readTextFile(join(out, "pare_manifest.json")));
  const names = [...Deno.readDirSync(out)].map(({ name }) => name).filter((name) => !BESIDE.includes(name)).sort();
  return { planId: manifest.planId, names, weights: await Deno.readFile(join(out, "model.safetensors")) };
}

Deno.test("two commands share a run, the first of them killed once: the model, its plan and its record are those of one", () =>
  withFolder(async (folder) => {
    const [one, two, exchange] = ["one", "two", "exchange"].map((name) => join(folder, name)),
      runs = join(folder, "runs.db");
    await runJson("prune", ...asked, "--out", one, "--runs", "none");
    const share = ["--out", two, "--exchange", exchange, "--ranks", "2", "--runs", runs];
    const other = start("prune", ...asked, ...share, "--rank", "1"), said = other.output();
    const first = start("prune", ...asked, ...share, "--rank", "0", "--resume"), killed = first.output();
    // Until something is there to go on with.
    const blocks = () =>
      [...Deno.readDirSync(folder)].some(({ name }) => name === ".two.partial") &&
      [...Deno.readDirSync(exchange)].flatMap(({ name, isDirectory }) =>
        isDirectory ? [...Deno.readDirSync(join(exchange, name))] : []
      ).length;
    for (let tries = 0; tries < 3000 && !(Number(blocks()) >= 2); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    first.kill("SIGKILL");
    await killed;
    const again = await runJson("prune", ...asked, ...share, "--rank", "0", "--resume");
    const { code, stderr } = await said;
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(await resultOf(two), await resultOf(one));
    assertEquals(again.linears.length, 42);
    const { runs: listed } = await runJson("pare", "runs", "list", "--runs", runs);
    assertEquals(listed.map(({ status }: { status: string }) => status), ["finished"]);
    // What two have computed one can repeat.
    assertEquals(
      (await runJson("verify", two, "--model", AUSTEN, "--calibration", TOKENS, "--runs", runs)).identical,
      true,
    );
    // A rank that comes late is told.
    assertStringIncludes((await run("prune", ...asked, ...share, "--rank", "1")).out, "is done");
  }));

Deno.test("what cannot be shared, and what does not go together, is refused in a line", () =>
  withFolder(async (folder) => {
    const own = ["--out", join(folder, "out"), "--runs", "none"];
    const refused = async (...args: string[]) => {
      const said = await errorsOf("prune", ...asked, ...own, ...args);
      assertEquals(said.indexOf("\n"), said.length - 1, said);
      return said;
    };
    const exchange = ["--exchange", join(folder, "exchange")];
    assertStringIncludes(await refused("--rank", "1", "--ranks", "2"), "need --exchange");
    assertStringIncludes(await refused(...exchange, "--rank", "2", "--ranks", "2"), "--rank 2: expected 0 to 1");
    assertStringIncludes(
      await refused("--shards", "33"),
      "--shards 33: expected at most one for each of the 32 calibration",
    );
    assertStringIncludes(await refused("--reconstruct"), "exclude each other: prune without it, then finetune --mode");
    assertStringIncludes(await refused("--method", "magnitude"), "--shards: magnitude looks at no calibration");
    // By a command, too.
    const waits = [...exchange, "--rank", "0", "--ranks", "2", "--patience", "1"];
    const { code, out, err } = await run("prune", ...asked, ...own, ...waits);
    assertEquals([code, out], [2, ""], err);
    assertStringIncludes(err, "rank 1 of 2 has not come for 1 s");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["exchange"]);
    await Deno.writeTextFile(join(folder, "exchange", "rank-1.json"), '{"plan":"0123456789abcdef","ranks":2,"beat":1}');
    assertStringIncludes(
      await refused(...exchange, "--rank", "0", "--ranks", "2"),
      "has plan 0123456789abcdef, here plan",
    );
  }));
