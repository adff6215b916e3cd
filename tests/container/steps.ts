/**
 * What the Containerfile says, done without a builder, whose base image is not to be had everywhere: its files are copied to a
 * folder, its packages are installed there as the lock file has them, and its entry point prunes a model as the user that it
 * names, who may write to his volume and nowhere else. Run by `.ci/run`; a failure ends it with a stack.
 *
 *   deno run -A tests/container/steps.ts      # as root, for the user's sake
 */
import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";

const ROOT = new URL("../../", import.meta.url).pathname;
const recipe = (await Deno.readTextFile(`${ROOT}Containerfile`)).split("\n").filter((line) => !line.startsWith("#"));
const lines = (word: string) =>
  recipe.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));

/** Runs a command that must succeed, and gives what it said. */
async function run(command: string, args: readonly string[], options: Deno.CommandOptions): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { ...options, args: [...args], stdin: "null" })
    .output();
  assertEquals(code, 0, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

const folder = await Deno.makeTempDir({ prefix: "pare-container-" });
try {
  const pare = join(folder, "pare"), volume = join(folder, "work"), cache = join(folder, "deno");
  for (const line of lines("COPY")) {
    const paths = line.split(" "), to = paths.pop()!;
    for (const path of paths) {
      const target = join(pare, to.endsWith("/") ? path : to);
      await Deno.mkdir(dirname(target), { recursive: true });
      await run("cp", ["-r", `${ROOT}${path}`, target], {});
    }
  }
  const [install] = lines("RUN"),
    variables = Object.fromEntries(
      lines("ENV").flatMap((line) => line.split(" ")).map((pair) => pair.split("=") as [string, string]),
    );
  assert(install.startsWith("deno install "));
  await run(Deno.execPath(), install.split(" ").slice(1), { cwd: pare, env: { DENO_DIR: cache } });

  const [uid, gid] = lines("USER")[0].split(":").map(Number), root = Deno.uid() === 0;
  await Deno.mkdir(volume);
  await Deno.chmod(folder, 0o755);
  if (root) await Deno.chown(volume, uid, gid);
  const at = (path: string) => path.replace(/^\/(pare|work)\b/, `${folder}/$1`);
  const [, ...entry] = JSON.parse(lines("ENTRYPOINT")[0]).map(at);
  // A binary of root's own home is not for others.
  const deno = join(folder, "bin");
  await Deno.copyFile(Deno.execPath(), deno);
  await Deno.chmod(deno, 0o755);
  const user: Deno.CommandOptions = {
    cwd: volume,
    clearEnv: true,
    env: {
      ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, at(value)])),
      DENO_DIR: cache,
      HOME: "/nonexistent",
      PATH: "/usr/bin:/bin",
    },
    ...root && { uid, gid },
  };
  assert((await run(deno, [...entry, "--help"], user)).includes("prune"));
  const model = join(pare, "tests/fixtures/models/Austen-700K");
  const asked = ["--model", model, "--calibration", "sample", "--samples", "2", "--seqlen", "64", "--out", "pruned"];
  await run(deno, [...entry, "prune", ...asked], user);
  const made = [...Deno.readDirSync(volume)].map(({ name }) => name).sort();
  assertEquals(made, [".data", "pruned"]);
  if (root) assertEquals(Deno.statSync(join(volume, "pruned", "model.safetensors")).uid, uid);
  console.log("the Containerfile's steps give a Pare that prunes, as its user");
} finally {
  await Deno.remove(folder, { recursive: true });
}
