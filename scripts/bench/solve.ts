/**
 * SparseGPT's solve: the factor of the inverse Hessian and the elimination, against the published code in PyTorch; the
 * factor alone against Pare's own products in the same run, and against jax-js's Cholesky and triangular solve.
 */
import { type Backend, DEFAULT_SOLVER_OPTIONS, openBackend, PareError } from "../../src/mod.ts";
import { randomFloats } from "./model.ts";
import { asSide, ownMultiplier } from "./multiplier.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { faster, interleave, over, type Ratio, type Side } from "./ratio.ts";

/** Outputs, inputs, and how many times faster it is to be: SmolLM2's linears, and two large ones. */
const SOLVES = [[576, 576, 4], [1536, 576, 4], [576, 1536, 4], [2048, 2048, 3], [4096, 4096, 3]] as const;
/** Inputs whose factor is measured alone: those of SmolLM2's linears and of LLaMA-7B's. */
const FACTORS = [576, 1536, 4096] as const;
/** Those that are measured beside jax-js: 4096 would take it minutes, and so would more than 576 on a software adapter. */
const JAX_FACTORS = { wasm: [576, 1536], webgpu: [576] } as const;
const SPARSITY = 0.5;
/** What is wanted: of the linear's own rate, of jax-js. */
const RATE_SHARE = 0.75, OVER_JAX = 3;
/** Rounds by the number of inputs: the largest take seconds. */
const rounds = (quick: boolean, inputs: number) => quick ? 1 : inputs > 2000 ? 3 : 7;
/** `--quick` leaves out what takes seconds. */
const few = (quick: boolean, inputs: number) => !quick || inputs < 2000;

/** A Hessian of random inputs, twice as many tokens as inputs. */
function makeHessian(backend: Backend, inputs: number) {
  using x = backend.upload(new Uint8Array(randomFloats(2 * inputs * inputs).buffer), 2 * inputs, inputs, "F32");
  using sums = backend.allocate(2 * inputs, inputs);
  backend.addGram(sums, x);
  return backend.finish(sums, 1 / inputs);
}

/** Seconds of the factor of a Hessian. */
function factorSide(backend: Backend, hessian: ReturnType<typeof makeHessian>): Side {
  return {
    label: backend.description,
    unit: "s",
    async sample() {
      await backend.read();
      const start = performance.now();
      using _factor = await backend.inverseFactor(hessian, DEFAULT_SOLVER_OPTIONS.damping);
      await backend.read();
      return (performance.now() - start) / 1000;
    },
  };
}

/** Both sides start from a dense weight in F32 and a Hessian, and end with the pruned weight in place. */
async function benchWhole(backend: Backend, { quick, note }: Bench): Promise<Ratio[]> {
  await using peer = await Peer.start("sparsegpt_solve.py", [], note);
  if (!peer) return [];
  const ratios: Ratio[] = [],
    choice = { kind: "threshold", formula: { kind: "curvature" }, sparsity: SPARSITY } as const;
  for (const [rows, cols, target] of SOLVES.filter(([, cols]) => few(quick, cols))) {
    const name = `SparseGPT's solve, ${rows} x ${cols}`;
    note(name);
    using hessian = makeHessian(backend, cols);
    const bytes = new Uint8Array(randomFloats(rows * cols).buffer);
    const ours: Side = {
      label: backend.description,
      unit: "s",
      async sample() {
        using weight = backend.upload(bytes, rows, cols, "F32");
        await backend.read();
        const start = performance.now();
        using factor = await backend.inverseFactor(hessian, DEFAULT_SOLVER_OPTIONS.damping);
        backend.eliminate(weight, factor!, choice, DEFAULT_SOLVER_OPTIONS.blockSize);
        await backend.read();
        return (performance.now() - start) / 1000;
      },
    };
    const theirs: Side = {
      label: peer.name,
      unit: "s",
      sample: async () => (await peer.ask<{ seconds: number }>({ rows, cols, sparsity: SPARSITY })).seconds,
    };
    ratios.push(faster(name, ...await interleave(rounds(quick, cols), [ours, theirs]), { least: target }));
  }
  return ratios;
}

/** The factor's rate against the linear's, both of n x n matrices and on the same workers. */
async function benchRate(backend: Backend, { quick, note }: Bench): Promise<Ratio[]> {
  const ratios: Ratio[] = [];
  for (const n of FACTORS.filter((n) => few(quick, n))) {
    const name = `the inverse factor, n = ${n}`, shape = { tokens: n, depth: n, outs: n };
    note(name);
    using hessian = makeHessian(backend, n);
    using product = await ownMultiplier("the linear", backend, shape);
    // One Cholesky factorisation and one triangular inverse.
    const flops = 2 / 3 * n ** 3, timed = factorSide(backend, hessian);
    const ours: Side = { ...timed, unit: "GFLOP/s", sample: async () => flops / await timed.sample() / 1e9 };
    const measured = await interleave(rounds(quick, n), [ours, await asSide(product, shape)]);
    ratios.push(over(name, ...measured, { least: RATE_SHARE }));
  }
  return ratios;
}

/** The factor against jax-js's two steps on the same device. */
async function benchJax(backend: Backend, sizes: readonly number[], { quick, note }: Bench): Promise<Ratio[]> {
  await using peer = await Peer.start("jax_js_solve.ts", [backend.name], note);
  if (!peer) return [];
  const ratios: Ratio[] = [];
  for (const n of sizes.filter((n) => few(quick, n))) {
    const name = `the inverse factor, n = ${n}`;
    note(`${name}, jax-js on ${backend.name}`);
    using hessian = makeHessian(backend, n);
    const sample = async () => {
      const { seconds, error } = await peer.ask<{ seconds: number; error: number }>({ n });
      // Diagonally dominant: an f32 inverse is good to some units in the last place times n.
      if (!(error < n * 2 ** -23)) throw new Error(`${peer.name}: L X - I is off by ${error} at n = ${n}`);
      return seconds;
    };
    const theirs: Side = { label: `${peer.name}, Cholesky and triangular solve`, unit: "s", sample };
    const measured = await interleave(rounds(quick, n), [factorSide(backend, hessian), theirs]);
    ratios.push(faster(name, ...measured, { least: OVER_JAX }));
  }
  return ratios;
}

/** See the file's head. */
export async function benchSolve(bench: Bench): Promise<Ratio[]> {
  const ratios: Ratio[] = [];
  {
    await using wasm = await openBackend("wasm");
    ratios.push(...await benchWhole(wasm, bench), ...await benchRate(wasm, bench));
    ratios.push(...await benchJax(wasm, JAX_FACTORS.wasm, bench));
  }
  try {
    await using webgpu = await openBackend("webgpu");
    ratios.push(...await benchJax(webgpu, JAX_FACTORS.webgpu, bench));
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    bench.note(`webgpu is left out: ${error.message}`);
  }
  return ratios;
}
