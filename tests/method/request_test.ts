/** What a user may write for a pattern, a group and a sparsity, and the words in which the rest is refused. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { PareError } from "../../src/errors.ts";
import {
  dampingFor,
  findMethod,
  makeRequest,
  makeSolverOptions,
  type Method,
  METHODS,
  parseGroup,
  parsePattern,
  withUpdate,
} from "../../src/method/mod.ts";

const wanda = findMethod("wanda"), magnitude = findMethod("magnitude");

function refusal(act: () => unknown): string {
  return assertThrows(act, PareError).message;
}

Deno.test("n:m is read for any 0 < n < m, and keeps n: 1 - n/m is removed", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 999999 }), fc.integer(), (m, any) => {
    const n = 1 + Math.abs(any) % (m - 1), pattern = parsePattern(`${n}:${m}`);
    assertEquals(pattern, { n, m });
    assertAlmostEquals(makeRequest(wanda, { pattern }).sparsity, (m - n) / m, 1e-12);
  }));
});

Deno.test("what is no n:m with 0 < n < m is refused, with the words that explain it", () => {
  for (const text of ["0:4", "4:4", "5:4", "2-4", "2:4:8", ":4", "2:", "", "2.5:4", "-2:4", " 2:4", "2:4x", "1e1:20"]) {
    assertEquals(
      refusal(() => parsePattern(text)),
      `--pattern ${text}: expected n:m with 0 < n < m, such as 2:4 (n of every m weights are kept)`,
    );
  }
});

Deno.test("row, layer, column and block:R are groups, nothing else is", () => {
  for (const text of ["row", "layer", "column"] as const) assertEquals(parseGroup(text), text);
  assertEquals(parseGroup("block:128"), { block: 128 });
  for (const text of ["rows", "Row", "block", "block:", "block:0", "block:-1", "block:1.5", "block:4 ", ""]) {
    assertEquals(
      refusal(() => parseGroup(text)),
      `--group ${text}: expected row, layer, column or block:R with R rows, such as block:4`,
    );
  }
});

Deno.test("without a word half of the weights go", () => {
  assertEquals(makeRequest(wanda, {}), { sparsity: 0.5 });
  assertEquals(makeRequest(magnitude, { sparsity: 0 }), { sparsity: 0 });
});

Deno.test("a sparsity outside of [0, 1) is refused", () => {
  for (const sparsity of [1, -0.1, 2, -1e-9, NaN, Infinity, -Infinity]) {
    assertEquals(
      refusal(() => makeRequest(wanda, { sparsity })),
      `--sparsity ${sparsity}: expected a share in [0, 1)`,
    );
  }
});

Deno.test("a published command gives both sparsity and pattern; they must say the same", () => {
  const pattern = { n: 2, m: 4 };
  assertEquals(makeRequest(wanda, { sparsity: 0.5, pattern }), { sparsity: 0.5, pattern });
  assertEquals(
    refusal(() => makeRequest(wanda, { sparsity: 0.6, pattern })),
    "--sparsity 0.6 contradicts --pattern 2:4, which removes 0.5: leave one out",
  );
});

Deno.test("what excludes each other is named", () => {
  const pattern = { n: 2, m: 4 };
  assertEquals(
    refusal(() => makeRequest(wanda, { pattern, group: "row" })),
    "--group and --pattern exclude each other: n:m compares within its m weights",
  );
  for (const other of [{ pattern }, { group: "layer" as const }]) {
    assertEquals(
      refusal(() => makeRequest(wanda, { variant: true, ...other })),
      "--variant and --pattern or --group exclude each other",
    );
  }
  assertEquals(
    refusal(() => makeRequest(magnitude, { variant: true })),
    "--variant is Wanda's; the method is magnitude",
  );
});

Deno.test("a method that is not known is named, with those that are", () => {
  assertEquals(
    refusal(() => findMethod("Wanda")),
    "--method Wanda: not known; known are magnitude, sparsegpt, wanda, ria, admm, alps",
  );
  for (const name of METHODS.keys()) assertEquals(findMethod(name).name, name);
});

Deno.test("a block size is for what works in blocks of columns, and refused elsewhere", () => {
  const sequential = withUpdate(wanda, "sequential"), sparsegpt = findMethod("sparsegpt");
  for (const method of [sparsegpt, sequential, withUpdate(sparsegpt, "pcg")]) {
    assertEquals(makeSolverOptions(method).blockSize, 128);
    assertEquals(makeSolverOptions(method, { blockSize: 64 }).blockSize, 64);
  }
  for (const method of [findMethod("admm"), findMethod("alps"), withUpdate(wanda, "pcg")]) {
    assertEquals(makeSolverOptions(method).blockSize, undefined);
    assertEquals(
      refusal(() => makeSolverOptions(method, { blockSize: 64 })),
      `--block-size: ${method.name} does not work in blocks of columns; sparsegpt does`,
    );
  }
});

Deno.test("steps are for an update by conjugate gradients, and refused elsewhere", () => {
  const pcg = withUpdate(wanda, "pcg");
  assertEquals([makeSolverOptions(pcg).steps, makeSolverOptions(pcg, { steps: 10 }).steps], [5, 10]);
  assertEquals(makeSolverOptions(findMethod("admm")).steps, undefined);
  assertEquals(
    refusal(() => makeSolverOptions(findMethod("admm"), { steps: 10 })),
    "--steps: admm takes none that can be chosen; --update pcg does",
  );
  assertEquals(
    refusal(() => makeSolverOptions(pcg, { steps: 0 })),
    "--steps 0: expected a whole number from 1 on, such as 5",
  );
});

Deno.test("SparseGPT's damping is the published one, what solves by products asks for it by the tokens", () => {
  const sparsegpt = findMethod("sparsegpt"), pcg = (method: Method) => withUpdate(method, "pcg");
  const dampingOf = (method: Method) => makeSolverOptions(method).damping;
  assertEquals([sparsegpt, withUpdate(wanda, "sequential")].map(dampingOf), [0.01, 0.01]);
  for (const method of [findMethod("admm"), findMethod("alps"), pcg(wanda), pcg(sparsegpt)]) {
    assertEquals(dampingOf(method), "auto", method.name);
  }
  assertEquals(makeSolverOptions(sparsegpt, { damping: "auto" }).damping, "auto");
  // Columns by tokens, between the least and the most.
  assertEquals([[100, 1e6], [100, 1000], [100, 100]].map(([columns, tokens]) => dampingFor(columns, tokens)), [
    0.01,
    0.1,
    0.3,
  ]);
});

Deno.test("magnitude asks for nothing, wanda for the column sums of squares", () => {
  assertEquals([magnitude.statistic, wanda.statistic], ["none", "squares"]);
});
