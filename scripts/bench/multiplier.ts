/** Those who multiply, Pare's backends and others', behind one call: the seconds of one product. */
import type { Backend } from "../../src/mod.ts";
import { checkCorners, flops, inputs, type Product, weights } from "./operands.ts";
import type { Peer } from "./peer.ts";
import type { Side } from "./ratio.ts";

/** Multiplies one shape. */
export interface Multiplier {
  readonly label: string;
  /** Computes the product several times, queued together, waits, and gives the seconds of one. */
  measure(repeats: number): Promise<number>;
}

/** Pare's linear on a backend, with the weight in F16, as most checkpoints have it. */
export async function ownMultiplier(
  label: string,
  backend: Backend,
  product: Product,
): Promise<Multiplier & Disposable> {
  const { tokens, depth, outs } = product;
  const x = backend.upload(new Uint8Array(inputs(tokens * depth).buffer), tokens, depth, "F32");
  const weight = backend.upload(new Uint8Array(new Float16Array(weights(outs * depth)).buffer), outs, depth, "F16");
  using y = backend.linear(x, weight);
  const [bytes] = await backend.read(y);
  const numbers = new Float32Array(bytes.buffer);
  checkCorners(label, product, [numbers[0], numbers[numbers.length - 1]]);
  return {
    label,
    async measure(repeats) {
      const start = performance.now();
      for (let i = 0; i < repeats; i++) backend.linear(x, weight)[Symbol.dispose]();
      await backend.read();
      return (performance.now() - start) / 1000 / repeats;
    },
    [Symbol.dispose]() {
      x[Symbol.dispose]();
      weight[Symbol.dispose]();
    },
  };
}

/** A peer's product of the same numbers, with the weight in F32 and already transposed, as it likes it best. */
export async function peerMultiplier(peer: Peer, product: Product): Promise<Multiplier> {
  const { corners } = await peer.ask<{ corners: number[] }>({ ...product });
  checkCorners(peer.name, product, corners);
  return {
    label: peer.name,
    measure: async (repeats) => (await peer.ask<{ seconds: number }>({ repeats })).seconds / repeats,
  };
}

/** A measurement takes about this long: a timer's tick and a GPU's wait (11.5 ms under Deno) become a few percent. */
const MEASUREMENT_SECONDS = 0.25;

/** A multiplier as a side of a ratio, in GFLOP/s: it repeats the product as often as a measurement needs. */
export async function asSide({ label, measure }: Multiplier, product: Product): Promise<Side> {
  await measure(1); // compiles
  const repeats = Math.max(1, Math.round(MEASUREMENT_SECONDS / await measure(1)));
  return { label, unit: "GFLOP/s", sample: async () => flops(product) / await measure(repeats) / 1e9 };
}
