/** Pare from elsewhere: started from another folder, by a task, installed, and imported by another project. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { ROOT } from "./commands.ts";

/** What a process says; it must end well. */
async function deno(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { INIT_CWD: _, ...inherited } = Deno.env.toObject();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    // What the tests themselves were started with is not this user's.
    clearEnv: true,
    env: { ...inherited, NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** A folder that is no part of the clone, with a model in it. */
async function elsewhere(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare elsewhere " });
  try {
    await Deno.mkdir(join(folder, "model"));
    for await (const { name } of Deno.readDir(`${ROOT}tests/fixtures/models/tiny-mistral`)) {
      await Deno.copyFile(`${ROOT}tests/fixtures/models/tiny-mistral/${name}`, join(folder, "model", name));
    }
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("paths are relative to where the user stands, though a task of Deno runs in the clone", () =>
  elsewhere(async (folder) => {
    const inspect = ["--quiet", "pare", "inspect", "model", "--json"];
    assertEquals(
      JSON.parse(await deno(folder, ["task", "--config", `${ROOT}deno.json`, ...inspect])).model,
      "model",
    );
    assertEquals(JSON.parse(await deno(folder, ["task", "--cwd", ROOT, ...inspect])).model, "model");
    const subfolder = `${ROOT}tests/fixtures/models`;
    const here = ["task", "--quiet", "inspect", "tiny-mistral", "--json"];
    assertEquals(JSON.parse(await deno(subfolder, here)).model, "tiny-mistral");
  }));

Deno.test("started without a task, paths are relative to the working directory, whatever another tool left behind", () =>
  elsewhere(async (folder) => {
    const args = ["run", "-A", `${ROOT}scripts/pare.ts`, "inspect", "model", "--json"];
    assertEquals(JSON.parse(await deno(folder, args, { INIT_CWD: ROOT })).model, "model");
  }));

Deno.test("the command of the README installs pare, and it runs from another folder", () =>
  elsewhere(async (folder) => {
    const [, command] = /^(deno install .*)$/m.exec(await Deno.readTextFile(`${ROOT}README.md`))!;
    const [, ...install] = command.split(" ");
    await deno(ROOT, install, { DENO_INSTALL_ROOT: join(folder, "root") });
    const { code, stdout, stderr } = await new Deno.Command(join(folder, "root", "bin", "pare"), {
      args: ["inspect", "model"],
      cwd: folder,
      // The installed command asks the path for `deno`: it is the one that runs this.
      env: { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertMatch(new TextDecoder().decode(stdout), /^model: mistral: /);
  }));

Deno.test("the installed command finds every module, by the packages of deno.json with a stand-in for @std/cli", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const { "@std/assert": _assert, "@std/cli": _cli, ...packages } = imports;
  const installed = JSON.parse(await Deno.readTextFile(`${ROOT}vendor/std/installed.json`));
  assertEquals(installed, { imports: { "@std/cli/parse-args": "./cli/parse_args.ts", ...packages } });
  const config = ["--no-lock", "--config", "vendor/std/installed.json"];
  const info = JSON.parse(await deno(ROOT, ["info", "--json", ...config, "scripts/pare.ts"]));
  assertEquals(info.modules.flatMap(({ error }: { error?: string }) => error ?? []), []);
  const missing = info.modules.flatMap(({ dependencies = [] }: { dependencies?: { code?: { error?: string } }[] }) =>
    dependencies.flatMap(({ code }) => code?.error ?? [])
  );
  assertEquals(missing, []);
});

Deno.test("a program in another folder imports the library by its path, and by its name with links", () =>
  elsewhere(async (folder) => {
    const use = "{ findMethod, openCheckpoint }";
    const body = `await using model = await openCheckpoint("model");
      console.log(findMethod("wanda").name, model.tensors.size > 0);`;
    await Deno.writeTextFile(
      join(folder, "path.ts"),
      `import ${use} from ${JSON.stringify(`${ROOT}src/mod.ts`)};${body}`,
    );
    assertEquals(await deno(folder, ["run", "--cached-only", "-A", "path.ts"]), "wanda true\n");
    const project = join(folder, "project");
    await Deno.mkdir(project);
    await Deno.writeTextFile(
      join(project, "deno.json"),
      JSON.stringify({ links: [ROOT], imports: { pare: "jsr:@pare/pare@^0.1.0" } }),
    );
    await Deno.writeTextFile(join(project, "name.ts"), `import ${use} from "pare";${body}`);
    assertEquals(await deno(folder, ["run", "--cached-only", "-A", "project/name.ts"]), "wanda true\n");
  }));

Deno.test("the library names what it takes from npm in full, by the versions of deno.json", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const info = JSON.parse(await deno(ROOT, ["info", "--json", "src/mod.ts"]));
  const named = info.modules.flatMap((
    { specifier, dependencies = [] }: { specifier: string; dependencies?: { specifier: string }[] },
  ) => specifier.startsWith("file:") ? dependencies.map(({ specifier }) => specifier) : [])
    .filter((specifier: string) => !/^(\.|node:)/.test(specifier));
  assert(named.length > 0);
  for (const specifier of named) assert(Object.values(imports).includes(specifier), specifier);
});

Deno.test("every task says what it does", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  for (const [name, task] of Object.entries<{ description?: string }>(tasks)) {
    assert((task.description?.length ?? 0) > 10, name);
  }
});

Deno.test("JSR would take the library: its public types are written down, its files are there", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--no-check", "--allow-dirty"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assertEquals([code, said.match(/^(warning|error).*$/m)], [0, null], said);
  for (const file of ["src/mod.ts", "LICENSE", "kernels/pkg", "wgsl/linear.wgsl"]) assertStringIncludes(said, file);
});
