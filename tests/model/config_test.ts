/** What a `config.json` is understood as, and what is refused, in which words. */
import { assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { PareError } from "../../src/errors.ts";
import { FAMILIES } from "../../src/model/families/mod.ts";
import { blockTensors, findLayer } from "../../src/model/layers.ts";
import { parseConfig } from "../../src/model/read.ts";
import { PUBLISHED, SMALLEST, understood } from "./configs.ts";

/** The message with which a change to the smallest config is refused, without the model's name. */
function refusal(change: Readonly<Record<string, unknown>>): string {
  const { message } = assertThrows(() => parseConfig({ ...SMALLEST, ...change }, "m"), PareError);
  const [, rest] = /^m: config\.json: ([^\n]+)$/.exec(message) ?? [];
  return rest;
}

for (const [name, { four, five, shape }] of Object.entries(PUBLISHED)) {
  Deno.test(`${name} is understood, and the same as transformers 4 and 5 write it`, () => {
    assertEquals(parseConfig(five, name), parseConfig(four, name));
    const found = understood(four, name);
    const shown = Object.fromEntries(Object.keys(shape).map((key) => [key, found[key as keyof typeof found]]));
    assertEquals(shown, { ...shape });
    const { hidden, blocks, heads, intermediate, vocabulary } = found;
    assertEquals(
      [hidden, blocks, heads, intermediate, vocabulary],
      ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
        .map((key) => four[key] as number),
    );
  });
}

Deno.test("what a LLaMA's config leaves out is as transformers' LlamaConfig has it", () => {
  assertEquals(understood(SMALLEST), {
    family: "llama",
    hidden: 64,
    blocks: 2,
    heads: 4,
    kvHeads: 4,
    headDim: 16,
    intermediate: 96,
    vocabulary: 128,
    maxLength: 2048,
    epsilon: 1e-6,
    tied: false,
    ropeBase: 10000,
    ropeScaling: { kind: "none" },
    biased: [],
    headNorm: false,
    window: undefined,
  });
});

Deno.test("null means the same as nothing where transformers writes it", () => {
  const nulls = { num_key_value_heads: null, head_dim: null, rope_scaling: null, sliding_window: null };
  assertEquals(parseConfig({ ...SMALLEST, ...nulls }, "m"), parseConfig(SMALLEST, "m"));
});

Deno.test("attention_bias and mlp_bias of a LLaMA give its linears a bias", () => {
  assertEquals(understood({ ...SMALLEST, attention_bias: true }).biased, [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
  ]);
  assertEquals(understood({ ...SMALLEST, mlp_bias: true }).biased, [
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
  ]);
});

Deno.test("a sliding window counts where the family slides, in the blocks that do, and limits no length", () => {
  const long = { max_position_embeddings: 32768, sliding_window: 4096 };
  const windows = (change: Record<string, unknown>) => {
    const { blocks, maxLength } = parseConfig({ ...SMALLEST, ...long, ...change }, "m");
    assertEquals(maxLength, 32768);
    return blocks.map((block) => findLayer(block, "attention")!.window);
  };
  assertEquals(windows({ model_type: "mistral" }), [4096, 4096]);
  assertEquals(windows({ model_type: "mistral", sliding_window: null }), [undefined, undefined]);
  // As MistralConfig has it where a config says nothing.
  assertEquals(windows({ model_type: "mistral", sliding_window: undefined }), [4096, 4096]);
  for (const model_type of ["qwen2", "qwen3"]) {
    const slides = { model_type, use_sliding_window: true };
    assertEquals(windows({ ...slides, max_window_layers: 1 }), [undefined, 4096]);
    assertEquals(windows({ ...slides, max_window_layers: 0 }), [4096, 4096]);
    assertEquals(windows(slides), [undefined, undefined]);
    assertEquals(windows({ ...slides, layer_types: ["sliding_attention", "full_attention"] }), [4096, undefined]);
    assertEquals(windows({ model_type, use_sliding_window: false, max_window_layers: 0 }), [undefined, undefined]);
  }
  assertEquals(windows({ model_type: "llama" }), [undefined, undefined]);
  assertEquals(
    refusal({ model_type: "qwen2", layer_types: ["full_attention"] }),
    '"layer_types" names 1 blocks, "num_hidden_layers" 2',
  );
});

Deno.test("llama3 scaling without an original length takes the model's own", () => {
  const rope_scaling = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const { ropeScaling } = understood({ ...SMALLEST, rope_scaling, max_position_embeddings: 512 });
  assertEquals(ropeScaling?.kind === "llama3" && ropeScaling.originalLength, 512);
});

Deno.test("a family that is not known is named, with those that are", () => {
  const known = [...FAMILIES.keys()].join(", ");
  assertMatch(known, /llama, mistral/);
  assertEquals(refusal({ model_type: "mamba" }), `the family "mamba" is not known; known are ${known}`);
  for (const model_type of ["constructor", "__proto__", "toString", ""]) {
    assertEquals(refusal({ model_type }), `the family "${model_type}" is not known; known are ${known}`);
  }
  for (const model_type of [undefined, null, 1, {}, JSON.parse('{"toString": 1, "valueOf": 1}')]) {
    assertEquals(refusal({ model_type }), `expected a "model_type", one of ${known}`);
  }
});

Deno.test("what the forward pass does not have is refused by name", () => {
  const known = "known are default, linear, llama3, yarn, dynamic, longrope";
  for (const key of ["rope_scaling", "rope_parameters"]) {
    assertEquals(refusal({ [key]: { rope_type: "ntk", factor: 4 } }), `rope type "ntk" is not known; ${known}`);
    assertEquals(refusal({ [key]: { type: "mrope" } }), `rope type "mrope" is not known; ${known}`);
    assertEquals(refusal({ [key]: { rope_type: "linear" } }), 'rope type "linear" needs a number "factor"');
    assertEquals(refusal({ [key]: { rope_type: "dynamic" } }), 'rope type "dynamic" needs a number "factor"');
    const short = { rope_type: "longrope", short_factor: [1, 1], long_factor: [1, 1] };
    assertEquals(
      refusal({ [key]: short }),
      'rope type "longrope" needs "short_factor" and "long_factor" of 8 numbers each',
    );
  }
  assertEquals(
    refusal({ rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 1 } }),
    'rope type "llama3" needs a number "high_freq_factor"',
  );
  assertEquals(
    refusal({ rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 } }),
    'rope type "llama3": expected low_freq_factor < high_freq_factor, found 4 and 4',
  );
  assertMatch(refusal({ hidden_act: "mish" }), /^the activation "mish" is not known; known are silu, /);
});

Deno.test("a part of a head is rotated where the config says so", () => {
  const { blocks } = parseConfig({ ...SMALLEST, partial_rotary_factor: 0.25 }, "m");
  assertEquals(findLayer(blocks[0], "attention")!.rope!.dim, 4);
  assertEquals(
    refusal({ partial_rotary_factor: 0.2 }),
    "expected an even number of rotated dimensions of a head, found 3",
  );
});

Deno.test("heads that do not add up are refused", () => {
  assertEquals(refusal({ num_attention_heads: 7 }), `expected a whole head width, found ${64 / 7}`);
  assertEquals(refusal({ head_dim: 15 }), "expected an even number of rotated dimensions of a head, found 15");
  assertEquals(refusal({ num_key_value_heads: 3 }), "4 heads cannot share 3 key-value heads evenly");
  assertEquals(refusal({ num_key_value_heads: 8 }), "4 heads cannot share 8 key-value heads evenly");
});

for (const key of Object.keys(SMALLEST).filter((key) => key !== "model_type")) {
  Deno.test(`"${key}" must be there, a whole number, and of this world`, () => {
    for (const value of [undefined, null, 0, -1, 1.5, "64", [64], NaN, Infinity, 1e9, 2 ** 53]) {
      assertMatch(refusal({ [key]: value }), new RegExp(`^"${key}": `), `${value}`);
    }
  });
}

/** Any JSON, or a value that a config may hold in one of its places. */
const anything = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(null, 0, -1, 1e300, 2 ** 24, "", "silu", "llama3", "linear", true, [], {}),
);

Deno.test("any JSON object is understood or refused in one line, never worse", () => {
  const scaling = fc.record({
    rope_type: fc.oneof(fc.constantFrom("default", "linear", "llama3", "yarn", "dynamic", "longrope"), anything),
    type: anything,
    rope_theta: anything,
    factor: anything,
    low_freq_factor: anything,
    high_freq_factor: anything,
    original_max_position_embeddings: anything,
  }, { requiredKeys: [] });
  const changes = fc.record({
    model_type: fc.oneof(fc.constantFrom(...FAMILIES.keys()), anything),
    ...Object.fromEntries(
      [
        ...["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size"],
        ...["intermediate_size", "max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings"],
        ...["attention_bias", "mlp_bias", "sliding_window", "use_sliding_window", "rope_theta"],
      ].map((key) => [key, anything]),
    ),
    rope_scaling: fc.oneof(scaling, anything),
    rope_parameters: fc.oneof(scaling, anything),
  }, { requiredKeys: [] });
  const config = fc.oneof(
    changes.map((change) => ({ ...SMALLEST, ...change })),
    fc.jsonValue().map((value) => Object(value)),
  );
  fc.assert(
    fc.property(config, (config) => {
      try {
        const shape = understood(config);
        const numbers = Object.values(shape).filter((value) => typeof value === "number");
        return numbers.every((value) => Number.isFinite(value) && value > 0);
      } catch (error) {
        assertInstanceOf(error, PareError);
        return true;
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("a head that the file has counts, whatever the config says of tying", () => {
  const tied = { ...SMALLEST, tie_word_embeddings: true };
  assertEquals(parseConfig(tied, "m", new Set(["lm_head.weight"])).head.tensor, "lm_head.weight");
  assertEquals(parseConfig(tied, "m", new Set()).head.tensor, "model.embed_tokens.weight");
});

Deno.test("the original length at the top is believed before the rotation's own, as transformers does", () => {
  const rope_scaling = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 512 };
  const { ropeScaling } = understood({ ...SMALLEST, rope_scaling, original_max_position_embeddings: 256 });
  assertEquals((ropeScaling as { originalLength: number }).originalLength, 256);
});

Deno.test("an mscale of 0 is none: YaRN's factor is that of the stretch alone", () => {
  const factorOf = (own: Record<string, unknown>) =>
    findLayer(
      parseConfig({ ...SMALLEST, rope_scaling: { rope_type: "yarn", factor: 4, ...own } }, "m").blocks[0],
      "attention",
    )!.rope!.attentionFactor;
  assertEquals(factorOf({ mscale: 1.4, mscale_all_dim: 0 }), factorOf({}));
});

Deno.test("Cohere's norm of one head has a matrix of one row, as of several", () => {
  const { blocks: [block] } = parseConfig({
    ...SMALLEST,
    model_type: "cohere",
    use_qk_norm: true,
    num_key_value_heads: 1,
  }, "m");
  const shapes = new Map(blockTensors(block).map(({ name, shape }) => [name, shape]));
  assertEquals(shapes.get("model.layers.0.self_attn.q_norm.weight"), [4, 16]);
  assertEquals(shapes.get("model.layers.0.self_attn.k_norm.weight"), [1, 16]);
  assertEquals(shapes.get("model.layers.0.input_layernorm.weight"), [64]);
});

Deno.test("Gemma 3 caps no scores, whatever its config carries over from Gemma 2", () => {
  const { blocks: [block] } = parseConfig({
    ...SMALLEST,
    model_type: "gemma3_text",
    attn_logit_softcapping: 50,
  }, "m");
  assertEquals(findLayer(block, "attention")!.softCap, undefined);
});

Deno.test("SmolLM3's list of rotating blocks may be longer than the model, not shorter", () => {
  const ropes = (no_rope_layers: number[]) =>
    parseConfig({ ...SMALLEST, model_type: "smollm3", no_rope_layers, num_key_value_heads: 4 }, "m").blocks
      .map((block) => findLayer(block, "attention")!.rope !== undefined);
  assertEquals(ropes([1, 0, 1, 0]), [true, false]);
  const { message } = assertThrows(() => ropes([1]), PareError);
  assertMatch(message, /"no_rope_layers" names 1 blocks, "num_hidden_layers" 2$/);
});
