/** A process that writes a run step by step, one for each line on its stdin. Argument: the registry. It prints the run's id. */
import { Registry } from "../../src/run/registry.ts";
import { linear, manifest } from "../run/runs.ts";
import { NAMES } from "./fixture.ts";

using registry = Registry.open(Deno.args[0], { mode: "write" });
const id = registry.begin(manifest({ planId: "00000000000000dd" }));
console.log(id);
const steps = Deno.stdin.readable.getReader();
await steps.read();
registry.linear(id, linear(NAMES[0]));
registry.progress(id, { phase: "prune", block: 0, blocks: 2, done: 1, total: 2 });
await steps.read();
registry.perplexity(id, {
  label: "pruned",
  perplexity: 31.5,
  evaluation: { description: "wikitext2 test", sequences: 4, seqlen: 128, sha256: "12".repeat(32) },
});
registry.finish(id, { phases: { prune: 1 } });
