/** Whichever allocation of an operation is refused, the operation keeps none of the others, and the next one computes. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { attention } from "../../src/backend/wasm/attention.ts";
import type { Engine } from "../../src/backend/wasm/engine.ts";
import * as distribution from "../../src/backend/wasm/distribution.ts";
import * as forward from "../../src/backend/wasm/forward.ts";
import { OutOfMemory } from "../../src/backend/wasm/heap.ts";
import * as observe from "../../src/backend/wasm/observe.ts";
import * as packed from "../../src/backend/wasm/packed.ts";
import * as prune from "../../src/backend/wasm/prune.ts";
import * as solve from "../../src/backend/wasm/solve.ts";
import type { WasmTensor } from "../../src/backend/wasm/tensor.ts";
import { packByHand } from "../reference/packed.ts";
import { openEngine } from "./wasm_engine.ts";

/** The side of all matrices. */
const N = 64;
/** A packed weight of as many numbers. */
const PACKED = packByHand(N, N, { valueType: "I8", pattern: "dense", group: 32 }, () => 1, () => true);
/** A square matrix by a formula. */
type Put = (at: (row: number, col: number) => number, rows?: number) => WasmTensor;

/** Every operation that takes memory, on operands that `put` gives; what it gives is disposed of. */
const OPERATIONS: Record<string, (engine: Engine, put: Put) => Disposable | void | Promise<Disposable | void>> = {
  "allocate": (engine) => engine.tensor(N, N),
  "upload": (engine) => engine.upload(new Uint8Array(16), 2, 2, "F32"),
  "copy": (engine, put) => engine.copy(put(wave)),
  "embed": (engine, put) => forward.embed(engine, put(wave), new Uint32Array(N), put(wave), 0),
  "linear": (engine, put) => forward.linear(engine, put(wave), put(wave)),
  "linear of a few tokens": (engine, put) => forward.linear(engine, put(wave, 3), put(wave)),
  "uploadPacked": (engine) => packed.uploadPacked(engine, PACKED),
  "uploadPacked, in pairs of rows": (engine) => {
    const pattern = { n: 2, m: 4 };
    const half = packByHand(N, N, { valueType: "I8", pattern, group: 64 }, () => 1, (_, col) => col % 2 === 0);
    return packed.uploadPacked(engine, half);
  },
  "expand": (engine) => {
    using weight = packed.uploadPacked(engine, PACKED);
    return packed.expand(engine, weight);
  },
  "linear, packed": (engine, put) => {
    using weight = packed.uploadPacked(engine, PACKED);
    return forward.linear(engine, put(wave), weight);
  },
  "linear, packed, one token": (engine, put) => {
    using weight = packed.uploadPacked(engine, PACKED);
    return forward.linear(engine, put(wave, 1), weight);
  },
  "norm": (engine, put) => forward.norm(engine, put(wave), put(wave, 1), { kind: "layer", epsilon: 1e-5 }),
  "rotate": (engine, put) => forward.rotate(engine, put(wave), put(wave), { headDim: N, layout: "half" }),
  "attention": (engine, put) =>
    attention(engine, put(wave), put(wave), put(wave), {
      offsets: Uint32Array.of(0, 16, 48, N),
      heads: 2,
      kvHeads: 2,
      scale: 1,
      slopes: new Float32Array(2),
    }),
  "attention of a few queries to spans in F16": (engine, put) => {
    using keys = engine.tensor(N, N, "F16");
    return attention(engine, put(wave, 3), keys, keys, {
      offsets: Uint32Array.of(0, 2, 3),
      heads: 2,
      kvHeads: 2,
      scale: 1,
      spans: [Uint32Array.of(3, 40, 50, N), Uint32Array.of(0, N)],
    });
  },
  "map": (engine, put) => forward.map(engine, put(wave), { kind: "gelu" }),
  "gate": (engine, put) => forward.gate(engine, put(wave), put(wave), "silu"),
  "slice": (engine, put) => forward.slice(engine, put(wave), 1, 3, 8),
  "crossEntropy": (engine, put) => {
    using state = engine.tensor(N, 3);
    forward.crossEntropy(engine, state, put(wave), put(wave), 0, new Uint32Array(N), { start: true });
  },
  "addRows": (engine, put) => {
    const rows = Uint32Array.from({ length: N }, (_, i) => i);
    forward.addRows(engine, put(wave), put(wave), rows, new Float32Array(N));
  },
  "setRows": (engine, put) => {
    forward.setRows(engine, put(wave), put(wave), Uint32Array.from({ length: N }, (_, i) => i));
  },
  "addSquares": (engine, put) => {
    using sums = engine.tensor(2, N);
    observe.addSquares(engine, sums, put(wave));
  },
  "addGram": (engine, put) => {
    using sums = engine.tensor(2 * N, N);
    observe.addGram(engine, sums, put(wave));
  },
  "finish": (engine, put) => observe.finish(engine, put(wave), 1),
  "score, magnitude": (engine, put) => prune.score(engine, put(wave), { kind: "magnitude" }),
  "score, relative": (engine, put) => prune.score(engine, put(wave), { kind: "relative", statistic: put(wave, 1) }),
  "selectSmallest, rows": (engine, put) =>
    prune.selectSmallest(engine, put(wave), { group: 1, sparsity: 0.5, rule: "count" }),
  "selectSmallest, columns": (engine, put) =>
    prune.selectSmallest(engine, put(wave), { group: "column", sparsity: 0.5, rule: "count" }),
  "selectSmallest, a long group": (engine, put) =>
    prune.selectSmallest(engine, put(wave, 1025), { group: 1025, sparsity: 0.5, rule: "count" }),
  "selectGroups": (engine, put) => prune.selectGroups(engine, put(wave), 2, 4),
  "selectCumulative": (engine, put) => prune.selectCumulative(engine, put(wave), 0.5),
  "zeros": (engine, put) => distribution.zeros(engine, put(wave)),
  "density": (engine, put) => {
    using mask = distribution.zeros(engine, put(wave));
    return distribution.density(engine, mask, 3, 5);
  },
  "extremes": (engine, put) => {
    using mask = distribution.zeros(engine, put(wave));
    return distribution.extremes(engine, put(wave), mask);
  },
  "histogram": (engine, put) => distribution.histogram(engine, put(wave), 128),
  "countAbove": (engine, put) => prune.countAbove(engine, put(wave), 0.5),
  "error": (engine, put) => prune.error(engine, put(wave), put(wave), put(wave)),
  "inverseFactor": (engine, put) => solve.inverseFactor(engine, put(diagonal), 0.01),
  // f32 is not enough: the same is done in f64.
  "inverseFactor of a stiff Hessian": (engine, put) => solve.inverseFactor(engine, put(hilbert), 1e-7),
  "inverseFactor of no Hessian": (engine, put) => solve.inverseFactor(engine, put(() => -1), 0.01),
  "equilibrate": (engine, put) => solve.equilibrate(engine, put(diagonal), put(() => 1, 1)),
  "combine": (engine, put) => solve.combine(engine, [{ tensor: put(wave), kept: 1 }]),
  "maskRows": (engine, put) => {
    using mask = distribution.zeros(engine, put(wave));
    return solve.maskRows(engine, mask, 1, 2);
  },
  "conjugate": (engine, put) => {
    using mask = distribution.zeros(engine, put(wave));
    solve.conjugate(engine, { x: put(wave), r: put(wave), p: put(wave) }, put(wave), mask);
  },
  "eliminate, threshold": (engine, put) => eliminate(engine, put, "threshold"),
  "eliminate, groups": (engine, put) => eliminate(engine, put, "groups"),
};

const wave = (row: number, col: number) => Math.sin(row * 7 + col * 3);
const diagonal = (row: number, col: number) => Number(row === col);
const hilbert = (row: number, col: number) => 1 / (1 + row + col);

function eliminate(engine: Engine, put: Put, kind: "threshold" | "groups"): Disposable {
  using weight = engine.tensor(N, N, "F16");
  const factor = { upper: put(diagonal), dead: put(() => 0, 1), damping: 0, [Symbol.dispose]: () => {} };
  const formula = { kind: "curvature" } as const;
  const choice = kind === "groups" ? { kind, formula, n: 2, m: 4 } as const : { kind, formula, sparsity: 0.5 } as const;
  return solve.eliminate(engine, weight, factor, choice, 16);
}

Deno.test("whichever allocation of an operation is refused, it keeps no other, and the next one has all memory", async () => {
  const { engine, heap, team } = await openEngine();
  await using _ = team;
  const kept = heap.used;
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const attempt = async (failing: number): Promise<{ requests: number; refused: boolean }> => {
      using scope = new DisposableStack();
      const put: Put = (at, rows = N) => {
        const values = Float32Array.from({ length: rows * N }, (_, i) => at(Math.floor(i / N), i % N));
        return scope.use(engine.upload(new Uint8Array(values.buffer), rows, N, "F32"));
      };
      // Operands are made first: what is refused is the operation's.
      const operands = new Map<string, WasmTensor>();
      const known: Put = (at, rows = N) => {
        const key = `${at} ${rows}`, made = operands.get(key);
        if (made) return made;
        const [requests, limit] = [heap.requests, heap.failing];
        heap.failing = Infinity;
        operands.set(key, put(at, rows));
        [heap.requests, heap.failing] = [requests, limit];
        return operands.get(key)!;
      };
      [heap.requests, heap.failing] = [0, failing];
      try {
        using _result = await operation(engine, known) ?? undefined;
        return { requests: heap.requests, refused: false };
      } catch (error) {
        assert(error instanceof OutOfMemory, `${name}: ${error}`);
        return { requests: heap.requests, refused: true };
      } finally {
        heap.failing = Infinity;
      }
    };
    const { requests } = await attempt(Infinity);
    assertGreater(requests, 0, name);
    for (let failing = 0; failing < requests; failing++) {
      const { refused } = await attempt(failing);
      // A factor in f32 is what there is where one in f64 has no room.
      assert(
        refused || name.includes("stiff"),
        `${name}: request ${failing} of ${requests} was refused and not missed`,
      );
      assertEquals([engine.live, heap.used], [0, kept], `${name}: request ${failing} of ${requests}`);
    }
  }
});

Deno.test("without damping a Hessian is tried once, with it four times", async () => {
  const { engine, heap, team } = await openEngine();
  await using _ = team;
  const kept = heap.used;
  for (const [damping, times] of [[0, 1], [0.01, 4]]) {
    let tried = 0;
    const run = engine.run.bind(engine) as (...command: unknown[]) => void;
    engine.run = (...command: unknown[]) => {
      // Once in f32 and once in f64.
      if (command[1] === "factor_start") tried += 0.5;
      run(...command);
    };
    using h = engine.upload(new Uint8Array(Float32Array.of(1, 99, 99, 1).buffer), 2, 2, "F32");
    const factor = await solve.inverseFactor(engine, h, damping);
    assertEquals([factor, tried], [undefined, times]);
    engine.run = run as typeof engine.run;
  }
  assertEquals(heap.used, kept);
});

Deno.test("a factor in f64 lies where the sums of its Hessian lay, which are as large", async () => {
  const { engine, heap, team } = await openEngine(), n = 512, ran = new Set<string>();
  await using _ = team;
  const run = engine.run.bind(engine) as (...command: unknown[]) => void;
  engine.run = (...command: unknown[]) => {
    ran.add(command[1] as string);
    run(...command);
  };
  const numbers = Float32Array.from({ length: n * n }, (_, at) => hilbert(Math.floor(at / n), at % n));
  const sums = engine.tensor(2 * n, n);
  using hessian = engine.upload(new Uint8Array(numbers.buffer), n, n, "F32");
  sums[Symbol.dispose]();
  const before = heap.size;
  using _factor = await solve.inverseFactor(engine, hessian, 1e-7);
  assert(ran.has("factor_round"), "the factor in f32 was exact");
  // The factor in f32 and a step's operands are new: 1.5 MiB. One in f64 takes 2.
  assertGreater(8 * n * n, heap.size - before);
});
