/** Pass 2: Wanda's score, selection and mask of one large weight against the published code's full sort in PyTorch. */
import { DEFAULT_SOLVER_OPTIONS, findMethod, makeRequest, openBackend } from "../../src/mod.ts";
import { randomFloats } from "./model.ts";
import type { Bench } from "./part.ts";
import { Peer } from "./peer.ts";
import { faster, interleave, type Ratio, type Side } from "./ratio.ts";

/** A linear of LLaMA-7B, and what the paper removes of it. */
const ROWS = 4096, COLS = 4096, SPARSITY = 0.5;
/** What is wanted: so many times as fast as the sort of the published code. */
const OVER_SORT = 10;
const ROUNDS = 9, FEW_ROUNDS = 3;

/** See the file's head. Both sides start from a dense weight in F32 and its statistic, and end with the zeros in place. */
export async function benchMask({ quick, note }: Bench): Promise<Ratio[]> {
  await using peer = await Peer.start("wanda_mask.py", [], note);
  if (!peer) return [];
  const name = `Wanda's score and mask, ${ROWS} x ${COLS}`;
  note(name);
  await using backend = await openBackend("wasm");
  const method = findMethod("wanda"), request = makeRequest(method, { sparsity: SPARSITY });
  const bytes = new Uint8Array(randomFloats(ROWS * COLS).buffer);
  using statistic = backend.upload(new Uint8Array(randomFloats(COLS).map(Math.abs).buffer), 1, COLS, "F32");
  const ours: Side = {
    label: backend.description,
    unit: "s",
    async sample() {
      using weight = backend.upload(bytes, ROWS, COLS, "F32");
      await backend.read();
      const start = performance.now();
      using pruner = await method.begin(backend, { squares: statistic }, DEFAULT_SOLVER_OPTIONS);
      using _removed = await pruner!.prune({ name, weight }, request);
      await backend.read();
      return (performance.now() - start) / 1000;
    },
  };
  const theirs: Side = {
    label: peer.name,
    unit: "s",
    sample: async () => (await peer.ask<{ seconds: number }>({ rows: ROWS, cols: COLS, sparsity: SPARSITY })).seconds,
  };
  return [faster(name, ...await interleave(quick ? FEW_ROUNDS : ROUNDS, [ours, theirs]), { least: OVER_SORT })];
}
