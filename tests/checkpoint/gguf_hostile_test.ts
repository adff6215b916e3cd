/** GGUF files that lie: each gets one line, and none costs more time or memory than a sound one. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { readGgufHeader } from "../../src/checkpoint/gguf/header.ts";
import type { Source } from "../../src/checkpoint/source.ts";
import { PareError } from "../../src/errors.ts";
import { temporary } from "./folders.ts";
import { counting, ggufFile, Q4_0, Q8_0, type TensorBytes, TINY, TINY_TENSORS, without } from "./gguf_file.ts";
import { memory } from "./safetensors_file.ts";

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
      `m.gguf: key "x" is an array of arrays, which Pare does not read`,
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
      `m.gguf: its architecture is "bert"; Pare reads llama, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, smollm3, command-r, gptneox, bloom, gpt2`,
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
      ggufFile(TINY, [...TINY_TENSORS, counting("blk.00.attn_q.weight", [8, 8])]),
      `m.gguf: tensor "blk.00.attn_q.weight" is none of a llama model's`,
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
      ggufFile({ ...TINY, "llama.attention.head_count": ["i32", -2] }, TINY_TENSORS),
      `m.gguf: its metadata should have a positive integer as "llama.attention.head_count", found -2`,
    ],
    [
      ggufFile({ ...TINY, "llama.attention.head_count_kv": ["f32", 0.5] }, TINY_TENSORS),
      `m.gguf: its metadata should have a positive integer as "llama.attention.head_count_kv", found 0.5`,
    ],
    [
      ggufFile(TINY, [...TINY_TENSORS, {
        name: "blk.0.attn_q.bias",
        format: Q4_0,
        shape: [32],
        bytes: new Uint8Array(18),
      }]),
      `m.gguf: tensor "blk.0.attn_q.bias": a bias cannot be Q4_0`,
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
  for (const inner of [0, 8]) { // bytes, texts; of each the smallest there is
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
