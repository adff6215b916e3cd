/** A command whose work, in its sandbox, never comes to rest: for `orphan_test.ts` to end its launcher. */
import { run } from "../../src/cli/run.ts";
import type { Context, Outcome } from "../../src/cli/context.ts";

/** Busy in such a way that no message, timer or signal reaches its thread. */
export function main(_: unknown, { terminal }: Context): Promise<Outcome> {
  terminal.note(`busy ${Deno.pid}`);
  for (;;);
}

if (import.meta.main) {
  const command = { name: "busy", summary: "never end.", flags: {}, examples: ["deno task busy"] } as const;
  const read = [new URL("../../", import.meta.url).pathname];
  await run(command, main, {
    module: import.meta.url,
    enter: (values) => Promise.resolve({ values, permissions: { read, write: [] } }),
  });
}
