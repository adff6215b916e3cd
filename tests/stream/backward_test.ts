/** Reverse mode on random trees of layers: along any direction the gradients are what the forward pass does. */
import { assert, assertEquals } from "@std/assert";
import { Block, type TensorSource } from "../../src/model/block.ts";
import { blockTensors, walkLayers } from "../../src/model/layers.ts";
import type { Activation } from "../../src/backend/backend.ts";
import type { BlockSpec, Experts, Layer, Linear, Mlp, Norm } from "../../src/model/spec.ts";
import type { Rope } from "../../src/model/rope.ts";
import { Tape } from "../../src/model/tape.ts";
import { walk } from "../../src/model/walk.ts";
import { RotaryTables } from "../../src/stream/rotary.ts";
import { drive, forwardBlock } from "../../src/stream/stream.ts";
import { generator, NORMAL } from "../contract/matrices.ts";
import { SEED } from "../fuzz/seed.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** Width of the residual stream, and the sequences. */
const WIDTH = 12, OFFSETS = Uint32Array.of(0, 5, 6, 9), TOKENS = 9;
/** Trees that are drawn. */
const TREES = 40;

/** Draws a tree of layers. */
class Trees {
  #names = 0;
  constructor(readonly random: () => number) {}

  #one<T>(...choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)];
  }

  #linear(rows: number, cols: number, bias = this.#one(true, false)): Linear {
    const name = `linear${this.#names++}`;
    return { kind: "linear", name, role: name, rows, cols, bias, transposed: this.#one(true, false) };
  }

  #norm(cols: number, rows = 1): Norm {
    const form = this.#one("rms", "layer"), name = `norm${this.#names++}`;
    return {
      kind: "norm",
      name,
      form,
      cols,
      rows,
      epsilon: 0.1,
      bias: this.#one(true, false),
      unitOffset: this.#one(true, false),
    };
  }

  #mlp(): Mlp {
    const inner = this.#one(5, 8), activation = this.#one<Activation>("silu", "gelu", "gelu_tanh");
    const input = this.#one<() => Mlp["input"]>(
      () => ({ kind: "plain", up: this.#linear(inner, WIDTH) }),
      () => ({ kind: "gated", gate: this.#linear(inner, WIDTH), up: this.#linear(inner, WIDTH) }),
      () => ({ kind: "fused", gateUp: this.#linear(2 * inner, WIDTH) }),
    )();
    return { kind: "mlp", input, activation, down: this.#linear(WIDTH, inner) };
  }

  #rope(headDim: number): Rope {
    const dim = this.#one(2, headDim), layout = this.#one("half", "neighbours");
    return { dim, layout, base: 100, scaling: { kind: "none" }, attentionFactor: 1 };
  }

  #attention(): Layer {
    const [heads, kvHeads] = this.#one([4, 2], [2, 2], [3, 1]), headDim = this.#one(4, 6);
    const [q, kv] = [heads * headDim, kvHeads * headDim];
    const byHead = heads === kvHeads && this.#one(true, false);
    return {
      kind: "attention",
      heads,
      kvHeads,
      headDim,
      projections: this.#one(true, false)
        ? { kind: "separate", q: this.#linear(q, WIDTH), k: this.#linear(kv, WIDTH), v: this.#linear(kv, WIDTH) }
        : { kind: "fused", qkv: this.#linear(q + 2 * kv, WIDTH), byHead },
      output: this.#linear(WIDTH, q),
      queryNorm: this.#one(this.#norm(headDim), this.#norm(q), undefined),
      keyNorm: this.#one(this.#norm(headDim, kvHeads), undefined),
      rope: this.#one(this.#rope(headDim), undefined),
      scale: 0.4,
      window: this.#one(undefined, 3),
      softCap: this.#one(undefined, 2),
      slopes: this.#one(undefined, Float32Array.from({ length: heads }, (_, i) => 2 ** -i)),
    };
  }

  #experts(): Experts {
    const experts = [this.#mlp(), this.#mlp(), this.#mlp()];
    return {
      kind: "experts",
      router: this.#linear(3, WIDTH, false),
      experts,
      chosen: 2,
      normalized: this.#one(true, false),
    };
  }

  #layer(depth: number): Layer {
    const leaf = () =>
      this.#one<() => Layer>(
        () => this.#norm(WIDTH),
        () => this.#attention(),
        () => this.#mlp(),
        () => this.#experts(),
      )();
    if (depth === 0 || this.random() < 0.4) return leaf();
    return this.#one<() => Layer>(
      () => ({ kind: "residual", body: this.sequence(depth - 1) }),
      () => ({ kind: "parallel", branches: [this.sequence(depth - 1), this.sequence(depth - 1)] }),
    )();
  }

  sequence(depth: number): Layer[] {
    return Array.from({ length: this.#one(1, 2, 3) }, () => this.#layer(depth));
  }
}

/** A block of tensors that are there. */
async function blockOf(backend: ReferenceBackend, spec: BlockSpec, tensors: ReadonlyMap<string, Float32Array>) {
  const source: TensorSource = {
    tensors: new Map([...tensors].map(([name, { byteLength }]) => [name, { dtype: "F32", bytes: byteLength }])),
    read: (names) =>
      Promise.resolve(new Map(names.map((name) => [name, new Uint8Array(tensors.get(name)!.slice().buffer)]))),
  };
  return await Block.upload(backend, source, Block.read(source, spec));
}

const numbers = (random: () => number, count: number, scale = 1) =>
  Float32Array.from({ length: count }, () => scale * NORMAL(random));
const moved = (from: Float32Array, by: Float32Array, step: number) => from.map((value, i) => value + step * by[i]);
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);

Deno.test("on random trees of layers reverse mode is what the forward pass does along a direction", async () => {
  let compared = 0;
  for (let tree = 0; tree < TREES; tree++) {
    const where = `PARE_FUZZ_SEED=${SEED}, tree ${tree}`, random = generator(SEED * 7919 + tree + 1);
    const spec: BlockSpec = { index: 0, name: "block", layers: new Trees(random).sequence(2) },
      shapes = blockTensors(spec);
    const tensors = new Map(shapes.map(({ name, shape }) => {
      const count = shape.reduce((a, b) => a * b);
      return [name, numbers(random, count, shape.length === 2 ? 1 / Math.sqrt(shape[1]) : 1)];
    }));
    const directions = new Map(shapes.map(({ name }) => [name, numbers(random, tensors.get(name)!.length, 0.3)]));
    const x = numbers(random, TOKENS * WIDTH), along = numbers(random, x.length, 0.3), dy = numbers(random, x.length);
    const backend = new ReferenceBackend();
    {
      using tables = new RotaryTables(backend);
      const batch = tables.batch({ offsets: OFFSETS });
      const upload = (floats: Float32Array) =>
        backend.upload(new Uint8Array(floats.slice().buffer), TOKENS, WIDTH, "F32");
      const lossAt = async (step: number): Promise<number> => {
        using block = await blockOf(
          backend,
          spec,
          new Map([...tensors].map(([name, own]) => [name, moved(own, directions.get(name)!, step)])),
        );
        using hidden = upload(moved(x, along, step));
        using out = await forwardBlock(block, batch, hidden);
        return dot(new Float32Array((await backend.read(out))[0].buffer), dy);
      };

      using block = await blockOf(backend, spec, tensors);
      using hidden = upload(x);
      using scope = new DisposableStack();
      const gradients = new Map(shapes.map(({ name, shape, transposed }) => {
        const [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
        return [name, scope.use(transposed ? backend.allocate(cols, rows) : backend.allocate(rows, cols))];
      }));
      using tape = new Tape(block);
      using _out = await drive(block, walk(block, batch, hidden, tape));
      const back = tape.backward(upload(dy), { gradients: (name) => gradients.get(name), input: true });
      using dx = (await drive(block, back))!;
      const found = await backend.read(dx, ...gradients.values());
      const [byX, ...byTensors] = found.map(({ buffer }) => new Float32Array(buffer));
      // A tape that knows what will be asked of it gives the same, and keeps no more.
      {
        const names = new Set(shapes.map(({ name }) => name).filter(() => random() < 0.5)), input = random() < 0.5;
        using own = new DisposableStack();
        const some = new Map(
          [...gradients].filter(([name]) => names.has(name)).map((
            [name, { rows, cols }],
          ) => [name, own.use(backend.allocate(rows, cols))]),
        );
        using all = new Tape(block), frugal = new Tape(block, { trains: (name) => names.has(name), input });
        for (const one of [all, frugal]) own.use(await drive(block, walk(block, batch, hidden, one)));
        assert(frugal.bytes <= all.bytes, where);
        using again = await blockOf(backend, spec, tensors);
        frugal.rebind(again);
        const dx = await drive(again, frugal.backward(upload(dy), { gradients: (name) => some.get(name), input }));
        if (dx) own.use(dx);
        assertEquals(dx !== undefined, input, where);
        if (dx) assertEquals((await backend.read(dx))[0], found[0], where);
        for (const [at, { name }] of shapes.entries()) {
          if (some.has(name)) {
            assertEquals((await backend.read(some.get(name)!))[0], found[at + 1], `${where}, ${name}`);
          }
        }
      }
      let slope = dot(byX, along), size = Math.abs(slope);
      for (const [i, { name, shape: [rows, cols], transposed }] of shapes.entries()) {
        const direction = directions.get(name)!;
        // The file may hold a weight the other way round.
        const own = transposed
          ? byTensors[i].map((_, at) => byTensors[i][at % cols * rows + Math.floor(at / cols)])
          : byTensors[i];
        slope += dot(own, direction);
        size += Math.abs(dot(own, direction));
      }
      // Four points: what is left out is of the step's fourth power; what f32 rounds, some 1e-6 of a loss of about ten, by it.
      const step = 2 ** -8,
        [a, b, c, d] = [await lossAt(1 * step), await lossAt(-step), await lossAt(2 * step), await lossAt(-2 * step)];
      const expected = (8 * (a - b) - (c - d)) / (12 * step);
      // A step may take a token to another expert: then there is no slope, and one point stands apart.
      const bent = [...walkLayers(spec.layers)].some(({ kind }) => kind === "experts") &&
        Math.abs((a - b) - (c - d) / 2) > 0.02 * step * (1 + size);
      if (!bent) {
        compared++;
        assert(
          Math.abs(slope - expected) <= 1e-3 * (1 + size),
          `${where}: ${slope}, not ${expected} (terms of ${size})`,
        );
      }
    }
    assertEquals(backend.live, 0, where);
  }
  assert(compared > TREES / 2, `${compared} of ${TREES} trees were compared`);
});
