/** Which tensors a model is made of, and how a checkpoint that lacks one is refused. */
import { assertEquals, assertThrows } from "@std/assert";
import type { TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { PareError } from "../../src/errors.ts";
import { blockTensors, linearsOf } from "../../src/model/layers.ts";
import { checkTensors, parseConfig } from "../../src/model/read.ts";
import { SMALLEST } from "./configs.ts";

type Shapes = Record<string, number[]>;

/** Tensors of these shapes, as far as a check looks at them. */
function tensorsOf(shapes: Shapes): ReadonlyMap<string, TensorInfo> {
  const info = { dtype: "F32" as const, shard: "model.safetensors", offset: 0, bytes: 0 };
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, { ...info, name, shape }]));
}

/** Every tensor of the smallest config, spelled out by hand. */
function smallest(): Shapes {
  const shapes: Shapes = {
    "model.embed_tokens.weight": [128, 64],
    "model.norm.weight": [64],
    "lm_head.weight": [128, 64],
  };
  for (const block of [0, 1]) {
    for (const kind of ["q", "k", "v", "o"]) shapes[`model.layers.${block}.self_attn.${kind}_proj.weight`] = [64, 64];
    for (const kind of ["gate", "up"]) shapes[`model.layers.${block}.mlp.${kind}_proj.weight`] = [96, 64];
    shapes[`model.layers.${block}.mlp.down_proj.weight`] = [64, 96];
    for (const norm of ["input", "post_attention"]) shapes[`model.layers.${block}.${norm}_layernorm.weight`] = [64];
  }
  return shapes;
}

function refusal(change: (shapes: Shapes) => void, config: Record<string, unknown> = {}): string {
  const shapes = smallest();
  change(shapes);
  const shape = parseConfig({ ...SMALLEST, ...config }, "m");
  return assertThrows(() => checkTensors(shape, { path: "m", tensors: tensorsOf(shapes) }), PareError).message;
}

Deno.test("a model has the tensors that its config asks for, and no more are asked for", () => {
  checkTensors(parseConfig(SMALLEST, "m"), { path: "m", tensors: tensorsOf(smallest()) });
});

Deno.test("every tensor is asked for: without any one of them the check names it", () => {
  for (const name of Object.keys(smallest())) {
    assertEquals(refusal((shapes) => delete shapes[name]), `m: no tensor ${name}, which config.json asks for`);
  }
});

Deno.test("every tensor's shape is looked at: transposed, longer or flattened it is refused", () => {
  for (const [name, shape] of Object.entries(smallest())) {
    for (const other of [[...shape, 1], [shape.reduce((a, b) => a * b) + 1], [shape[0] + 1, ...shape.slice(1)]]) {
      const wanted = `expected the shape [${shape.join(", ")}] by config.json, found [${other.join(", ")}]`;
      assertEquals(refusal((shapes) => shapes[name] = other), `m: tensor ${name}: ${wanted}`);
    }
  }
});

Deno.test("a tied model needs no head, and a biased or head-normed one needs what it says", () => {
  const shapes = smallest();
  delete shapes["lm_head.weight"];
  const tensors = tensorsOf(shapes);
  checkTensors(parseConfig({ ...SMALLEST, tie_word_embeddings: true }, "m"), { path: "m", tensors });
  const q = "model.layers.0.self_attn.q_proj.bias", norm = "model.layers.0.self_attn.q_norm.weight";
  assertEquals(refusal(() => {}, { model_type: "qwen2" }), `m: no tensor ${q}, which config.json asks for`);
  assertEquals(refusal(() => {}, { model_type: "qwen3" }), `m: no tensor ${norm}, which config.json asks for`);
});

Deno.test("a config that claims sixteen million blocks is no model's", () => {
  const config = { ...SMALLEST, num_hidden_layers: 2 ** 24 };
  const { message } = assertThrows(() => parseConfig(config, "m"), PareError);
  assertEquals(message, 'm: config.json: "num_hidden_layers": Too big: expected number to be <=4096');
});

Deno.test("a head width apart from hidden / heads gives q, k, v and o their shapes", () => {
  const { blocks: [block] } = parseConfig({ ...SMALLEST, num_key_value_heads: 2, head_dim: 24 }, "m");
  assertEquals(linearsOf(block).map(({ rows, cols }) => [rows, cols]), [
    [96, 64],
    [48, 64],
    [48, 64],
    [64, 96],
    [96, 64],
    [96, 64],
    [64, 96],
  ]);
});

Deno.test("the gains over heads are as wide as a head, the biases as long as an output", () => {
  const config = { ...SMALLEST, model_type: "qwen3", head_dim: 24, num_key_value_heads: 2, attention_bias: true };
  const { blocks: [, block] } = parseConfig(config, "m");
  const shapes = new Map(blockTensors(block).map(({ name, shape }) => [name, shape]));
  const shapeOf = (name: string) => shapes.get(`model.layers.1.${name}`);
  assertEquals(shapeOf("self_attn.q_norm.weight"), [24]);
  assertEquals(shapeOf("self_attn.k_norm.weight"), [24]);
  assertEquals(shapeOf("self_attn.k_proj.bias"), [48]);
  assertEquals(shapeOf("self_attn.o_proj.bias"), [64]);
});
