/** A GGUF file as a checkpoint: names, the order of rows, config and tokenizer; and what is said of one that lies. */
import { existsSync } from "node:fs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { readGgufHeader } from "../../src/checkpoint/gguf/header.ts";
import type { Source } from "../../src/checkpoint/source.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { PareError } from "../../src/errors.ts";
import { parseConfig } from "../../src/model/config.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { names, temporary } from "./folders.ts";
import { counting, F32, ggufFile, Q4_0, Q8_0, type TensorBytes, TINY, TINY_TENSORS, type Typed } from "./gguf_file.ts";
import { memory } from "./safetensors_file.ts";

/** Opens a file of these parts and hands the checkpoint on. */
async function opened<T>(
  metadata: Readonly<Record<string, Typed>>,
  tensors: readonly TensorBytes[],
  use: (checkpoint: Awaited<ReturnType<typeof openGguf>>, folder: string) => Promise<T>,
): Promise<T> {
  using folder = temporary();
  Deno.writeFileSync(`${folder.path}/m.gguf`, ggufFile(metadata, tensors));
  await using checkpoint = await openGguf(`${folder.path}/m.gguf`);
  return await use(checkpoint, folder.path);
}

const without = (key: string) => Object.fromEntries(Object.entries(TINY).filter(([each]) => each !== key));

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
      assertEquals(parseConfig(checkpoint.config, "m"), {
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

Deno.test("a tokenizer that is not known is no obstacle until it is asked for", async () => {
  await opened({ ...TINY, "tokenizer.ggml.pre": ["string", "tekken"] }, TINY_TENSORS, async (checkpoint, folder) => {
    assertEquals(checkpoint.files, ["config.json", "generation_config.json"]);
    await assertRejects(
      () => checkpoint.readText("tokenizer.json"),
      PareError,
      `${folder}/m.gguf: its pre-tokenizer is "tekken"; Pare can rebuild gpt-2, smollm, llama-bpe, qwen2`,
    );
    assertEquals(await checkpoint.readText("vocab.json"), undefined);
  });
});

Deno.test("each pre-tokenizer that has a name here cuts digits and contractions as it should", async () => {
  const pieces = ["1", "2", "3", "4", "5", "12", "123", "45", "12345", "'", "V", "E", "'V", "'VE", "\ufeff"];
  const merges = ["1 2", "12 3", "4 5", "123 45", "' V", "'V E"];
  for (
    const [pre, digits, contraction] of [
      ["gpt-2", ["12345"], ["'", "V", "E"]],
      ["smollm", ["1", "2", "3", "4", "5"], ["'", "V", "E"]],
      ["llama-bpe", ["123", "45"], ["'VE"]],
      ["qwen2", ["1", "2", "3", "4", "5"], ["'VE"]],
    ] as const
  ) {
    const metadata: Record<string, Typed> = {
      ...TINY,
      "tokenizer.ggml.pre": ["string", pre],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.token_type": ["i32s", pieces.map(() => 1)],
      "tokenizer.ggml.merges": ["strings", merges],
    };
    await opened(metadata, TINY_TENSORS, async (checkpoint) => {
      const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), "m");
      const encode = (text: string) => [...tokenizer.encode(text, { special: false })].map((id) => pieces[id]);
      assertEquals([pre, encode("12345"), encode("'VE")], [pre, digits, contraction]);
      // LLaMA 3 begins every text with BOS, which is piece 0 here, though the file does not say so.
      assertEquals(tokenizer.encode("2", { special: true }).length, pre === "llama-bpe" ? 2 : 1);
      const { model } = JSON.parse((await checkpoint.readText("tokenizer.json"))!);
      assertEquals(model.vocab["\ufeff"], 14);
    });
  }
});

Deno.test("a SentencePiece tokenizer merges by score, falls back to bytes and begins with BOS", async () => {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, "▁", "a", "b", "c", "bc", "ab", "▁ab", "▁abc"];
  const scores = pieces.map((_, id) => id < 259 ? 0 : 259 - id);
  await opened(
    {
      ...without("tokenizer.ggml.merges"),
      "tokenizer.ggml.model": ["string", "llama"],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.scores": ["f32s", scores],
      "tokenizer.ggml.token_type": ["i32s", pieces.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)],
      "tokenizer.ggml.bos_token_id": ["u32", 1],
      "tokenizer.ggml.eos_token_id": ["u32", 2],
    },
    TINY_TENSORS,
    async (checkpoint) => {
      const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), "m");
      const id = (piece: string) => pieces.indexOf(piece);
      // "bc" has the better score, so "ab" never comes to be.
      assertEquals([...tokenizer.encode("abc", { special: true })], [1, id("▁"), id("a"), id("bc")]);
      assertEquals([...tokenizer.encode("ab", { special: false })], [id("▁ab")]);
      assertEquals([...tokenizer.encode("é", { special: false })], [id("▁"), id("<0xC3>"), id("<0xA9>")]);
      assertEquals(tokenizer.decode([1, id("▁ab"), id("<0xC3>"), id("<0xA9>")]), "abé");
    },
  );
});

/** A tokenizer that transformers made of a SentencePiece model; its text, too, is other people's. */
const STORIES = new URL("../../../shared/models/stories260K/tokenizer.json", import.meta.url).pathname;
const STORIES_TEXT = new URL("../../../shared/data/tinystories.txt", import.meta.url).pathname;

Deno.test({
  name: "the pieces and scores of stories260K give the ids that its own tokenizer.json gives (../shared)",
  ignore: !existsSync(STORIES),
  fn: async () => {
    const text = Deno.readTextFileSync(STORIES);
    const vocabulary = Object.entries<number>(JSON.parse(text).model.vocab);
    const pieces = vocabulary.sort(([, a], [, b]) => a - b).map(([piece]) => piece);
    const first = 3 + 256; // after the special tokens and the bytes; SentencePiece scores its BPE pieces 0, -1, -2, …
    const metadata: Record<string, Typed> = {
      ...without("tokenizer.ggml.merges"),
      "tokenizer.ggml.model": ["string", "llama"],
      "tokenizer.ggml.tokens": ["strings", pieces],
      "tokenizer.ggml.scores": ["f32s", pieces.map((_, id) => id < first ? 0 : first - id)],
      "tokenizer.ggml.token_type": ["i32s", pieces.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < first ? 6 : 1)],
      "tokenizer.ggml.bos_token_id": ["u32", 1],
    };
    await opened(metadata, TINY_TENSORS, async (checkpoint) => {
      const ours = await loadTokenizer((file) => checkpoint.readText(file), "ours");
      const theirs = await loadTokenizer(
        (file) => Promise.resolve(file === "tokenizer.json" ? text : undefined),
        "theirs",
      );
      const stories = Deno.readTextFileSync(STORIES_TEXT).slice(0, 50_000) + " naïve ☃";
      const ids = ours.encode(stories, { special: true });
      assertEquals(ids, theirs.encode(stories, { special: true }));
      assertEquals(ours.decode(ids), theirs.decode(ids));
    });
  },
});

/** What is said of a file. */
async function complaint(file: Uint8Array<ArrayBuffer>): Promise<string> {
  using folder = temporary();
  Deno.writeFileSync(`${folder.path}/m.gguf`, file);
  const error = await assertRejects(() => openGguf(`${folder.path}/m.gguf`), PareError);
  return error.message.replaceAll(`${folder.path}/`, "");
}

Deno.test("a file that lies is refused in one line", async () => {
  const sound = ggufFile(TINY, TINY_TENSORS);
  const long = new Uint8Array(8).fill(255);
  const tensors = (change: Partial<TensorBytes>) => [{ ...TINY_TENSORS[0], ...change }, ...TINY_TENSORS.slice(1)];
  const cases: [file: Uint8Array<ArrayBuffer>, message: string][] = [
    [new Uint8Array(), "m.gguf: truncated: the magic needs 4 bytes at 0, the file has 0"],
    [ggufFile({}, [], { magic: "GGML" }), "m.gguf: it is not a GGUF file"],
    [ggufFile({}, [], { version: 1 }), "m.gguf: GGUF version 1; Pare reads 2 and 3, little-endian"],
    [ggufFile({}, [], { version: 0x03000000 }), "m.gguf: GGUF version 50331648; Pare reads 2 and 3, little-endian"],
    [
      ggufFile({}, [], { keys: 2n ** 64n - 1n }).slice(0, 24),
      "m.gguf: truncated: key 0 needs 8 bytes at 24, the file has 24",
    ],
    [
      ggufFile({}, [], { tensors: 2n ** 40n }).slice(0, 24),
      "m.gguf: truncated: the name of tensor 0 needs 8 bytes at 24, the file has 24",
    ],
    [
      ggufFile({ x: ["raw", 8, long] }, []),
      `m.gguf: truncated: key "x" needs 18446744073709552000 bytes at 45, the file has 64`,
    ],
    [
      ggufFile({ x: ["raw", 9, Uint8Array.of(4, 0, 0, 0, ...long)] }, []),
      `m.gguf: truncated: key "x" needs 73786976294838210000 bytes at 49, the file has 64`,
    ],
    [
      ggufFile({ x: ["raw", 9, Uint8Array.of(8, 0, 0, 0, ...long)] }, []),
      `m.gguf: truncated: key "x" needs 147573952589676410000 bytes at 49, the file has 64`,
    ],
    [
      ggufFile(
        { x: ["raw", 9, Uint8Array.from({ length: 60 }, (_, i) => i % 12 === 0 ? 9 : i % 12 === 4 ? 1 : 0)] },
        [],
      ),
      `m.gguf: key "x" nests arrays deeper than 4`,
    ],
    [ggufFile({ x: ["raw", 13, new Uint8Array(8)] }, []), `m.gguf: key "x" has the unknown type 13`],
    [
      ggufFile({ x: ["raw", 8, Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28)] }, []),
      `m.gguf: key "x" is not UTF-8 text`,
    ],
    [ggufFile({}, []), `m.gguf: its metadata lack "general.architecture"`],
    [
      ggufFile({ "general.architecture": ["u32", 1] }, []),
      `m.gguf: its metadata should have a text as "general.architecture"`,
    ],
    [
      ggufFile({ ...TINY, "general.architecture": ["string", "bert"] }, TINY_TENSORS),
      `m.gguf: its architecture is "bert"; Pare reads llama, qwen2, qwen3`,
    ],
    [
      ggufFile({ ...TINY, "general.alignment": ["u32", 0] }, TINY_TENSORS),
      "m.gguf: general.alignment must be a positive integer, found 0",
    ],
    [
      ggufFile({ ...TINY, "split.count": ["u32", 3] }, TINY_TENSORS),
      "m.gguf: it is one part of 3; join them by llama-gguf-split --merge",
    ],
    [ggufFile(without("llama.block_count"), TINY_TENSORS), `m.gguf: its metadata lack "llama.block_count"`],
    [ggufFile(TINY, TINY_TENSORS.slice(1)), `m.gguf: it has no tensor "token_embd.weight"`],
    [
      sound.slice(0, -64),
      `m.gguf: tensor "blk.0.ffn_down.weight": its bytes end at ${sound.length}, the file at ${sound.length - 64}`,
    ],
    [
      ggufFile(TINY, tensors({ offset: 2 ** 50 })),
      `m.gguf: tensor "token_embd.weight": its bytes end at 1125899906844192, the file at ${sound.length}`,
    ],
    [ggufFile(TINY, tensors({ offset: 7 })), `m.gguf: tensor "token_embd.weight" begins at 7, no multiple of 32`],
    [ggufFile(TINY, tensors({ offset: 128 })), `m.gguf: tensors "token_embd.weight" and "output_norm.weight" overlap`],
    [ggufFile(TINY, tensors({ shape: [0, 8] })), `m.gguf: tensor "token_embd.weight": its shape [0, 8] cannot be F32`],
    [
      ggufFile(TINY, tensors({ shape: [2 ** 50, 2 ** 50] })),
      `m.gguf: tensor "token_embd.weight": its shape [1125899906842624, 1125899906842624] cannot be F32`,
    ],
    [ggufFile(TINY, tensors({ format: Q8_0 })), `m.gguf: tensor "token_embd.weight": its shape [4, 8] cannot be Q8_0`],
    [ggufFile(TINY, tensors({ shape: [1, 1, 1, 4, 8] })), `m.gguf: tensor "token_embd.weight" has 5 dimensions`],
    [
      ggufFile(TINY, tensors({ format: 10 })),
      `m.gguf: tensor "token_embd.weight" is Q2_K; Pare reads F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16`,
    ],
    [
      ggufFile(TINY, tensors({ format: 4000 })),
      `m.gguf: tensor "token_embd.weight" is of the unknown format 4000; Pare reads F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16`,
    ],
    [
      ggufFile(TINY, [...TINY_TENSORS, counting("blk.0.ffn_gate_exps.weight", [8])]),
      `m.gguf: tensor "blk.0.ffn_gate_exps.weight" is none of a llama model's`,
    ],
    [
      ggufFile(TINY, [...TINY_TENSORS, TINY_TENSORS[0]]),
      `m.gguf: tensor "token_embd.weight" stands in the header twice`,
    ],
    [
      ggufFile({ ...TINY, "llama.attention.head_count": ["u32", 3] }, TINY_TENSORS),
      `m.gguf: tensor "blk.0.attn_q.weight": 3 heads cannot share 8 rows`,
    ],
    [
      ggufFile({ ...TINY, "llama.rope.dimension_count": ["u32", 2] }, TINY_TENSORS),
      "m.gguf: it rotates 2 of 4 dimensions of a head; Pare all",
    ],
    [
      ggufFile({ ...TINY, "llama.rope.scaling.type": ["string", "yarn"] }, TINY_TENSORS),
      `m.gguf: its rope scaling is "yarn"; Pare knows linear and llama3`,
    ],
  ];
  for (const [file, message] of cases) assertEquals(await complaint(file), message);
});

Deno.test("a file cut anywhere, or with any byte changed, is read or refused, never worse", async () => {
  const sound = ggufFile(TINY, [...TINY_TENSORS, {
    name: "output.weight",
    format: Q4_0,
    shape: [1, 32],
    bytes: new Uint8Array(18),
  }]);
  using folder = temporary();
  const path = `${folder.path}/m.gguf`;
  const headerLength = 1800;
  assert(headerLength < sound.length);
  const change = fc.record({ cut: fc.option(fc.nat(sound.length)), at: fc.nat(headerLength), value: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(change, async ({ cut, at, value }) => {
      const file = sound.slice(0, cut ?? sound.length);
      if (at < file.length) file[at] = value;
      Deno.writeFileSync(path, file);
      try {
        await using checkpoint = await openGguf(path);
        await checkpoint.read([...checkpoint.tensors.keys()]);
        await checkpoint.readText("tokenizer.json");
      } catch (error) {
        return error instanceof PareError && !error.message.includes("\n");
      }
    }),
    { numRuns: 1500 },
  );
});

Deno.test("an array of as many elements as a file of a terabyte can hold costs no more than the longest header", async () => {
  for (const inner of [0, 8, 9]) { // bytes, texts, arrays; of each the smallest there is
    const count = Uint8Array.of(inner, 0, 0, 0, ...new Uint8Array(BigUint64Array.of(2n ** 36n).buffer));
    const begin = ggufFile({ x: ["raw", 9, count] }, []);
    const terabyte: Source = {
      ...memory(begin),
      size: 2 ** 40,
      read(offset, length) {
        const bytes = new Uint8Array(length); // zeros, after what was said above
        bytes.set(begin.subarray(offset, offset + length));
        return Promise.resolve(bytes);
      },
    };
    const message = "f: its header is longer than 67108864 bytes, the most that is read";
    await assertRejects(() => readGgufHeader(terabyte), PareError, message);
  }
});

/** The GGUF file inside the package that ../shared/tools/make_smollm2.py takes apart, and what that script makes of it. */
const GGUF = Deno.env.get("PARE_SMOLLM2_GGUF"), DIRECTORY = Deno.env.get("PARE_SMOLLM2");
/** SHA-256 of the script's model.safetensors, as the script itself checks it. */
const EXPECTED = "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904";

Deno.test({
  name:
    "SmolLM2's Q4_1 file gives make_smollm2.py's directory: the weights bit for bit (PARE_SMOLLM2_GGUF, PARE_SMOLLM2)",
  ignore: !GGUF || !DIRECTORY,
  fn: async () => {
    using folder = temporary();
    await using checkpoint = await openGguf(GGUF!);
    await using writer = await createWriter(checkpoint, `${folder.path}/out`);
    await writer.finish();
    const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(`${folder.path}/out/model.safetensors`));
    assertEquals(new Uint8Array(digest).toHex(), EXPECTED);
    const json = (file: string) =>
      [`${folder.path}/out/${file}`, `${DIRECTORY}/${file}`].map((path) => JSON.parse(Deno.readTextFileSync(path)));
    for (const file of ["tokenizer.json", "generation_config.json"]) {
      const [ours, theirs] = json(file);
      assertEquals(ours, theirs, file);
    }
    const [ours, theirs] = json("config.json");
    assertEquals(parseConfig(ours, "m"), parseConfig(theirs, "m"));
  },
});
