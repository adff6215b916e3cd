/**
 * Everything that a user may get wrong: each is a `PareError` of one line that names the thing, and the folder is as it
 * was, without a half-written output or a trace of one. What becomes of such an error, exit code 2 and nothing on stdout,
 * is claimed of a few as processes.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { names, temporary } from "../checkpoint/folders.ts";
import { randomTokens, writeTokens } from "../stream/random_model.ts";
import { AUSTEN, HELD_OUT, ROOT, run, TOKENS } from "./commands.ts";
import { Copy } from "./damage.ts";
import { IN_PROCESS } from "./in_process.ts";

const MISTRAL = `${ROOT}tests/fixtures/models/tiny-mistral`;
const WASM = ["--backend", "wasm"];
const UP = "model.layers.3.mlp.up_proj.weight", DOWN = "model.layers.3.mlp.down_proj.weight";

/** A refused command: its flags, `FOLDER` standing for a folder of the test's own, and the error without `error: `. */
interface Refused {
  readonly command?: keyof typeof IN_PROCESS;
  readonly flags: string;
  readonly says: RegExp;
  /** Makes what the flags name. */
  readonly prepare?: (folder: string) => unknown;
}

/** Puts a wrong command to what `ends` gives its message, and holds that message and what is left in the folder. */
async function refuse(
  { command = "prune", flags, says, prepare }: Refused,
  ends: (command: keyof typeof IN_PROCESS, args: string[]) => Promise<string>,
): Promise<void> {
  using folder = temporary();
  await prepare?.(folder.path);
  const before = names(folder.path);
  // A flag's value may hold a space; the flags here hold none but between them.
  const args = flags.split(" ").map((flag) => flag.replace("FOLDER", folder.path).replace("EMPTY", ""));
  const message = await ends(command, args);
  assertMatch(message.replaceAll(folder.path, "FOLDER"), says);
  assertEquals(names(folder.path), before);
}

const isRefused = (refused: Refused): Promise<void> =>
  refuse(refused, async (command, args) => {
    const { message } = await assertRejects(() => IN_PROCESS[command](...args), PareError);
    assert(!message.includes("\n"), message);
    return message;
  });

/** The same of a process. */
const endsWithTwo = (refused: Refused): Promise<void> =>
  refuse(refused, async (command, args) => {
    const { code, out, err } = await run(command, ...args);
    const lines = err.trimEnd().split("\n"), last = lines.at(-1)!;
    assertEquals([code, out], [2, ""], err);
    assertEquals(lines.filter((line) => line.startsWith("error: ")), [last], err);
    assert(!/^\s+at /m.test(err), err);
    return last.slice("error: ".length);
  });

/** Flags of a run that would go well, `--out` and what is wrong left to be added. */
const SOUND = `--model ${AUSTEN} --calibration ${TOKENS} --samples 2 ${WASM.join(" ")}`;
/** Makes a directory of somebody's. */
const full = (folder: string) => {
  Deno.mkdirSync(`${folder}/full`);
  Deno.writeTextFileSync(`${folder}/full/mine`, "mine");
};
const copyOf = (model: string, harm: (copy: Copy) => void) => (folder: string) =>
  harm(new Copy(`${folder}/model`, model));

/** What is wrong with a model, done to a copy of one; every command that reads it says the same. */
const MODELS: Readonly<Record<string, { harm: (copy: Copy) => void; says: RegExp; of?: string }>> = {
  "no config.json": {
    harm: ({ path }) => Deno.removeSync(`${path}/config.json`),
    says: /^FOLDER\/model is not a model directory: it has no config\.json$/,
  },
  "no weights": {
    harm: ({ path }) => Deno.removeSync(`${path}/model.safetensors`),
    says: /^FOLDER\/model holds no weights: neither model\.safetensors nor model\.safetensors\.index\.json is there/,
  },
  "a config that is not JSON": {
    harm: (copy) => copy.change("config.json", () => new TextEncoder().encode('{"model_type":\n"llama"')),
    says: /^FOLDER\/model\/config\.json is not JSON: /,
  },
  "a family that is not known": {
    harm: (copy) => copy.json("config.json", (config) => config.model_type = "rwkv"),
    says: /^FOLDER\/model: config\.json: the family "rwkv" is not known; known are .*\bllama, .*\bqwen3\b/,
  },
  "a config that claims sixteen million blocks": {
    harm: (copy) => copy.json("config.json", (config) => config.num_hidden_layers = 1 << 24),
    says: /^FOLDER\/model: config\.json: "num_hidden_layers": Too big: expected number to be <=4096$/,
  },
  "a config that asks for biases": {
    harm: (copy) => copy.json("config.json", (config) => config.attention_bias = true),
    says: /^FOLDER\/model: no tensor model\.layers\.0\.self_attn\.q_proj\.bias, which config\.json asks for$/,
  },
  "a config of another width": {
    harm: (copy) => copy.json("config.json", (config) => config.intermediate_size = 128),
    says:
      /tensor model\.layers\.0\.mlp\.gate_proj\.weight: expected the shape \[128, 96\] by config\.json, found \[256, 96\]$/,
  },
  "an empty weights file": {
    harm: (copy) => copy.change("model.safetensors", () => new Uint8Array(0)),
    says: /^FOLDER\/model\/model\.safetensors is not a safetensors file: it has 0 bytes$/,
  },
  "a truncated weights file": {
    harm: (copy) => copy.change("model.safetensors", (bytes) => bytes.subarray(0, bytes.length / 2)),
    says: /^FOLDER\/model\/model\.safetensors: tensor "model\..+": its bytes end at \d+, the file at \d+$/,
  },
  "a truncated header": {
    harm: (copy) => copy.change("model.safetensors", (bytes) => bytes.subarray(0, 100)),
    says: /^FOLDER\/model\/model\.safetensors: truncated: its header claims \d+ bytes, the file has 100 in all$/,
  },
  "a header of 2 GB": {
    harm: (copy) =>
      copy.change("model.safetensors", (bytes) => new DataView(bytes.buffer).setBigUint64(0, 2_000_000_000n, true)),
    says: /^FOLDER\/model\/model\.safetensors: its header claims 2000000000 bytes; at most 100000000 are read$/,
  },
  "an offset outside the file": {
    harm: (copy) => copy.header((header) => header[UP].data_offsets = [9_000_000, 9_000_000 + 2 * 256 * 96]),
    says: /model\.safetensors: tensor "model\.layers\.3\.mlp\.up_proj\.weight": its bytes end at \d+, the file at \d+$/,
  },
  "overlapping tensors": {
    harm: (copy) => copy.header((header) => header[UP].data_offsets = header[DOWN].data_offsets),
    says: /model\.safetensors: tensors "model\.layers\.3\.\S+" and "model\.layers\.3\.\S+" overlap$/,
  },
  "a dtype of another size": {
    harm: (copy) => copy.header((header) => header[UP].dtype = "F32"),
    says:
      /tensor "model\.layers\.3\.mlp\.up_proj\.weight": F32 of shape \[256, 96\] takes 98304 bytes, its range has 49152$/,
  },
  "a dtype that no model has": {
    harm: (copy) => copy.header((header) => header[UP].dtype = "I16"),
    says: /tensor "model\.layers\.3\.mlp\.up_proj\.weight" is I16; Pare reads F32, F16, BF16$/,
  },
  "a tensor under another name": {
    harm: (copy) =>
      copy.header((header) => {
        header["model.layers.3.mlp.upper_proj.weight"] = header[UP];
        delete header[UP];
      }),
    says: /^FOLDER\/model: no tensor model\.layers\.3\.mlp\.up_proj\.weight, which config\.json asks for$/,
  },
  "a missing shard": {
    of: MISTRAL,
    harm: ({ path }) => Deno.removeSync(`${path}/model-00002-of-00002.safetensors`),
    says:
      /^FOLDER\/model: shard "model-00002-of-00002\.safetensors" is missing, though model\.safetensors\.index\.json/,
  },
  "an index naming a missing tensor": {
    of: MISTRAL,
    harm: (copy) =>
      copy.json("model.safetensors.index.json", ({ weight_map }) => {
        (weight_map as Record<string, string>)["model.extra.weight"] = "model-00001-of-00002.safetensors";
      }),
    says:
      /index\.json: tensor "model\.extra\.weight" is said to be in "model-00001-of-00002\.safetensors", but no shard has it$/,
  },
  "NaN in a weight": {
    harm: (copy) => copy.tensor(UP, (bytes) => bytes.set([0x01, 0x7e], 2 * 12345)),
    says: /^FOLDER\/model\/model\.safetensors: tensor "model\.layers\.3\.mlp\.up_proj\.weight" holds NaN or Inf$/,
  },
  "NaN in an embedding that no token of the calibration has": {
    harm: (copy) => copy.tensor("model.embed_tokens.weight", (bytes) => bytes.set([0xff, 0x7f])),
    says: /^FOLDER\/model(\/model\.safetensors)?: tensor "model\.embed_tokens\.weight" holds NaN or Inf$/,
  },
  "infinity in the last norm": {
    harm: (copy) => copy.tensor("model.norm.weight", (bytes) => bytes.set([0x00, 0x7c], 2)),
    says: /^FOLDER\/model(\/model\.safetensors)?: tensor "model\.norm\.weight" holds NaN or Inf$/,
  },
  "minus infinity in the last weight": {
    harm: (copy) => copy.tensor(DOWN, (bytes) => bytes.set([0x00, 0xfc], bytes.length - 2)),
    says: /^FOLDER\/model\/model\.safetensors: tensor "model\.layers\.3\.mlp\.down_proj\.weight" holds NaN or Inf$/,
  },
};

for (const [what, { harm, says, of = AUSTEN }] of Object.entries(MODELS)) {
  Deno.test(`a model with ${what} is refused by prune, calibrated or not, and by eval`, async () => {
    const prepare = copyOf(of, harm), ids = `${of === AUSTEN ? TOKENS : "FOLDER/ids.safetensors"}`;
    const withIds = async (folder: string) => {
      prepare(folder);
      await writeTokens(`${folder}/ids.safetensors`, "calibration", randomTokens(2, 8, 128));
    };
    const model = `--model FOLDER/model ${WASM.join(" ")}`;
    await isRefused({ flags: `${model} --out FOLDER/out --calibration ${ids} --samples 2`, says, prepare: withIds });
    await isRefused({ flags: `${model} --out FOLDER/out --method magnitude`, says, prepare });
    // Without a tokenizer the text cannot be read; a model that is no model is found before.
    if (of === AUSTEN) {
      await isRefused({ command: "eval", flags: `${model} --tokens ${TOKENS} --windows 1`, says, prepare });
    }
  });
}

const TEXT = `--model ${AUSTEN} ${WASM.join(" ")} --out FOLDER/out`;
const INPUTS: Readonly<Record<string, Refused>> = {
  "a model that is not there": {
    flags: `--model /nowhere/at/all --out FOLDER/out`,
    says: /^cannot read \/nowhere\/at\/all: no such file or directory$/,
  },
  "a model that is a text": {
    flags: `--model ${HELD_OUT} --out FOLDER/out`,
    says:
      /austen-heldout\.txt is no model: a directory with config\.json and safetensors, or a GGUF file, was expected$/,
  },
  "a directory with nothing in it": {
    flags: `--model FOLDER/nothing --out FOLDER/out`,
    says: /^FOLDER\/nothing is not a model directory: it has no config\.json$/,
    prepare: (folder) => Deno.mkdirSync(`${folder}/nothing`),
  },
  "a token id outside the vocabulary": {
    flags: `${TEXT} --calibration FOLDER/ids.safetensors`,
    says: /^calibration FOLDER\/ids\.safetensors: token 5 has id 1024; the model's vocabulary has 1024 ids$/,
    prepare: (folder) => {
      const tokens = randomTokens(2, 8, 1024);
      tokens.ids[5] = 1024;
      return writeTokens(`${folder}/ids.safetensors`, "calibration", tokens);
    },
  },
  "a negative token id": {
    command: "eval",
    flags: `--model ${AUSTEN} --tokens FOLDER/ids.safetensors`,
    says: /^evaluation FOLDER\/ids\.safetensors: token 0 has id -1; the model's vocabulary has 1024 ids$/,
    prepare: (folder) => {
      const tokens = randomTokens(1, 8, 1024);
      tokens.ids[0] = -1;
      return writeTokens(`${folder}/ids.safetensors`, "evaluation", tokens);
    },
  },
  "a token file without calibration": {
    flags: `${TEXT} --calibration FOLDER/ids.safetensors`,
    says: /expected token ids as I32 "calibration" \[sequences, tokens\], found other$/,
    prepare: (folder) => writeTokens(`${folder}/ids.safetensors`, "other", randomTokens(1, 8, 1024)),
  },
  "a calibration text that is too short": {
    flags: `${TEXT} --calibration FOLDER/short.txt --seqlen 64`,
    says: /^calibration text too short: found \d+ tokens in FOLDER\/short\.txt, needed 65 for sequences of 64$/,
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/short.txt`, "It is a truth universally acknowledged."),
  },
  "a calibration file that is not there": {
    flags: `${TEXT} --calibration FOLDER/none.txt`,
    says: /^cannot read FOLDER\/none\.txt: no such file or directory/,
  },
  "an evaluation text that is too short": {
    command: "eval",
    flags: `--model ${AUSTEN} --corpus FOLDER/short.txt --seqlen 64`,
    says: /^evaluation text too short: found \d+ tokens in FOLDER\/short\.txt, needed 64 for one window$/,
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/short.txt`, "It is a truth."),
  },
  "a text for a model without a tokenizer": {
    flags: `--model ${MISTRAL} --calibration sample --out FOLDER/out`,
    says: /tiny-mistral: no tokenizer\.json; text can be read only with one/,
  },
  "more calibration than memory is there for": {
    flags: `${TEXT} --calibration sample --samples 100000000`,
    says: /^calibration: 100000000 sequences of 512 tokens; at most 268435456 tokens are drawn$/,
  },
  "sequences longer than the model's limit": {
    flags: `${TEXT} --calibration sample --samples 1 --seqlen 513`,
    says: /^sequences of 513 tokens are longer than the model's limit of 512$/,
  },
  "windows longer than the model's limit": {
    command: "eval",
    flags: `--model ${AUSTEN} --corpus ${HELD_OUT} --seqlen 513`,
    says: /^sequences of 513 tokens are longer than the model's limit of 512$/,
  },
  "a corpus and tokens at once": {
    command: "eval",
    flags: `--model ${AUSTEN} --corpus ${HELD_OUT} --tokens ${TOKENS}`,
    says: /^--corpus and --tokens exclude each other$/,
  },
  "a pattern that does not divide the inputs": {
    flags: `${SOUND} --out FOLDER/out --pattern 5:7`,
    says: /^--pattern 5:7: model\.layers\.0\.self_attn\.q_proj has 96 inputs, not a multiple of 7$/,
  },
  "a pattern that does not divide the inputs of one linear": {
    flags: `${SOUND} --out FOLDER/out --pattern 1:3`,
    says: /^--pattern 1:3: model\.layers\.0\.mlp\.down_proj has 256 inputs, not a multiple of 3$/,
  },
  "an output that is the input": {
    flags: `--model FOLDER/model --method magnitude --out FOLDER/model --force`,
    says: /^the output FOLDER\/model is the input; name another directory$/,
    prepare: copyOf(AUSTEN, () => {}),
  },
  "an output inside the input": {
    flags: `--model FOLDER/model --method magnitude --out FOLDER/model/pruned`,
    says: /^the output FOLDER\/model\/pruned lies inside the input FOLDER\/model$/,
    prepare: copyOf(AUSTEN, () => {}),
  },
  "an output that exists and is not empty": {
    flags: `${SOUND} --out FOLDER/full`,
    says: /^the output FOLDER\/full exists and is not empty; name another directory$/,
    prepare: full,
  },
  "an output that holds what is not Pare's, by force": {
    flags: `${SOUND} --out FOLDER/full --force --dry-run`,
    says:
      /^the output FOLDER\/full has no pare_manifest\.json by Pare; --force replaces only what Pare wrote and nothing/,
    prepare: full,
  },
  "an output that is a file": {
    flags: `${SOUND} --out FOLDER/file --force`,
    says: /^the output FOLDER\/file exists and is not a directory$/,
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/file`, "mine"),
  },
  "a parent that cannot be written, whoever one is": {
    flags: `${SOUND} --out /proc/pare/out`,
    says: /^cannot write \/proc\/pare\/out: no such file or directory$/,
  },
  "a parent that is a file": {
    flags: `${SOUND} --out FOLDER/file/out`,
    says: /^cannot write FOLDER\/file\/out: a part of the path is not a directory$/,
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/file`, "mine"),
  },
  "no output": {
    flags: SOUND,
    says: /^--out is missing: name the directory for the pruned model, or ask for --dry-run$/,
  },
  "a spool in a place that is none": {
    flags: `${SOUND} --out FOLDER/out --spool FOLDER/none`,
    says: /^cannot make a spool file in FOLDER\/none: /,
  },
  "a block that the model does not have": {
    flags: `${SOUND} --out FOLDER/out --blocks 6`,
    says: /^--blocks 6: the model has blocks 0 to 5$/,
  },
  "a glob that matches nothing": {
    flags: `${SOUND} --out FOLDER/out --include *.mlp.*.weight`,
    says:
      /^--include \*\.mlp\.\*\.weight: matches no linear; their names are such as model\.layers\.0\.self_attn\.q_proj$/,
  },
};
for (const [what, refused] of Object.entries(INPUTS)) {
  Deno.test(`${what} is refused`, () => isRefused(refused));
}

for (const what of ["a model that is not there", "a negative token id", "an output that exists and is not empty"]) {
  Deno.test(`${what} ends the process with exit code 2 and one line`, () => endsWithTwo(INPUTS[what]));
}
Deno.test("NaN in a weight, found late, ends the process with exit code 2 and one line", async () => {
  const { harm, says } = MODELS["NaN in a weight"];
  const flags = `--model FOLDER/model ${WASM.join(" ")} --out FOLDER/out --calibration ${TOKENS} --samples 2`;
  await endsWithTwo({ flags, says, prepare: copyOf(AUSTEN, harm) });
});

/** Flags that are wrong by themselves, after those of a sound run. */
const FLAGS: Readonly<Record<string, RegExp>> = {
  "--sparsity 1": /^--sparsity 1: expected a share in \[0, 1\)$/,
  "--sparsity -0.1": /^--sparsity -0\.1: expected a share in \[0, 1\)$/,
  "--sparsity NaN": /^--sparsity NaN: expected a number$/,
  "--sparsity abc": /^--sparsity abc: expected a number$/,
  "--sparsity EMPTY": /^--sparsity needs a value: SHARE$/,
  "--sparsity 0.6 --pattern 2:4": /^--sparsity 0\.6 contradicts --pattern 2:4/,
  "--pattern 4:2": /^--pattern 4:2: expected n:m with 0 < n < m/,
  "--group rows": /^--group rows: expected row, layer, column or block:R/,
  "--method sparsegp": /^--method sparsegp: not known; known are magnitude, sparsegpt, wanda, ria, admm, alps$/,
  "--method sparsegpt --damping -1": /^--damping -1: expected a share of the mean diagonal, 0 or more/,
  "--method sparsegpt --block-size 0": /^--block-size 0: expected a whole number of 1 or more$/,
  "--method sparsegpt --group row": /^--group: sparsegpt compares within its blocks of columns/,
  "--method sparsegpt --update sequential": /^--update sequential: sparsegpt has its own update of the weights$/,
  "--method ria --update iterative": /^--update iterative: ria judges a weight by sums over the whole linear/,
  "--update both": /^--update both: expected sequential, iterative or pcg$/,
  "--damping 0.1": /^--damping: wanda has no Hessian; sparsegpt, admm, alps and --update have$/,
  "--block-size 64": /^--block-size: wanda has no Hessian; sparsegpt, admm, alps and --update have$/,
  "--true-sequential": /^--true-sequential: wanda updates no weights; sparsegpt, admm, alps and --update do$/,
  "--reconstruct 0": /^--reconstruct 0: expected how often to go over the calibration sequences, 1 or more$/,
  "--reconstruct 1.5": /^--reconstruct 1\.5: expected how often to go over the calibration sequences, 1 or more$/,
  "--reconstruct-rate 0.001": /^--reconstruct-rate 0\.001: expected --reconstruct with it$/,
  "--reconstruct --reconstruct-rate 0": /^--reconstruct-rate 0: expected a number above 0 and below 1$/,
  "--reconstruct --reconstruct-rate 3": /^--reconstruct-rate 3: expected a number above 0 and below 1$/,
  "--allocation owl --pattern 2:4": /^--allocation owl and --pattern exclude each other/,
  "--sparsity-map FOLDER/none.json": /^--sparsity-map .*none\.json: cannot be read: No such file/,
  "--method magnitude --variant": /^--variant is Wanda's; the method is magnitude$/,
  "--backend cuda": /^--backend cuda: expected auto, webgpu or wasm$/,
  "--workers 0": /^--workers 0: expected a whole number of 1 or more$/,
  "--samples 0": /^--samples 0: expected a whole number of 1 or more$/,
  "--seqlen 1.5": /^--seqlen 1\.5: expected a whole number of 1 or more$/,
  "--seed -1": /^--seed -1: expected a whole number of 0 or more$/,
  "--sparsty 0.5": /^unknown flag --sparsty: did you mean --sparsity\?$/,
  "--calibraton c4": /^unknown flag --calibraton: did you mean --calibration\?$/,
  "--prune-method wanda": /^unknown flag --prune-method: did you mean --prune_method\?$/,
  "extra": /^unexpected argument "extra"; --help shows what is expected$/,
};
Deno.test("each wrong flag is refused by its name", async (t) => {
  for (const [wrong, says] of Object.entries(FLAGS)) {
    await t.step(wrong, () => isRefused({ flags: `${SOUND} --out FOLDER/out ${wrong}`, says }));
  }
});

Deno.test("a wrong flag ends the process with exit code 2 and one line", async () => {
  const wrong = "--sparsty 0.5";
  await endsWithTwo({ flags: `${SOUND} --out FOLDER/out ${wrong}`, says: FLAGS[wrong] });
});
