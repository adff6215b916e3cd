/** The recipes in `examples/sweep`: that of xargs run as it stands, the manifest of Kubernetes held against its rules. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { loadAll } from "js-yaml";
import { join } from "node:path";
import { parse } from "../../src/cli/flags.ts";
import { pruneCommand } from "../../src/cli/prune_command.ts";
import { takePlans } from "../../src/cli/sweep_flags.ts";
import { AUSTEN, DATA_HOME, ROOT, runJson, TOKENS } from "./commands.ts";

Deno.test("the recipe for one machine prunes all plans, two at a time, and collects their records; twice does no harm", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pare-recipe-" }), grid = join(folder, "g.json");
  // `deno task` needs a deno on the path.
  const bin = join(folder, "bin"), plans = join(folder, "sweep.jsonl");
  try {
    await Deno.mkdir(bin);
    await Deno.symlink(Deno.execPath(), join(bin, "deno"));
    await Deno.writeTextFile(
      grid,
      JSON.stringify({
        models: [AUSTEN],
        methods: ["magnitude", "wanda"],
        patterns: ["2:4"],
        flags: { calibration: TOKENS },
      }),
    );
    await runJson("sweep", grid, "--out", plans);
    for (const added of [2, 0]) {
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: [`${ROOT}examples/sweep/xargs.sh`, plans, "2"],
        env: { NO_COLOR: "1", XDG_DATA_HOME: DATA_HOME, PATH: `${bin}:${Deno.env.get("PATH")}` },
        stdin: "null",
      }).output();
      const said = new TextDecoder().decode(stdout);
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assertStringIncludes(said, `2 records: ${added} new, 0 with more than before, ${2 - added} known`);
    }
    const { runs } = await runJson("pare", "runs", "list", "--tag", "sweep-g");
    assertEquals(runs.map(({ status }: { status: string }) => status), Array(2).fill("finished"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the recipe for Kubernetes is an Indexed Job whose pods may do little, with flags that prune has", async () => {
  // deno-lint-ignore no-explicit-any -- looked into below
  const [, job] = loadAll(await Deno.readTextFile(`${ROOT}examples/sweep/kubernetes.yaml`)) as any[];
  assertEquals([job.apiVersion, job.kind, job.spec.completionMode], ["batch/v1", "Job", "Indexed"]);
  // The API refuses backoffLimitPerIndex with another policy.
  assertEquals(job.spec.template.spec.restartPolicy, "Never");
  const [{ args, securityContext, volumeMounts }] = job.spec.template.spec.containers;
  assertEquals([securityContext.readOnlyRootFilesystem, securityContext.allowPrivilegeEscalation], [true, false]);
  const volumes = job.spec.template.spec.volumes.map(({ name }: { name: string }) => name);
  for (const { name } of volumeMounts) assert(volumes.includes(name));
  const { rest } = takePlans(args.slice(1), () => "0");
  assert(parse(pruneCommand, ["--model=m", "--out=o", ...rest]) !== "help");
});

Deno.test("the recipes are shell that a shell reads, with flags that prune has", async () => {
  for (const name of ["xargs.sh", "slurm.sbatch", "slurm-ranks.sbatch", "hf-jobs.sh"]) {
    const path = `${ROOT}examples/sweep/${name}`, text = await Deno.readTextFile(path);
    assertEquals((await new Deno.Command("bash", { args: ["-n", path] }).output()).code, 0, name);
    const flags = [...text.matchAll(/prune (--[^\n&]*)/g)].flatMap(([, line]) => line.match(/--[a-z-]+/g) ?? []);
    for (const flag of flags) {
      const word = flag.slice(2);
      assert(
        word === "plans" || word === "index" || word === "progress" || word in pruneCommand.flags,
        `${name}: ${flag}`,
      );
    }
  }
});
