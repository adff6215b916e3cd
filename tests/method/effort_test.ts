/** What a method that solves says it holds is what it holds: plans of memory are made of it. */
import { assertEquals } from "@std/assert";
import type { Backend, InverseFactor, Tensor } from "../../src/backend/backend.ts";
import { DEFAULT_SOLVER_OPTIONS, findMethod, makeRequest, withUpdate } from "../../src/method/mod.ts";
import { WATCHED_WEIGHTS } from "../../src/method/pcg.ts";
import { decades, hessian } from "../contract/hessians.ts";
import { draw, NORMAL } from "../contract/matrices.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** Rows fall into four parts. */
const ROWS = 8, COLS = 40;

/** A backend, and how many matrices of a size its tensors made at most at a time, of those that were made since. */
function counting(backend: Backend) {
  const most = { weights: 0, inputs: 0 }, now = { weights: 0, inputs: 0 };
  /** Counts a tensor until its owner, itself unless given, is disposed of. */
  const count = (tensor: Tensor, owner: Disposable = tensor): void => {
    if (tensor.cols !== COLS || !("dtype" in tensor) || tensor.dtype !== "F32") return;
    const kind = tensor.rows === 1 ? undefined : tensor.rows % COLS === 0 ? "inputs" : "weights";
    if (!kind) return;
    const size = tensor.rows / (kind === "weights" ? ROWS : COLS), dispose = owner[Symbol.dispose].bind(owner);
    most[kind] = Math.max(most[kind], now[kind] += size);
    let live = true;
    owner[Symbol.dispose] = () => {
      if (live) now[kind] -= size;
      live = false;
      dispose();
    };
  };
  const counted = new Proxy(backend, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const result = value.apply(target, args);
        if (key === "inverseFactor") {
          return result.then((factor: InverseFactor) => (count(factor.upper, factor), factor));
        }
        if (typeof result === "object" && result !== null && "cols" in result) count(result);
        return result;
      };
    },
  });
  return { counted, most };
}

const pcg = (name: string) => withUpdate(findMethod(name), "pcg");
for (
  const [name, method] of [
    ["wanda+pcg", pcg("wanda")],
    ["sparsegpt+pcg", pcg("sparsegpt")],
    ["alps+pcg", pcg("alps")],
    ...["admm", "alps"].map((name) => [name, findMethod(name)] as const),
  ] as const
) {
  for (const judges of [false, true]) {
    Deno.test(`${name} holds as many matrices as it says${judges ? ", with tokens held out" : ""}`, async () => {
      const backend = new ReferenceBackend(), { counted, most } = counting(backend);
      using scope = new DisposableStack();
      const put = (values: ArrayLike<number>, rows: number) =>
        scope.use(backend.upload(new Uint8Array(Float32Array.from(values).buffer), rows, COLS, "F32"));
      const moment = hessian(2, decades(COLS, 100)).values;
      const input = {
        hessian: put(moment, COLS),
        squares: put(Array.from({ length: COLS }, (_, j) => moment[j * (COLS + 1)] / 2), 1),
        ...judges && { heldOut: put(hessian(3, decades(COLS, 100)).values, COLS) },
      };
      const weight = put(draw(1, ROWS, COLS, "F32", NORMAL).values, ROWS);
      {
        using pruner = (await method.begin(counted, input, DEFAULT_SOLVER_OPTIONS))!;
        const dense = scope.use(backend.copy(weight));
        using _removed = await pruner.prune({ name, weight, dense }, makeRequest(method, { sparsity: 0.5 }));
      }
      // The dense weight is kept beside, for the error.
      const { holds } = method.effort!, watches = judges && name !== "admm";
      assertEquals({ ...most, weights: most.weights + 1 }, watches ? { ...holds, weights: WATCHED_WEIGHTS } : holds);
    });
  }
}
