/**
 * A registry as a researcher's looks after some weeks: sweeps of methods and sparsities over two models, their evaluations on
 * two texts, comparisons; finished, failed, interrupted, dead without a word, and live. Everything goes through the
 * registry's own face, with a clock that is set back; the same count gives the same runs.
 *
 * `deno run -A tests/server/populate.ts REGISTRY COUNT [LIVE]` fills a file, and keeps its live runs alive until it is
 * stopped, to look at the dashboard with.
 */
import type { Corpus, LinearRecord, Manifest, RunKind, RunProgress } from "../../src/run/record.ts";
import { Registry } from "../../src/run/registry.ts";
import { linear, manifest } from "../run/runs.ts";

/** How many runs of which kinds. */
export interface Population {
  /** Runs in all. */
  readonly count: number;
  /** Of these, live. Default 2, or none of none. */
  readonly live?: number;
  /** Blocks of each model: seven linears each. Default 2. */
  readonly blocks?: number;
  /** When it is now, in milliseconds since 1970. */
  readonly now?: number;
}

/** The live runs of a filled registry, which live until this is disposed of. */
export interface Living extends Disposable {
  /** Ids of all runs, oldest first. */
  readonly ids: readonly string[];
  /** Ids of the live ones. */
  readonly live: readonly string[];
  /** The registry, open to write. */
  readonly registry: Registry;
  /** Every live run comes a little further. */
  step(): void;
}

const MODELS = ["SmolLM2-135M-Instruct", "Austen-700K"] as const;
const METHODS = ["magnitude", "wanda", "sparsegpt", "ria"] as const;
const ASKED = [0.5, 0.6, 0.7, "2:4", "4:8"] as const;
const KINDS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
  .concat("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj");

/** What perplexity is measured on: the same tokens in windows of two lengths, which are two protocols. */
const TEXTS: readonly Corpus[] = [
  { description: "wikitext2 test", sequences: 16, seqlen: 512, sha256: "12".repeat(32) },
  { description: "wikitext2 test", sequences: 64, seqlen: 128, sha256: "12".repeat(32) },
];

/** Milliseconds between the beginnings of two runs. */
const PAUSE = 40 * 60_000;

/** Milliseconds that a run takes. */
const LENGTH = 26_700;

/** Tokens of a run in all, and of one report. */
const TOKENS = 983_040, BATCH = 8_192;

/** Numbers from 0 to 1, the same every time (mulberry32). */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fills a registry. */
export function populate(path: string, { count, live = Math.min(2, count), blocks = 2, now = Date.now() }: Population) {
  const random = generator(count),
    hex = (digits: number) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
  const ids: string[] = [];
  let clock = now - count * PAUSE;
  const shaOf = (model: string) => (MODELS.indexOf(model as typeof MODELS[number]) ? "a1" : "b2").repeat(32);

  /** The manifest of the n-th run. */
  const describe = (kind: RunKind, model: string, request: Manifest["plan"]["request"], out?: string): Manifest => {
    const { plan, ...rest } = manifest({ planId: hex(16), model });
    return {
      ...rest,
      plan: {
        ...plan,
        kind,
        model: { name: model, sha256: shaOf(model) },
        request,
        ...kind !== "eval" &&
          { calibration: { description: "c4", sequences: 16, seqlen: 512, sha256: "34".repeat(32) } },
        ...kind !== "prune" && { evaluation: TEXTS[0] },
      },
      args: ["--model", `./${model}`, ...out ? ["--out", out] : []],
      inputs: [{ path: `/models/${model}/model.safetensors`, bytes: 538_000_000, sha256: shaOf(model) }],
      environment: { deno: "2.9.6", v8: "15.0", os: "linux", arch: "x86_64" },
      backend: "wasm with 2 workers, relaxed SIMD",
    };
  };
  const requestOf = (method: string, asked: typeof ASKED[number], seed: number) => ({
    method,
    ...typeof asked === "string" ? { pattern: asked } : { sparsity: asked },
    allocation: "uniform",
    seed,
    targets: { blocks: null, include: [], exclude: [] },
  });
  const shareOf = (asked: typeof ASKED[number]) => typeof asked === "string" ? 0.5 : asked;
  const perplexityOf = (method: string, asked: typeof ASKED[number], long: boolean) =>
    (long ? 36.64 : 52.1) * (1 + (shareOf(asked) * 2) ** 4 * (METHODS.indexOf(method as never) ? 1.2 : 8)) *
    (typeof asked === "string" ? 1.6 : 1) * (1 + random() / 50);
  const linears = (asked: typeof ASKED[number]): LinearRecord[] =>
    Array.from({ length: blocks }, (_, block) =>
      KINDS.map((kind) => ({
        ...linear(`model.layers.${block}.${kind}`, block),
        // As rounding in whole weights leaves it.
        sparsity: shareOf(asked) + (random() - 0.5) * 2e-6,
        outputError: (0.01 + 0.04 * random()) * (1 + block / 4) * shareOf(asked),
        maskSha256: hex(64),
        weightSha256: hex(64),
      }))).flat();

  const dead = Registry.open(path, { mode: "write", now: () => clock });
  for (let n = 0; n < count - live; n++, clock += PAUSE - LENGTH) {
    const turn = n % 10, model = MODELS[Math.floor(n / 60) % 2], method = METHODS[Math.floor(n / 2) % 4];
    const asked = ASKED[Math.floor(n / 8) % 5], out = `/work/pruned-${n}`;
    if (turn === 9) {
      const id = dead.begin(
        describe("compare", model, { methods: ["magnitude", "wanda"], sparsities: ["0.5", "2:4"], seeds: [0] }),
      );
      ids.push(id);
      dead.perplexity(id, { label: "dense", perplexity: 36.64, evaluation: TEXTS[0], sparsity: 0 });
      for (const asked of [0.5, "2:4"] as const) {
        for (const method of ["magnitude", "wanda"]) {
          const perplexity = perplexityOf(method, asked, true);
          dead.perplexity(id, { label: `${method} ${asked}`, perplexity, evaluation: TEXTS[0] });
        }
      }
      clock += LENGTH;
      dead.finish(id, { phases: { compare: LENGTH / 1000 }, peakBytes: 260 * 2 ** 20 });
    } else if (turn === 8) {
      const id = dead.begin(describe("eval", model, {}));
      ids.push(id);
      dead.perplexity(id, { label: "dense", perplexity: 36.64, evaluation: TEXTS[0], sparsity: 0 });
      clock += LENGTH;
      dead.finish(id, { phases: { eval: LENGTH / 1000 }, peakBytes: 180 * 2 ** 20 });
    } else {
      const id = dead.begin(describe("prune", model, requestOf(method, asked, turn < 6 ? 0 : 1), out), out);
      ids.push(id);
      const done = linears(asked);
      clock += LENGTH;
      if (turn === 5) {
        dead.progress(id, { phase: "observe", block: 1, blocks: 30, done: 1000, total: TOKENS });
        dead.fail(id, "failed", "the disk is full");
      } else if (turn === 6) {
        for (const record of done.slice(0, KINDS.length)) dead.linear(id, record);
        dead.fail(id, "interrupted", "stopped by SIGINT");
      } else if (turn === 7) {
        // Died: it says nothing more, and nobody says it.
        dead.progress(id, { phase: "propagate", block: 3, blocks: 30, done: 30_000, total: TOKENS });
      } else {
        for (const record of done) dead.linear(id, record);
        const evaluation = TEXTS[turn === 4 ? 1 : 0], perplexity = perplexityOf(method, asked, turn !== 4);
        dead.perplexity(id, { label: "pruned", perplexity, evaluation, sparsity: shareOf(asked) });
        dead.finish(id, { phases: { prune: 25.1, write: 1.6 }, peakBytes: 202 * 2 ** 20 });
        if (n % 20 === 3) {
          dead.label(id, { name: `paper, table ${n}`, tags: ["paper"], note: "Again with more sequences." });
        }
      }
    }
  }
  dead[Symbol.dispose]();

  const registry = Registry.open(path, { mode: "write" });
  const living = Array.from({ length: live }, (_, n) => {
    const request = requestOf(METHODS[(n + 2) % 4], ASKED[n % 5], 0), out = `/work/live-${n}`;
    const id = registry.begin(describe("prune", MODELS[n % 2], request, out), out);
    ids.push(id);
    return { id, done: BATCH * 4 * n, records: linears(ASKED[n % 5]) };
  });
  const filled: Living = {
    ids,
    live: living.map(({ id }) => id),
    registry,
    step() {
      for (const one of living) {
        one.done = Math.min(one.done + BATCH, TOKENS);
        const block = Math.min(29, Math.floor(30 * one.done / TOKENS));
        const progress: RunProgress = {
          ...{ phase: "observe", block, blocks: 30, done: one.done, total: TOKENS },
          ...{ rate: 2 * BATCH, memoryBytes: 190 * 2 ** 20 },
        };
        registry.progress(one.id, progress);
        const record = one.records.shift();
        if (record) registry.linear(one.id, record);
      }
    },
    [Symbol.dispose]: () => registry[Symbol.dispose](),
  };
  filled.step();
  return filled;
}

if (import.meta.main) {
  const [path, count, live] = Deno.args;
  const filled = populate(path, { count: Number(count), blocks: 30, ...live && { live: Number(live) } });
  console.log(filled.ids.length);
  if (filled.live.length) setInterval(filled.step, 500);
}
