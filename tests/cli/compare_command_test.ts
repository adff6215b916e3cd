/** Lists on the command line of `compare`: what they mean, and what is said of one that means nothing. */
import { assertEquals, assertThrows } from "@std/assert";
import { compareCommand } from "../../src/cli/compare_command.ts";
import { parse } from "../../src/cli/flags.ts";
import { PareError } from "../../src/errors.ts";

const read = (line: string) => {
  const values = parse(compareCommand, ["model", "-o", "out", ...line.split(" ")]);
  return values !== "help" && values.sparsities;
};
const refuse = (line: string) => assertThrows(() => read(line), PareError).message;

Deno.test("sparsities are shares and patterns, in the order in which they are given", () => {
  assertEquals(read("--sparsities 0.5,2:4,.7"), ["0.5", "2:4", ".7"]);
  assertEquals(read("-s 0"), ["0"]);
});

Deno.test("per cent, a pattern in other signs and a flag's singular are told what they would be", () => {
  assertEquals(refuse("--sparsities 50"), "--sparsities 50: expected a share in [0, 1); did you mean 0.5 (50 %)?");
  assertEquals(
    refuse("--sparsities 0.5,60%"),
    "--sparsities 60%: expected a share in [0, 1); did you mean 0.6 (60 %)?",
  );
  assertEquals(
    refuse("-s 0.5,4:2"),
    "--sparsities 4:2: expected n:m with 0 < n < m, such as 2:4 (n of every m weights are kept); did you mean 2:4?",
  );
  assertEquals(refuse("--sparsity 0.5"), "unknown flag --sparsity: did you mean --sparsities?");
  assertEquals(refuse("--method wanda"), "unknown flag --method: did you mean --methods?");
  assertEquals(refuse("--sparsities 0.5,0.5"), "--sparsities 0.5,0.5: 0.5 stands there twice");
});
