/** Claims about wrong shapes: every operation refuses them at the call with what it expected and what it found. */
import { assertMatch, assertThrows } from "@std/assert";
import type { Backend, Dtype } from "../../src/backend/backend.ts";
import { assertHeld, contract } from "./contract.ts";

/** A wrong call, and what is wrong with it. */
type Wrong = readonly [what: string, call: () => unknown];

/** All wrong calls; `zeros` makes a tensor that is disposed of afterwards. */
function wrongCalls(
  backend: Backend,
  zeros: (rows: number, cols: number, dtype?: Dtype) => ReturnType<Backend["allocate"]>,
): Wrong[] {
  const x = zeros(6, 8), ids = (count: number) => new Uint32Array(count);
  const mask = (rows: number, cols: number) =>
    backend.selectSmallest(zeros(rows, cols), { group: 1, sparsity: 0, rule: "count" });
  const attend =
    (q: number, k: number, v: number, length: number, cols: readonly [number, number, number] = [8, 4, 4]) => () =>
      backend.attention(zeros(q, cols[0]), zeros(k, cols[1]), zeros(v, cols[2]), { length, heads: 2, kvHeads: 1 });
  return [
    ["upload: too few bytes", () => backend.upload(new Uint8Array(20), 2, 3, "F32")],
    ["upload: too many bytes", () => backend.upload(new Uint8Array(24), 2, 3, "F16")],
    ["embed: ids", () => backend.embed(x, ids(5), zeros(9, 8), 0)],
    ["embed: columns of the table", () => backend.embed(x, ids(6), zeros(9, 7), 0)],
    ["linear: columns", () => backend.linear(x, zeros(3, 7))],
    ["linear: dtype of x", () => backend.linear(zeros(6, 8, "F16"), zeros(3, 8))],
    ["linear: columns of the bias", () => backend.linear(x, zeros(3, 8), zeros(1, 4))],
    ["linear: rows of the bias", () => backend.linear(x, zeros(3, 8), zeros(3, 3))],
    ["rmsNorm: length of the gain", () => backend.rmsNorm(x, zeros(1, 3), 1e-5)],
    ["rmsNorm: rows of the gain", () => backend.rmsNorm(x, zeros(2, 8), 1e-5)],
    ["rotate: columns", () => backend.rotate(x, zeros(6, 6))],
    ["attention: rows of q", attend(6, 6, 6, 4)],
    ["attention: rows of k", attend(6, 5, 6, 3)],
    ["attention: rows of v", attend(6, 6, 12, 3)],
    ["attention: columns of k", attend(6, 6, 6, 3, [8, 8, 4])],
    ["attention: columns of v", attend(6, 6, 6, 3, [8, 4, 3])],
    [
      "attention: heads",

      () => backend.attention(zeros(3, 12), zeros(3, 8), zeros(3, 8), { length: 3, heads: 3, kvHeads: 2 }),
    ],
    ["swiglu: rows", () => backend.swiglu(x, zeros(5, 8))],
    ["swiglu: columns", () => backend.swiglu(x, zeros(6, 7))],
    ["add: rows", () => backend.add(x, zeros(7, 8))],
    ["add: columns", () => backend.add(x, zeros(6, 6))],
    ["crossEntropy: rows of the state", () => backend.crossEntropy(zeros(5, 3), x, zeros(9, 8), 0, ids(6), true)],
    [
      "crossEntropy: columns of the state",

      () => backend.crossEntropy(zeros(6, 2), x, zeros(9, 8), 0, ids(6), true),
    ],
    [
      "crossEntropy: columns of the head",

      () => backend.crossEntropy(zeros(6, 3), x, zeros(8, 9), 0, ids(6), true),
    ],
    ["crossEntropy: targets", () => backend.crossEntropy(zeros(6, 3), x, zeros(9, 8), 0, ids(7), true)],
    ["addSquares: columns", () => backend.addSquares(zeros(2, 7), x)],
    ["addSquares: rows of the sums", () => backend.addSquares(zeros(1, 8), x)],
    ["merge: columns", () => backend.merge(zeros(2, 8), zeros(2, 7))],
    ["merge: rows", () => backend.merge(zeros(2, 8), zeros(3, 8))],
    ["finish: rows", () => backend.finish(zeros(1, 8), 1)],
    ["score: statistic", () => backend.score(x, { kind: "activation", statistic: zeros(1, 7) })],
    ["score: rows of the statistic", () => backend.score(x, { kind: "activation", statistic: zeros(2, 8) })],
    ["selectSmallest: sparsity", () => backend.selectSmallest(x, { group: 1, sparsity: 1.5, rule: "count" })],
    [
      "selectSmallest: sparsity",

      () => backend.selectSmallest(x, { group: 1, sparsity: -0.5, rule: "threshold" }),
    ],
    ["selectSmallest: group", () => backend.selectSmallest(x, { group: 1.5, sparsity: 0.5, rule: "count" })],
    ["selectCumulative: sparsity", () => backend.selectCumulative(x, 1)],
    ["selectGroups: columns", () => backend.selectGroups(x, 1, 3)],
    ["selectGroups: n", () => backend.selectGroups(x, 5, 4)],
    ["apply: columns", () => backend.apply(x, mask(6, 7))],
    ["apply: rows", () => backend.apply(x, mask(5, 8))],
  ];
}

contract("shapes", (claim) => {
  claim(
    "that are wrong are refused at the call, with what was expected and found, and the backend goes on",
    async (backend) => {
      using scope = new DisposableStack();
      const masks: Disposable[] = [];
      const zeros = (rows: number, cols: number, dtype?: Dtype) => scope.use(backend.allocate(rows, cols, dtype));
      const wrong = wrongCalls(backend, zeros), failures: string[] = [];
      for (const [what, call] of wrong) {
        try {
          const error = assertThrows(() => {
            const result = call();
            if (result) masks.push(result as Disposable);
          }, RangeError);
          assertMatch(error.message, /expected .*\d.*, found .*\d/);
        } catch (error) {
          failures.push(`${what}: ${error}`);
        }
      }
      for (const one of masks) one[Symbol.dispose]();
      if (failures.length > 0) throw new Error(failures.join("\n"));
      const sum = scope.use(backend.add(zeros(2, 3), zeros(2, 3)));
      await assertHeld(backend, [{ what: "after all of them", held: sum, values: new Float64Array(6) }]);
    },
  );
});
