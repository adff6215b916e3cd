/** A run holds what its arguments ask for, and nothing else. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { permissionFlags } from "../../src/cli/sandbox.ts";
import { temporary } from "../checkpoint/folders.ts";
import { Reach } from "../../scripts/sandbox.ts";
import { AUSTEN, ROOT, run, runJson, TOKENS } from "./commands.ts";

const FLAGS = ["--model", AUSTEN, "--calibration", TOKENS, "--samples", "2", "--backend", "wasm"];

Deno.test("--explain-permissions prints what a run may touch, and nothing is run", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`, runs = `${folder.path}/runs.db`;
  const { permissions } = await runJson("prune", ...FLAGS, "--out", out, "--runs", runs, "--explain-permissions");
  const { read, write } = permissions as { read: string[]; write: string[] };
  assertEquals(read.slice(0, 3), [ROOT, AUSTEN, TOKENS]);
  const spool = write.find((path) => path.includes(".pare-hidden-"))!;
  assertEquals(
    write.filter((path) => path !== spool).sort(),
    [out, `${folder.path}/.out.partial`, runs, `${runs}-shm`, `${runs}-wal`].sort(),
  );
  assert(write.every((path) => read.includes(path)));
  const { code, out: text } = await run("prune", ...FLAGS, "--out", out, "--runs", "none", "--explain-permissions");
  assertEquals(code, 0);
  assertStringIncludes(text, `--allow-read=${AUSTEN}\n`);
  assertStringIncludes(text, "and nothing else: no network, no environment, no subprocess\n");
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("inside, the network, the environment, the home directory, a subprocess and foreign code are refused", async () => {
  using folder = temporary();
  const reach = new Reach();
  await reach.model(AUSTEN, {});
  reach.output(`${folder.path}/out`, AUSTEN, false);
  const tries = {
    network: 'await fetch("http://127.0.0.1:8081/")',
    environment: 'Deno.env.get("HOME")',
    home: `Deno.readDirSync(${JSON.stringify(Deno.env.get("HOME") ?? "/root")})`,
    beside: `Deno.readTextFileSync(${JSON.stringify(`${folder.path}/secret`)})`,
    elsewhere: `Deno.writeTextFileSync(${JSON.stringify(`${folder.path}/other`)}, "")`,
    subprocess: 'new Deno.Command("true").outputSync()',
    library: 'Deno.dlopen("libc.so.6", {})',
    pare: `Deno.writeTextFileSync(${JSON.stringify(`${ROOT}src/mod.ts`)}, "")`,
  };
  Deno.writeTextFileSync(`${folder.path}/secret`, "secret");
  const program = `${folder.path}/tries.ts`;
  Deno.writeTextFileSync(
    program,
    Object.entries(tries).map(([what, attempt]) =>
      `try { ${attempt}; console.log("${what}: done"); } catch (error) { console.log("${what}: " + error.name); }`
    ).join("\n"),
  );
  const flags = permissionFlags(reach.permissions);
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", ...flags, program] })
    .output();
  const said = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assertEquals(said, Object.keys(tries).map((what) => `${what}: NotCapable`));
});

Deno.test("a path with a blank, a letter from afar, .. or a link is the same path inside", async () => {
  using folder = temporary();
  const odd = `${folder.path}/a b – ü`;
  Deno.mkdirSync(odd);
  Deno.symlinkSync(AUSTEN, `${odd}/model`);
  Deno.symlinkSync(odd, `${folder.path}/link`);
  const flags = ["--model", `${odd}/model`, "--calibration", TOKENS, "--samples", "2", "--backend", "wasm"];
  await runJson("prune", ...flags, "--out", `${folder.path}/link/../link/out 1`, "--runs", `${odd}/runs 1.db`);
  assertEquals([...Deno.readDirSync(odd)].map(({ name }) => name).sort(), ["model", "out 1", "runs 1.db"]);
});

Deno.test("a path with a comma cannot be opened to a run, and that is said", async () => {
  using folder = temporary();
  const { code, err } = await run("prune", ...FLAGS, "--out", `${folder.path}/a,b`, "--runs", "none");
  assertEquals(code, 2);
  assertStringIncludes(err, `error: ${folder.path}/a,b: a path with a comma cannot be opened to a run; rename it`);
});
