/** A GGUF file as a checkpoint: names, the order of rows, config.json, and what is written from it. */
import { assertEquals, assertRejects } from "@std/assert";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { parseConfig } from "../../src/model/read.ts";
import { SMOLLM2, SMOLLM2_GGUF, testWith } from "../golden/shared.ts";
import { understood } from "../model/configs.ts";
import { names, temporary } from "./folders.ts";
import { counting, F32, opened, TINY, TINY_TENSORS, type Typed } from "./gguf_file.ts";

Deno.test("tensors have transformers' names, F16, and the order of the reference writer", async () => {
  await opened(TINY, TINY_TENSORS, async (checkpoint) => {
    assertEquals([...checkpoint.tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape]), [
      ["model.embed_tokens.weight", "F16", [4, 8]],
      ["model.layers.0.input_layernorm.weight", "F16", [8]],
      ["model.layers.0.mlp.down_proj.weight", "F16", [8, 12]],
      ["model.layers.0.mlp.gate_proj.weight", "F16", [12, 8]],
      ["model.layers.0.mlp.up_proj.weight", "F16", [12, 8]],
      ["model.layers.0.post_attention_layernorm.weight", "F16", [8]],
      ["model.layers.0.self_attn.k_proj.weight", "F16", [4, 8]],
      ["model.layers.0.self_attn.o_proj.weight", "F16", [8, 8]],
      ["model.layers.0.self_attn.q_proj.weight", "F16", [8, 8]],
      ["model.layers.0.self_attn.v_proj.weight", "F16", [4, 8]],
      ["model.norm.weight", "F16", [8]],
    ]);
    const norm = (await checkpoint.read(["model.norm.weight"])).get("model.norm.weight")!;
    assertEquals([...new Float16Array(norm.slice().buffer)], [100, 101, 102, 103, 104, 105, 106, 107]);
  });
});

Deno.test("query and key rows go from neighbouring pairs to halves, head by head, and no others move", async () => {
  await opened(TINY, TINY_TENSORS, async (checkpoint) => {
    const rows = async (name: string, from: number) => {
      const whole = `model.layers.0.self_attn.${name}.weight`;
      const bytes = (await checkpoint.read([whole])).get(whole)!;
      return [...new Float16Array(bytes.slice().buffer)].filter((_, i) => i % 8 === 0).map((first) =>
        (first - from) / 8
      );
    };
    // Head by head, a pair (2j, 2j + 1) of GGUF becomes (j, j + 2).
    assertEquals(await rows("q_proj", 300), [0, 2, 1, 3, 4, 6, 5, 7]);
    assertEquals(await rows("k_proj", 400), [0, 2, 1, 3]);
    assertEquals(await rows("v_proj", 500), [0, 1, 2, 3]);
    assertEquals(await rows("o_proj", 600), [0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

Deno.test("any rows of a tensor are those of the whole", async () => {
  await opened(TINY, TINY_TENSORS, async (checkpoint) => {
    const whole = await checkpoint.read([...checkpoint.tensors.keys()]);
    for (const { name, shape } of checkpoint.tensors.values()) {
      if (shape.length < 2) continue;
      for (let first = 0; first < shape[0]; first++) {
        const bytes = await checkpoint.readRows(name, first, shape[0] - first);
        assertEquals(bytes, whole.get(name)!.slice(first * shape[1] * 2), `${name} from row ${first}`);
      }
    }
  });
});

Deno.test("biases of query and key move with their rows; a qwen2 file keeps its order", async () => {
  const biases = [counting("blk.0.attn_q.bias", [8]), counting("blk.0.attn_k.bias", [4])];
  const read = (metadata: Readonly<Record<string, Typed>>) =>
    opened(metadata, [...TINY_TENSORS, ...biases], async (checkpoint) => {
      const name = "model.layers.0.self_attn.q_proj.bias";
      return [...new Float16Array((await checkpoint.read([name])).get(name)!.slice().buffer)];
    });
  assertEquals(await read(TINY), [0, 2, 1, 3, 4, 6, 5, 7]);
  const qwen2 = Object.entries(TINY).map(([key, typed]) => [key.replace(/^llama/, "qwen2"), typed] as const);
  const metadata = { ...Object.fromEntries(qwen2), "general.architecture": ["string", "qwen2"] as const };
  assertEquals(await read(metadata), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("config.json is rebuilt so that the model room understands it", async () => {
  await opened(
    { ...TINY, "llama.rope.scaling.type": ["string", "linear"], "llama.rope.scaling.factor": ["f32", 2.5] },
    TINY_TENSORS,
    (checkpoint) => {
      assertEquals(understood(checkpoint.config), {
        family: "llama",
        hidden: 8,
        blocks: 1,
        heads: 2,
        kvHeads: 1,
        headDim: 4,
        intermediate: 12,
        vocabulary: 4,
        maxLength: 64,
        epsilon: 1e-5,
        tied: true,
        ropeBase: 10000,
        ropeScaling: { kind: "linear", factor: 2.5 },
        biased: [],
        headNorm: false,
        window: undefined,
      });
      return Promise.resolve();
    },
  );
});

Deno.test("LLaMA 3.1's scaling is found again from its factors, and other factors are refused", async () => {
  // As transformers computes them from its config (modeling_rope_utils): head width 64, base 500000, factor 8.
  const factors = Array.from({ length: 32 }, (_, j) => {
    const wavelength = 2 * Math.PI * 500000 ** (2 * j / 64);
    if (wavelength < 8192 / 4) return 1;
    if (wavelength > 8192) return 8;
    const smooth = (8192 / wavelength - 1) / (4 - 1);
    return 1 / ((1 - smooth) / 8 + smooth);
  });
  const read = (values: number[]) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    const rope = { name: "rope_freqs.weight", format: F32, shape: [32], bytes };
    return opened({ ...TINY, "llama.rope.freq_base": ["f32", 500000] }, [...TINY_TENSORS, rope], (checkpoint) => {
      assertEquals(checkpoint.tensors.size, TINY_TENSORS.length);
      return Promise.resolve(checkpoint.config.rope_scaling);
    });
  };
  assertEquals(await read(factors), {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  });
  assertEquals(await read(factors.map(() => 1)), null);
  await assertRejects(
    () => read(factors.with(3, 1.5)),
    PareError,
    "its rotary factors are not llama3's: factor 3 is 1.5, expected 1",
  );
});

Deno.test("what is written from a GGUF file is a directory of F16, which says the same", async () => {
  await opened(TINY, TINY_TENSORS, async (checkpoint, folder) => {
    await using writer = await createWriter(checkpoint, `${folder}/out`);
    await writer.write("model.norm.weight", new Uint8Array(16));
    await writer.finish();
    assertEquals(names(`${folder}/out`), [
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    await using copy = await openDirectory(`${folder}/out`);
    assertEquals([copy.config, [...copy.tensors], [...copy.headers]], [checkpoint.config, [...checkpoint.tensors], [
      ...checkpoint.headers,
    ]]);
    const all = [...copy.tensors.keys()];
    const expected = await checkpoint.read(all);
    expected.set("model.norm.weight", new Uint8Array(16));
    assertEquals(await copy.read(all), expected);
    await assertRejects(
      () => createWriter(checkpoint, folder, { force: true }),
      PareError,
      `contains the input ${folder}/m.gguf`,
    );
    await assertRejects(() => createWriter(checkpoint, `${folder}/m.gguf`), PareError, "is the input");
  });
});

Deno.test("a number that F16 cannot hold is an error that names the tensor", async () => {
  const tensors = TINY_TENSORS.map((tensor) =>
    tensor.name === "output_norm.weight" ? counting(tensor.name, [8], 65515) : tensor
  );
  await opened(TINY, tensors, async (checkpoint, folder) => {
    await assertRejects(
      () => checkpoint.read(["model.norm.weight"]),
      PareError,
      `${folder}/m.gguf: tensor "model.norm.weight" holds NaN or Inf`,
    );
  });
});

/** SHA-256 of the model.safetensors that tests/fixtures/make/smollm2.py makes, as the script itself checks it. */
const EXPECTED = "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904";

testWith(
  [SMOLLM2_GGUF, SMOLLM2],
  "SmolLM2's Q4_1 file gives the directory that smollm2.py makes of it: the weights bit for bit",
  async () => {
    using folder = temporary();
    await using checkpoint = await openGguf(SMOLLM2_GGUF!);
    await using writer = await createWriter(checkpoint, `${folder.path}/out`);
    await writer.finish();
    const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(`${folder.path}/out/model.safetensors`));
    assertEquals(new Uint8Array(digest).toHex(), EXPECTED);
    const json = (file: string) =>
      [`${folder.path}/out/${file}`, `${SMOLLM2}/${file}`].map((path) => JSON.parse(Deno.readTextFileSync(path)));
    for (const file of ["tokenizer.json", "generation_config.json"]) {
      const [ours, theirs] = json(file);
      assertEquals(ours, theirs, file);
    }
    const [ours, theirs] = json("config.json");
    assertEquals(parseConfig(ours, "m"), parseConfig(theirs, "m"));
  },
);
