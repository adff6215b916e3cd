/** What walks over a specification's tree find: which linears there are, and which of them share an input. */
import { assertEquals } from "@std/assert";
import {
  blockTensors,
  expertsOf,
  inputGroups,
  linearsOf,
  modelTensors,
  residentTensors,
} from "../../src/model/layers.ts";
import { parseConfig } from "../../src/model/read.ts";
import { SMALLEST } from "./configs.ts";

/** The roles of each group of a block. */
function groups(config: Record<string, unknown>, block = 0): string[][] {
  return inputGroups(parseConfig({ ...SMALLEST, ...config }, "m").blocks[block]).map((group) =>
    group.map(({ role }) => role.replace(/^.*\./, ""))
  );
}

Deno.test("linears share an input if nothing stands between what they are given", () => {
  const llama = [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]];
  assertEquals(groups({}), llama);
  // No norm before: the input of a half is the residual stream, which the other half changes.
  assertEquals(groups({ model_type: "olmo2" }), llama);
  assertEquals(groups({ model_type: "gemma2" }), llama);
  assertEquals(groups({ model_type: "phi3" }), [["qkv_proj"], ["o_proj"], ["gate_up_proj"], ["down_proj"]]);
});

Deno.test("halves side by side share an input where one norm serves both, and do not where each has its own", () => {
  assertEquals(groups({ model_type: "cohere" }), [
    ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"],
    ["o_proj"],
    ["down_proj"],
  ]);
  const neox = [["query_key_value"], ["dense"], ["dense_h_to_4h"], ["dense_4h_to_h"]];
  for (const use_parallel_residual of [true, false]) {
    assertEquals(groups({ model_type: "gpt_neox", use_parallel_residual }), neox);
  }
});

Deno.test("every expert has inputs of its own, and its router is no linear to prune", () => {
  const config = { ...SMALLEST, model_type: "mixtral", num_local_experts: 3, num_key_value_heads: 4 };
  const { blocks: [block] } = parseConfig(config, "m");
  const names = inputGroups(block).slice(2).map((group) =>
    group.map(({ name }) => name.split(".").slice(-2).join("."))
  );
  assertEquals(names, [["0.w1", "0.w3"], ["0.w2"], ["1.w1", "1.w3"], ["1.w2"], ["2.w1", "2.w3"], ["2.w2"]]);
  assertEquals(new Set(linearsOf(block).slice(4).map(({ role }) => role)).size, 3);
  assertEquals(expertsOf(block)?.experts.length, 3);
  const resident = residentTensors(block).map(({ name }) => name), all = blockTensors(block).map(({ name }) => name);
  assertEquals(all.filter((name) => !resident.includes(name)).length, 9);
  assertEquals(resident.some((name) => name.endsWith("block_sparse_moe.gate.weight")), true);
});

Deno.test("the linears of a block are in the order of the forward pass, and each tensor of a model is named once", () => {
  for (const model_type of ["llama", "cohere", "gpt_neox", "phi3", "mixtral", "gemma3_text"]) {
    const spec = parseConfig({ ...SMALLEST, model_type, num_key_value_heads: 4 }, "m");
    for (const block of spec.blocks) {
      const names = (linears: readonly { name: string }[]) => linears.map(({ name }) => name);
      assertEquals(names(linearsOf(block)).toSorted(), names(inputGroups(block).flat()).toSorted());
    }
    const tensors = modelTensors(spec).map(({ name }) => name);
    assertEquals(new Set(tensors).size, tensors.length);
  }
});
