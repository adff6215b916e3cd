/** A run holds what its arguments ask for, and nothing else. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { permissionFlags } from "../../src/cli/sandbox.ts";
import { temporary } from "../checkpoint/folders.ts";
import { PermissionSet } from "../../scripts/shared/sandbox.ts";
import { AUSTEN, BESIDE, ROOT, run, runJson, TOKENS } from "./commands.ts";

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
  const allowed = new PermissionSet();
  await allowed.model(AUSTEN, {});
  allowed.output(`${folder.path}/out`, AUSTEN, false);
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
  assertEquals(await attempt(program, allowed), Object.keys(tries).map((what) => `${what}: NotCapable`));
});

/** What a program says that runs with what a run may touch. */
async function attempt(program: string, allowed: PermissionSet): Promise<string[]> {
  const flags = permissionFlags(allowed.permissions);
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", ...flags, program] })
    .output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

Deno.test("inside, no module is fetched: not by an address, not from a registry, whatever Deno allows by itself", async () => {
  using folder = temporary();
  const allowed = new PermissionSet(), program = `${folder.path}/tries.ts`;
  const modules = [
    ...["https://example.com/x.ts", "http://127.0.0.1:8081/x.ts", "https://deno.land/x/x.ts", "https://jsr.io/x.ts"],
    ...["https://esm.sh/x", "jsr:@nobody/nothing", "npm:pare-has-no-such-package@1.2.3"],
  ];
  Deno.writeTextFileSync(
    program,
    `for (const name of ${JSON.stringify(modules)}) {
      try { await import(name); console.log("imported"); } catch (error) { console.log(error.message.replace(/\\n/g, " ")); }
    }`,
  );
  const said = await attempt(program, allowed);
  assertEquals(said.length, modules.length);
  // Refused before anything is asked of the network, and not because that did not answer.
  for (const line of said) {
    assertMatch(line, /Requires import access|--no-remote is specified|--cached-only is specified/);
  }
});

Deno.test("inside, a link in the model leads nowhere: neither a directory that it names nor a file", async () => {
  using folder = temporary();
  const model = `${folder.path}/m`, program = `${folder.path}/tries.ts`;
  Deno.mkdirSync(`${model}/onnx`, { recursive: true });
  for (const { name } of Deno.readDirSync(AUSTEN)) Deno.copyFileSync(`${AUSTEN}/${name}`, `${model}/${name}`);
  Deno.symlinkSync("/", `${model}/x`);
  Deno.symlinkSync("/etc", `${model}/onnx/etc`);
  Deno.symlinkSync("/etc/hostname", `${model}/.env`);
  Deno.symlinkSync(model, `${folder.path}/by another name`);
  const allowed = new PermissionSet();
  await allowed.model(`${folder.path}/by another name`, {});
  assertEquals(allowed.permissions.read, [ROOT, `${folder.path}/by another name`, model]);
  const paths = ["x/etc/hostname", "onnx/etc/hostname", ".env"].flatMap((path) =>
    [model, `${folder.path}/by another name`, `${model}/../m`].map((from) => `${from}/${path}`)
  );
  Deno.writeTextFileSync(
    program,
    `for (const path of ${JSON.stringify(paths)}) {
      try { Deno.readTextFileSync(path); console.log("read " + path); } catch (error) { console.log(error.name); }
    }
    console.log(Deno.readTextFileSync(${JSON.stringify(`${model}/config.json`)}).length > 0);`,
  );
  assertEquals(await attempt(program, allowed), [...paths.map(() => "NotCapable"), "true"]);
});

Deno.test("a model with a link to the root of the disk is pruned, with a link to a file elsewhere it is refused", async () => {
  using folder = temporary();
  const model = `${folder.path}/m`, out = `${folder.path}/out`;
  Deno.mkdirSync(model);
  for (const { name } of Deno.readDirSync(AUSTEN)) Deno.copyFileSync(`${AUSTEN}/${name}`, `${model}/${name}`);
  Deno.symlinkSync("/", `${model}/x`);
  const flags = ["--model", model, "--method", "magnitude", "--backend", "wasm", "--runs", "none", "--out", out];
  await runJson("prune", ...flags);
  assertEquals([...Deno.readDirSync(out)].length, [...Deno.readDirSync(AUSTEN)].length + BESIDE.length);
  Deno.symlinkSync("/etc/hostname", `${model}/vocab.json`);
  const { code, err } = await run("prune", ...flags, "--force");
  assertEquals(code, 2);
  assertStringIncludes(
    err,
    `error: ${model}/vocab.json is a link to "/etc/hostname", which lies neither in the model's`,
  );
});

Deno.test("--force and --dry-run object to what is not Pare's, and a plan names what it replaces", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`, flags = [...FLAGS, "--out", out, "--runs", "none", "--force"];
  Deno.mkdirSync(out);
  Deno.writeTextFileSync(`${out}/photo.jpg`, "precious");
  for (const dry of [[], ["--dry-run"]]) {
    const { code, err } = await run("prune", ...flags, ...dry);
    assertEquals(code, 2);
    assertStringIncludes(err, `error: the output ${out} has no pare_manifest.json by Pare; --force replaces only what`);
  }
  assertEquals(Deno.readTextFileSync(`${out}/photo.jpg`), "precious");
  Deno.removeSync(`${out}/photo.jpg`);
  await runJson("prune", ...flags);
  const { code, out: text } = await run("prune", ...flags, "--dry-run");
  assertEquals(code, 0);
  assertMatch(text, new RegExp(`^replaces: ${out}, which Pare wrote: 7 files, \\d\\.\\d+ MiB$`, "m"));
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["out"]);
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
