/** `pare COMMAND …`: the one command. Each of its commands is a script of its own, loaded when it is asked for. */
import { findCommand } from "../src/cli/commands.ts";
import { mannerOf } from "../src/cli/flags.ts";
import { overview } from "../src/cli/help.ts";
import { fail, run, version } from "../src/cli/run.ts";
import { Terminal, writeAll } from "../src/cli/terminal.ts";

/** What `run` is given for each command. Their flags differ, and only `run` puts flags and command together. */
const PROGRAMS: Readonly<Record<string, () => Promise<unknown>>> = {
  prune: async () => (await import("./prune.ts")).program,
  finetune: async () => (await import("./finetune.ts")).program,
  eval: async () => (await import("./eval.ts")).program,
  compare: async () => (await import("./compare.ts")).program,
  generate: async () => (await import("./generate.ts")).program,
  inspect: async () => (await import("./inspect.ts")).program,
  pack: async () => (await import("./pack.ts")).program,
  unpack: async () => (await import("./unpack.ts")).program,
  verify: async () => (await import("./verify.ts")).program,
  sweep: async () => (await import("./sweep.ts")).program,
  collect: async () => (await import("./collect.ts")).program,
  serve: async () => (await import("./serve.ts")).program,
  "chat-server": async () => (await import("./chat-server.ts")).program,
  demo: async () => (await import("./demo.ts")).program,
  completions: async () => (await import("./completions.ts")).program,
};

try {
  const asked = findCommand(Deno.args);
  if ("list" in asked) {
    const text = mannerOf(Deno.args).version ? `pare ${await version()}` : overview(asked.list, await version());
    writeAll(Deno.stdout, `${text}\n`);
    Deno.exit(0);
  }
  const { command: { name }, args } = asked;
  const programs = name.startsWith("runs ") ? (await import("./runs.ts")).programs : PROGRAMS;
  const [command, main, sandbox] = await programs[name]() as Parameters<typeof run>;
  await run(command, main, sandbox, { args, program: "pare" });
} catch (error) {
  const manner = mannerOf(Deno.args);
  Deno.exit(fail(error, manner, new Terminal(undefined, manner.progress)));
}
