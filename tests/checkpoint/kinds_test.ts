/** What is given for a model and is none is told by what it is, in one line, with what to do about it. */
import { assertEquals, assertRejects } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { PareError } from "../../src/errors.ts";
import { readSpec } from "../../src/model/read.ts";
import { copyDirectory, FIXTURES, temporary } from "./folders.ts";
import { ggufFile, TINY, TINY_TENSORS } from "./gguf_file.ts";
import { safetensorsFile } from "./safetensors_file.ts";

const POINTER = "version https://git-lfs.github.com/spec/v1\n" +
  `oid sha256:${"0123456789abcdef".repeat(4)}\nsize 988097824\n`;

/** Adds files to a copy of a model, or to nothing, and gives what is said of it, with the folder's name taken out. */
async function complaint(base: string | undefined, change: (path: string) => void | Promise<void>): Promise<string> {
  using folder = temporary();
  const path = `${folder.path}/model`;
  if (base) copyDirectory(`${FIXTURES}/${base}`, path);
  else Deno.mkdirSync(path);
  await change(path);
  const error = await assertRejects(async () => {
    await using checkpoint = await openCheckpoint(path);
    readSpec(checkpoint);
    await checkpoint.readText("tokenizer.json");
  }, PareError);
  assertEquals(error.message.includes("\n"), false);
  return error.message.replaceAll(path, "MODEL");
}

/** Writes text files. */
const texts = (files: Readonly<Record<string, string | undefined>>) => (path: string) => {
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${path}/${name}`, text!);
};

for (
  const [base, name] of [
    ["tiny-qwen2", "model.safetensors"],
    ["tiny-mistral", "model-00002-of-00002.safetensors"],
    ["tiny-mistral", "model.safetensors.index.json"],
    ["tiny-qwen2", "config.json"],
    ["tiny-qwen2", "tokenizer.json"],
  ]
) {
  Deno.test(`${base}: a git-lfs pointer in the place of ${name} is named, and what fetches the file`, async () => {
    assertEquals(
      await complaint(base, texts({ [name]: POINTER })),
      `MODEL/${name} is a git-lfs pointer, not the file itself (of 988097824 bytes): run git lfs pull in its repository`,
    );
  });
}

Deno.test("a git-lfs pointer in the place of a GGUF file, by itself and in a directory", async () => {
  const said = (path: string) =>
    `${path} is a git-lfs pointer, not the file itself (of 988097824 bytes): run git lfs pull in its repository`;
  assertEquals(await complaint(undefined, texts({ "x.gguf": POINTER })), said("MODEL/x.gguf"));
  using folder = temporary();
  texts({ "x.gguf": POINTER })(folder.path);
  await assertRejects(() => openCheckpoint(`${folder.path}/x.gguf`), PareError, said(`${folder.path}/x.gguf`));
});

/** Changes a model's config.json. */
function configure(path: string, change: Readonly<Record<string, unknown>>): void {
  const config = JSON.parse(Deno.readTextFileSync(`${path}/config.json`));
  Deno.writeTextFileSync(`${path}/config.json`, JSON.stringify({ ...config, ...change }));
}

/** A safetensors file of one number for each of these. */
function weights(tensors: Readonly<Record<string, "I32" | "F16" | "U8" | "I8" | "F8_E4M3" | "F32">>): Uint8Array {
  const header: Record<string, unknown> = {}, sizes = { I32: 4, F32: 4, F16: 2, U8: 1, I8: 1, F8_E4M3: 1 };
  let end = 0;
  for (const [name, dtype] of Object.entries(tensors)) {
    header[name] = { dtype, shape: [1], data_offsets: [end, end += sizes[dtype]] };
  }
  return safetensorsFile(header, end);
}

const UP = "model.layers.0.mlp.up_proj";
const PACKED = { [`${UP}.qweight`]: "I32", [`${UP}.qzeros`]: "I32", [`${UP}.scales`]: "F16" } as const;
const ENDING = "Pare prunes weights that are numbers (F32, F16, BF16): give the model that it was made from";

for (
  const [what, config, tensors, said] of [
    ["AWQ", { quant_method: "awq", bits: 4 }, PACKED, `AWQ to 4 bits (tensor "${UP}.qweight" is I32)`],
    ["GPTQ", { quant_method: "gptq", bits: 8 }, PACKED, `GPTQ to 8 bits (tensor "${UP}.qweight" is I32)`],
    ["bitsandbytes", { quant_method: "bitsandbytes", load_in_4bit: true }, {
      [`${UP}.weight`]: "U8",
      [`${UP}.weight.absmax`]: "U8",
    }, `bitsandbytes to 4 bits (tensor "${UP}.weight" is U8)`],
    ["bitsandbytes before it named itself", { load_in_8bit: true }, {
      [`${UP}.weight`]: "I8",
      [`${UP}.SCB`]: "F32",
    }, `bitsandbytes to 8 bits (tensor "${UP}.weight" is I8)`],
    ["FP8", { quant_method: "fp8" }, { [`${UP}.weight`]: "F8_E4M3" }, `FP8 (tensor "${UP}.weight" is F8_E4M3)`],
    ["AWQ without a word of it", undefined, PACKED, `AWQ (tensor "${UP}.qweight" is I32)`],
    [
      "GPTQ without a word of it",
      undefined,
      { ...PACKED, [`${UP}.g_idx`]: "I32" },
      `GPTQ (tensor "${UP}.qweight" is I32)`,
    ],
    ["bitsandbytes without a word of it", undefined, {
      [`${UP}.weight`]: "U8",
      [`${UP}.weight.quant_state.bitsandbytes__nf4`]: "U8",
    }, `bitsandbytes (tensor "${UP}.weight" is U8)`],
  ] as const
) {
  Deno.test(`a model quantised by ${what} is named so`, async () => {
    assertEquals(
      await complaint("tiny-qwen2", (path) => {
        if (config) configure(path, { quantization_config: config });
        Deno.writeFileSync(`${path}/model.safetensors`, weights(tensors));
      }),
      `MODEL is quantised by ${said}; ${ENDING}`,
    );
  });
}

Deno.test("a config that asks for a quantisation when it is loaded, on weights that are numbers, opens", async () => {
  using folder = temporary();
  copyDirectory(`${FIXTURES}/tiny-qwen2`, `${folder.path}/m`);
  configure(`${folder.path}/m`, { quantization_config: { quant_method: "bitsandbytes", load_in_4bit: true } });
  await using checkpoint = await openCheckpoint(`${folder.path}/m`);
  assertEquals(readSpec(checkpoint).blocks.length, 3);
});

Deno.test("an adapter alone is told from a model, with the model that it is for", async () => {
  const adapter = {
    "adapter_config.json": '{"base_model_name_or_path": "meta/Llama"}',
    "adapter_model.safetensors": "",
  };
  const said = "merge the two (merge_and_unload of peft) and give the result";
  for (const more of [{}, { "config.json": "{}" }, { "tokenizer.json": "{}" }]) {
    assertEquals(
      await complaint(undefined, texts({ ...adapter, ...more })),
      `MODEL is an adapter alone (PEFT), without the model "meta/Llama" that it changes: ${said}`,
    );
  }
  assertEquals(
    await complaint(undefined, texts({ ...adapter, "adapter_config.json": "{}" })),
    `MODEL is an adapter alone (PEFT), without the model that it changes: ${said}`,
  );
});

Deno.test("weights in a pickle alone are told, and how they become safetensors", async () => {
  for (const name of ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "consolidated.00.pth", "model.pt"]) {
    for (const config of [{}, { "config.json": "{}" }]) {
      assertEquals(
        await complaint(undefined, texts({ ...config, [name]: "", "training_args.bin": "" })),
        `MODEL holds its weights in "${name}", a pickle, which runs code when it is read; Pare reads safetensors: ` +
          "load it with transformers and save it again (save_pretrained)",
      );
    }
  }
});

Deno.test("a GGUF file that is the only weights of a directory is the model, beside a config as well", async () => {
  for (const config of [{}, { "config.json": '{"model_type": "llama"}' }]) {
    using folder = temporary();
    texts({ ...config, "README.md": "card" })(folder.path);
    Deno.writeFileSync(`${folder.path}/x.Q8_0.gguf`, ggufFile(TINY, TINY_TENSORS));
    await using checkpoint = await openCheckpoint(folder.path);
    assertEquals(checkpoint.path, `${folder.path}/x.Q8_0.gguf`);
  }
});

Deno.test("of several GGUF files one must be named; beside safetensors they do not count", async () => {
  const two = texts({ "a.gguf": "GGUF", "b.gguf": "GGUF" });
  for (const config of [{}, { "config.json": "{}" }]) {
    assertEquals(
      await complaint(undefined, (path) => [two, texts(config)].forEach((write) => write(path))),
      'MODEL holds 2 GGUF files and no weights in safetensors: give one of them, such as "a.gguf", by its own path',
    );
  }
  using folder = temporary();
  copyDirectory(`${FIXTURES}/tiny-qwen2`, `${folder.path}/m`);
  two(`${folder.path}/m`);
  await using checkpoint = await openCheckpoint(`${folder.path}/m`);
  assertEquals(checkpoint.path, `${folder.path}/m`);
});

Deno.test("one safetensors file of a model is no model", async () => {
  const path = `${FIXTURES}/tiny-qwen2/model.safetensors`;
  const message = `${path} is one file of a model: give its directory, which has config.json as well`;
  await assertRejects(() => openCheckpoint(path), PareError, message);
});

Deno.test("a config of fewer layers than the weights have is told by both numbers", async () => {
  const said = "expected as many: give the config.json that belongs to these weights";
  assertEquals(
    await complaint("tiny-qwen2", (path) => configure(path, { num_hidden_layers: 2 })),
    `MODEL: config.json says that there are 2 blocks, the weights have 3; ${said}`,
  );
});
