/** Which linears the flags `--blocks`, `--include` and `--exclude` leave, and what is refused. */
import { assertEquals, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { linearsOf } from "../../src/model/layers.ts";
import { parseConfig } from "../../src/model/read.ts";
import { chooseTargets, type TargetOptions } from "../../src/stream/target.ts";
import { SMALLEST } from "../model/configs.ts";

const spec = parseConfig({ ...SMALLEST, num_hidden_layers: 12 }, "m");
const choose = (options: TargetOptions, pattern?: { n: number; m: number }) =>
  chooseTargets(spec, { sparsity: 0.5, ...pattern && { pattern } }, options);

function refusal(options: TargetOptions): string {
  return assertThrows(() => choose(options), PareError).message;
}

Deno.test("without a word every linear of every block is pruned", () => {
  const targets = choose({});
  assertEquals([...targets.keys()], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const [block, linears] of targets) assertEquals(linears, linearsOf(spec.blocks[block]));
});

Deno.test("blocks are numbers and ranges, from 0, in any order, twice or not", () => {
  const blocks = (text: string) => [...choose({ blocks: text }).keys()];
  assertEquals(blocks("0-3,7"), [0, 1, 2, 3, 7]);
  assertEquals(blocks("11, 2 ,2,1-2"), [1, 2, 11]);
  assertEquals(blocks("5-5"), [5]);
});

Deno.test("block numbers that are none, or beyond the model, are refused", () => {
  for (const blocks of ["", "a", "-1", "3-1", "1.5", "1-", "0,,1", "0-3-5", "1e1", "*"]) {
    assertEquals(refusal({ blocks }), `--blocks ${blocks}: expected numbers and ranges such as 0-3,7`);
  }
  for (const blocks of ["12", "0-12", "999999"]) {
    assertEquals(refusal({ blocks }), `--blocks ${blocks}: the model has blocks 0 to 11`);
  }
});

Deno.test("a glob matches a whole name, or its end after a dot", () => {
  const kinds = (...include: string[]) => choose({ include, blocks: "3" }).get(3)?.map(({ role }) => role);
  const up = ["mlp.up_proj"], mlp = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"];
  assertEquals(kinds("model.layers.3.mlp.up_proj"), up);
  assertEquals(kinds("mlp.up_proj"), up);
  assertEquals(kinds("up_proj"), up);
  assertEquals(kinds("?p_proj"), up);
  assertEquals(kinds("*.mlp.*"), mlp);
  assertEquals(kinds("mlp.*"), mlp);
  assertEquals(kinds("model.layers.?.mlp.*"), mlp);
  assertEquals(kinds("q_proj", "mlp.*"), ["self_attn.q_proj", ...mlp]);
});

Deno.test("what is excluded stays out, even if it is included", () => {
  const targets = choose({ include: ["mlp.*"], exclude: ["down_proj", "layers.4.*"] });
  assertEquals(targets.get(0)?.map(({ role }) => role), ["mlp.gate_proj", "mlp.up_proj"]);
  assertEquals(targets.has(4), false);
});

Deno.test("a glob that matches nothing is named, and so is its flag", () => {
  for (const glob of ["*.mlp.*.weight", "p_proj", "up_pro", "", "mlp.up.proj", "(", "[a-z]*"]) {
    for (const flag of ["include", "exclude"] as const) {
      assertEquals(
        refusal({ [flag]: [glob] }),
        `--${flag} ${glob}: matches no linear; their names are such as model.layers.0.self_attn.q_proj`,
      );
    }
  }
});

Deno.test("flags that together leave nothing are refused", () => {
  const nothing = "--blocks, --include and --exclude together leave no linear to prune";
  assertEquals(refusal({ exclude: ["*"] }), nothing);
  assertEquals(refusal({ blocks: "0", include: ["layers.1.*"] }), nothing);
});

Deno.test("a pattern must divide the inputs of every linear that is pruned, and of no other", () => {
  // 64 and 96 inputs: 3 divides the down projection's alone.
  const pattern = { n: 1, m: 3 };
  assertEquals(
    assertThrows(() => choose({}, pattern), PareError).message,
    "--pattern 1:3: model.layers.0.self_attn.q_proj has 64 inputs, not a multiple of 3",
  );
  assertEquals(choose({ include: ["down_proj"] }, pattern).size, 12);
});
