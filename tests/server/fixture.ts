/** A registry in a directory of its own, with runs of two methods, and the application over it. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { join } from "node:path";
import { Registry } from "../../src/run/registry.ts";
import type { TaskRecord } from "../../src/run/record.ts";
import { createApp, type ServerOptions } from "../../src/server/app.ts";
import { linear, manifest, task } from "../run/runs.ts";

/** Names of the linears of every run. */
export const NAMES = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj"] as const;

const EVALUATION = { description: "wikitext2 test", sequences: 4, seqlen: 128, sha256: "12".repeat(32) };

/** The mean of two benchmarks. */
export const GROUP: TaskRecord = {
  ...task("both", [1]).record,
  documents: 7,
  figures: { acc: { value: 0.54, error: 0.2 } },
  data: ["34".repeat(32)],
  group: { tasks: ["boolq", "rte"], by: "task" },
};

/** What a test works with. */
export interface Fixture extends AsyncDisposable {
  readonly path: string;
  readonly registry: Registry;
  readonly app: OpenAPIHono;
  /** Ids: a finished run, a failed one, and one that is live. */
  readonly ids: readonly [finished: string, failed: string, live: string];
}

/** Fills a registry and opens it; `empty`: only opens it, and the ids are those of no run. */
export async function openFixture(options: Partial<ServerOptions> = {}, empty = false): Promise<Fixture> {
  const directory = await Deno.makeTempDir({ prefix: "pare-server-" }), path = join(directory, "runs.db");
  const registry = Registry.open(path, { mode: "write" });
  const ids = empty ? ["", "", ""] as const : fill(registry);
  const reader = Registry.open(path, { mode: "read" });
  return {
    path,
    registry,
    app: createApp({ source: reader, version: "0.1.0", look: 5, ...options }),
    ids,
    async [Symbol.asyncDispose]() {
      reader[Symbol.dispose]();
      registry[Symbol.dispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** A request as a program on this machine makes it. */
export function ask(app: OpenAPIHono, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return Promise.resolve(app.request(`http://127.0.0.1${path}`, { headers }));
}

function fill(registry: Registry): Fixture["ids"] {
  const finished = registry.begin(manifest({ planId: "00000000000000aa" }), "/out");
  for (const name of NAMES) registry.linear(finished, linear(name));
  registry.perplexity(finished, { label: "pruned", perplexity: 31.5, evaluation: EVALUATION });
  for (const { record, documents } of [task("boolq", [1, 1, 0, 1]), task("rte", [0, 0, 1])]) {
    registry.task(finished, record, documents);
  }
  registry.task(finished, GROUP);
  registry.finish(finished, { phases: { observe: 2, prune: 1 }, peakBytes: 2 ** 30 });
  registry.label(finished, { name: "first try", tags: ["half", "paper"], note: "seed 0" });
  const failed = registry.begin(manifest({ planId: "00000000000000bb", method: "magnitude", pattern: "2:4" }));
  registry.linear(failed, { ...linear(NAMES[0]), scores: undefined, maskSha256: "00".repeat(32) });
  registry.fail(failed, "failed", "the disk is full");
  const live = registry.begin(manifest({ planId: "00000000000000cc", model: "other" }));
  registry.progress(live, { phase: "observe", block: 1, blocks: 30, done: 10, total: 300 });
  return [finished, failed, live];
}
