/** Damaged GGUF files: header, metadata, the configuration and tokenizer rebuilt from them, and every tensor. */
import { readGguf } from "../../src/checkpoint/gguf.ts";
import { parseConfig } from "../../src/model/read.ts";
import { ggufFile, TINY, TINY_TENSORS } from "../checkpoint/gguf_file.ts";
import { memory } from "../checkpoint/safetensors_file.ts";
import { damage, fuzz } from "./mutations.ts";

const file = ggufFile(TINY, TINY_TENSORS);
/** What stands before the tensors' bytes, about. */
const HEADER = 2048;

fuzz("GGUF", 30_000, async (random) => {
  await using checkpoint = await readGguf(memory(damage(file, random, Math.min(HEADER, file.length))));
  parseConfig(checkpoint.config, "f");
  for (const name of checkpoint.tensors.keys()) await checkpoint.read([name]);
  await checkpoint.readText("tokenizer.json");
});
