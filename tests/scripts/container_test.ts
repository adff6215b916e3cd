/** The container's recipe: what it copies is all that Pare is made of, by the Deno that is tested; it is built where a builder is. */
import { assert, assertEquals } from "@std/assert";
import { load } from "js-yaml";
import { parse } from "../../src/cli/flags.ts";
import { serveCommand } from "../../src/cli/serve_command.ts";
import { ROOT } from "./commands.ts";

const recipe = (await Deno.readTextFile(`${ROOT}Containerfile`)).split("\n").filter((line) => !line.startsWith("#"));
const lines = (word: string) =>
  recipe.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));

Deno.test("its image is of the Deno that the gate runs, and it is no root that runs in it", async () => {
  const [, version] = /deno@([\d.]+)/.exec(await Deno.readTextFile(`${ROOT}.ci/run`))!;
  assertEquals(lines("FROM"), [`docker.io/denoland/deno:${version}`]);
  assertEquals(lines("USER"), ["1993:1993"]);
  assert(lines("ENTRYPOINT")[0].includes('"--cached-only", "--frozen"'));
  assert(lines("RUN")[0].includes("--frozen"));
});

Deno.test("all that a command or its sandbox imports is copied, and all that is copied is there", async () => {
  const copied = lines("COPY").flatMap((line) => line.split(" ").slice(0, -1));
  for (const path of copied) assert(await Deno.stat(`${ROOT}${path}`));
  const entries = lines("RUN")[0].split(" ").filter((word) => word.endsWith(".ts"));
  for (const entry of entries) {
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", `${ROOT}${entry}`] })
      .output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { local?: string }[] };
    assert(modules.length > 1, entry);
    for (const { local } of modules) {
      if (!local?.startsWith(ROOT)) continue;
      const path = local.slice(ROOT.length);
      assert(copied.some((each) => path === each || path.startsWith(`${each}/`)), `${path} is not copied`);
    }
  }
});

Deno.test("compose runs the server with flags that it has, on a file system that is not written", async () => {
  const { services } = load(await Deno.readTextFile(`${ROOT}compose.yaml`)) as {
    services: Record<string, { command?: string[]; read_only: boolean; cap_drop: string[]; image: string }>;
  };
  const [, ...flags] = services.serve.command!;
  assert(parse(serveCommand, flags) !== "help");
  for (const { read_only, cap_drop } of Object.values(services)) assertEquals([read_only, cap_drop], [true, ["ALL"]]);
});
