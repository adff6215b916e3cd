/** A GGUF file goes through the commands like the directory that it could have been made of. */
import { assert, assertEquals } from "@std/assert";
import { names, temporary } from "../checkpoint/folders.ts";
import { F16, ggufFile, type TensorBytes, type Typed } from "../checkpoint/gguf_file.ts";
import { GoldenFile } from "../golden/files.ts";
import { AUSTEN, BESIDE, run, runJson, TOKENS } from "./commands.ts";

/** llama.cpp's names of a model's tensors. */
const NAMES: readonly (readonly [string, string])[] = [
  ["model.embed_tokens", "token_embd"],
  ["model.norm", "output_norm"],
  ["model.layers.", "blk."],
  ["input_layernorm", "attn_norm"],
  ["post_attention_layernorm", "ffn_norm"],
  ["self_attn.o_proj", "attn_output"],
  ["self_attn.", "attn_"],
  ["mlp.", "ffn_"],
  ["_proj", ""],
];

/** Rows of every head as llama.cpp has them: row `j` of the first half, then row `j` of the second. */
function interleave(bytes: Uint8Array, [rows, cols]: readonly number[], headRows: number): Uint8Array {
  const out = new Uint8Array(bytes.length), row = cols * 2;
  for (let r = 0; r < rows; r++) {
    const head = r - r % headRows, half = headRows / 2;
    const from = head + (r % 2) * half + (r % headRows >> 1);
    out.set(bytes.subarray(from * row, (from + 1) * row), r * row);
  }
  return out;
}

/** Austen-700K as an F16 GGUF file, without its tokenizer. */
function austenAsGguf(): Uint8Array<ArrayBuffer> {
  const weights = new GoldenFile(`${AUSTEN}/model.safetensors`);
  const tensors = weights.names.map((name): TensorBytes => {
    const shape = weights.shape(name), rotated = /[qk]_proj/.test(name), bytes = weights.bytes(name);
    return {
      name: NAMES.reduce((name, [from, to]) => name.replace(from, to), name),
      format: F16,
      shape,
      bytes: rotated ? interleave(bytes, shape, 16) : bytes,
    };
  });
  const metadata: Record<string, Typed> = {
    "general.architecture": ["string", "llama"],
    "llama.block_count": ["u32", 6],
    "llama.context_length": ["u32", 512],
    "llama.embedding_length": ["u32", 96],
    "llama.feed_forward_length": ["u32", 256],
    "llama.attention.head_count": ["u32", 6],
    "llama.attention.head_count_kv": ["u32", 3],
    "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
    "llama.rope.freq_base": ["f32", 10000],
  };
  return ggufFile(metadata, tensors);
}

Deno.test("prune writes the same weights from a GGUF file as from the directory, and eval reads both", async () => {
  using folder = temporary();
  const gguf = `${folder.path}/austen.gguf`, out = (name: string) => `${folder.path}/${name}`;
  Deno.writeFileSync(gguf, austenAsGguf());
  const flags = ["--backend", "wasm"], calibration = ["--calibration", TOKENS, "--samples", "3", "--pattern", "2:4"];
  for (const [model, name] of [[AUSTEN, "directory"], [gguf, "gguf"]]) {
    await runJson("prune", "--model", model, "--out", out(name), ...calibration, ...flags);
  }
  assertEquals(names(out("gguf")), [...BESIDE, "config.json", "generation_config.json", "model.safetensors"].sort());
  const [from, to] = ["directory", "gguf"].map((name) => new GoldenFile(`${out(name)}/model.safetensors`));
  assertEquals(to.names.sort(), from.names.sort());
  for (const name of from.names) assert(String(to.bytes(name)) === String(from.bytes(name)), name);

  const perplexities = [];
  for (const model of [out("directory"), out("gguf")]) {
    const { perplexity } = await runJson("eval", "--model", model, "--tokens", TOKENS, "--windows", "2", ...flags);
    perplexities.push(perplexity);
  }
  assertEquals(perplexities[1], perplexities[0]);
});

Deno.test("a GGUF file that is cut short is one line", async () => {
  using folder = temporary();
  const gguf = `${folder.path}/austen.gguf`, whole = austenAsGguf();
  for (const length of [4, 100, whole.length / 2]) {
    Deno.writeFileSync(gguf, whole.subarray(0, length));
    const { code, out, err } = await run(
      "prune",
      "--model",
      gguf,
      "--out",
      `${folder.path}/out`,
      "--method",
      "magnitude",
    );
    assertEquals([code, out, names(folder.path)], [2, "", ["austen.gguf"]]);
    assert(/^error: [^\n]*austen\.gguf[^\n]*\n$/.test(err), err);
  }
});
