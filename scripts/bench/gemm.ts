/**
 * Pare's linear. On WASM: on one core against the peak of a register microkernel, on all workers against one, and
 * against the products of other software in the same runtime. On WebGPU: against others on the same adapter.
 */
import { openBackend, PareError } from "../../src/mod.ts";
import { asSide, type Multiplier, ownMultiplier, peerMultiplier } from "./multiplier.ts";
import type { Bench } from "./part.ts";
import { openPeak } from "./peak.ts";
import { type Peer, startPeers } from "./peer.ts";
import { figure, interleave, over, type Ratio, type Side } from "./ratio.ts";
import { type BenchShape, shapes } from "./shapes.ts";

/** Tokens of a batch of the pipeline (src/stream/batches.ts), and a quarter of it. */
const TOKENS = 1024, FEW_TOKENS = 256;
/** Rounds by model (a product of LLaMA-7B takes seconds), and of a look. */
const ROUNDS = { "SmolLM2-135M": 9, "LLaMA-7B": 5 } as const, FEW_ROUNDS = 3;
const MODELS = ["SmolLM2-135M", "LLaMA-7B"] as const;

/** What is wanted: of the microkernel's peak, of one worker, of each peer. */
const PEAK_SHARE = 0.9, SCALING = 1.8, OVER_WASM_PEER = 1.4, OVER_WEBGPU_PEER = 2;

/** Everyone who multiplies a shape, ours first, ready to be measured. A peer that fails at it is taken off the list. */
async function sidesOf(
  ours: readonly Multiplier[],
  peers: Peer[],
  shape: BenchShape,
  note: Bench["note"],
): Promise<Side[]> {
  const sides = [];
  for (const multiplier of ours) sides.push(await asSide(multiplier, shape));
  for (const peer of [...peers]) {
    try {
      sides.push(await asSide(await peerMultiplier(peer, shape), shape));
    } catch (error) {
      note(`${peer.name} is left out from here: ${(error as Error).message}`);
      peers.splice(peers.indexOf(peer), 1);
    }
  }
  return sides;
}

/** The WASM part. */
export async function benchGemm({ quick, note }: Bench): Promise<Ratio[]> {
  const cores = navigator.hardwareConcurrency;
  await using stack = new AsyncDisposableStack();
  const single = stack.use(await openBackend("wasm", { workers: 1 }));
  const team = stack.use(await openBackend("wasm", { workers: cores }));
  const peers = await startPeers([["jax_js.ts", "wasm"], ["onnxruntime.ts", "wasm"]], note, stack);
  const peak = openPeak();
  const ratios: Ratio[] = [];
  for (const model of MODELS) {
    for (const shape of shapes(model, quick ? FEW_TOKENS : TOKENS, quick)) {
      note(`gemm: ${shape.name}`);
      using ours = await ownMultiplier("1 worker", single, shape);
      using oursTogether = await ownMultiplier(`${cores} workers`, team, shape);
      const sides = await sidesOf([ours, oursTogether], peers, shape, note);
      const rounds = quick ? FEW_ROUNDS : ROUNDS[model];
      const [ceiling, alone, together, ...others] = await interleave(rounds, [peak, ...sides]);
      ratios.push(over(shape.name, alone, ceiling, { least: PEAK_SHARE }));
      if (cores > 1) ratios.push(over(shape.name, together, alone, { least: SCALING }));
      for (const [i, other] of others.entries()) {
        ratios.push(over(shape.name, peers[i].threads === 1 ? alone : together, other, { least: OVER_WASM_PEER }));
      }
    }
  }
  return ratios;
}

/** Tokens where the adapter is a program on the CPU: more of LLaMA-7B would take minutes. */
const SOFTWARE_TOKENS = { "SmolLM2-135M": 256, "LLaMA-7B": 128 } as const;
/** Tokens on a GPU: one sequence of the published calibration. */
const HARDWARE_TOKENS = 2048;

/** The WebGPU part. */
export async function benchWebgpu({ quick, note, peak }: Bench): Promise<Ratio[]> {
  await using stack = new AsyncDisposableStack();
  let backend;
  try {
    backend = stack.use(await openBackend("webgpu"));
  } catch (error) {
    if (!(error instanceof PareError)) throw error;
    note(`webgpu is left out: ${error.message}`);
    return [];
  }
  await using automatic = await openBackend("auto");
  const hardware = automatic.name === "webgpu";
  const peers = await startPeers(
    [["jax_js.ts", "webgpu"], ["tfjs.ts"], ["onnxruntime.ts", "webgpu"]],
    note,
    stack,
  );
  const ratios: Ratio[] = [];
  for (const model of MODELS) {
    for (const shape of shapes(model, hardware ? HARDWARE_TOKENS : SOFTWARE_TOKENS[model], quick)) {
      note(`webgpu: ${shape.name}`);
      using ours = await ownMultiplier(backend.description, backend, shape);
      const sides = await sidesOf([ours], peers, shape, note);
      const [own, ...others] = await interleave(quick ? FEW_ROUNDS : ROUNDS[model], sides);
      const fastest = others.toSorted((a, b) => b.median - a.median)[0];
      for (const other of others) {
        ratios.push(over(shape.name, own, other, other === fastest ? { least: OVER_WEBGPU_PEER } : undefined));
      }
      if (peak) ratios.push(over(shape.name, own, figure("the adapter's peak, as given", "GFLOP/s", [peak / 1e9])));
    }
  }
  return ratios;
}
