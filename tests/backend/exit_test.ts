/** A program that has disposed of its WASM backend comes to its end: no worker keeps its process. */
import { assertEquals } from "@std/assert";

const BACKEND = new URL("../../src/backend/open.ts", import.meta.url).href;

/** Longer than a process takes on a busy machine; one that stays would stay for good. */
const MOST_MS = 120_000;

for (const workers of [1, 2]) {
  Deno.test(`${workers} ${workers > 1 ? "workers keep" : "worker keeps"} no process that is done with them`, async () => {
    const program = `import { openBackend } from "${BACKEND}";
      { await using backend = await openBackend("wasm", { workers: ${workers} }); await backend.read(); }`;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", program],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const late = setTimeout(() => process.kill("SIGKILL"), MOST_MS);
    assertEquals((await process.status).code, 0);
    clearTimeout(late);
  });
}
