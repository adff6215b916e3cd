/** Text token by token: what is chosen, where it ends, and that what transformers writes is written here. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openWasm } from "../../src/backend/wasm/mod.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { PareError } from "../../src/errors.ts";
import { generate, type GenerateOptions, type Token } from "../../src/generate/generate.ts";
import { ResidentModel } from "../../src/generate/resident.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { MODELS } from "../stream/checkpoints.ts";

/** What transformers writes (tests/golden/README.md). */
const GOLDEN: Readonly<
  Record<string, { readonly config: Record<string, unknown>; readonly prompt: number[]; readonly ids: number[] }>
> = JSON.parse(Deno.readTextFileSync(new URL("../golden/generated.json", import.meta.url)));

/** A model on a backend of its own. */
async function on<T>(
  name: string,
  use: (model: ResidentModel, checkpoint: Checkpoint) => Promise<T>,
  { backend = new ReferenceBackend() as Backend, config = {} } = {},
): Promise<T> {
  await using opened = await openDirectory(`${MODELS}/${name}`);
  const checkpoint = { ...opened, config: { ...opened.config, ...config } };
  using model = await ResidentModel.open({ checkpoint, backend });
  return await use(model, checkpoint);
}

/** All tokens of a text. */
function written(model: ResidentModel, prompt: number[], options: GenerateOptions): Promise<Token[]> {
  return Array.fromAsync(generate(model, [Uint32Array.from(prompt)], options));
}

const idsOf = (tokens: readonly Token[]) => tokens.map(({ id }) => id);

for (const [name, { config, prompt, ids }] of Object.entries(GOLDEN)) {
  Deno.test(`${name} writes the ${ids.length} tokens that transformers writes`, async () => {
    await using backend = await openWasm({ workers: 1 });
    await on(name, async (model) => {
      assertEquals(idsOf(await written(model, prompt, { tokens: ids.length })), ids);
    }, { backend, config });
    assertEquals(backend.live, 0);
  });
}

Deno.test("several texts written side by side are those that are written alone, however long their prompts", async () => {
  await on("tiny-qwen2", async (model) => {
    const prompts = [[5, 77, 3], [9], Array.from({ length: 40 }, (_, i) => i + 3)];
    const alone: number[][] = [];
    for (const prompt of prompts) alone.push(idsOf(await written(model, prompt, { tokens: 9 })));
    const together: number[][] = prompts.map(() => []);
    for await (const { sequence, id } of generate(model, prompts.map((ids) => Uint32Array.from(ids)), { tokens: 9 })) {
      together[sequence].push(id);
    }
    assertEquals(together, alone);
  });
});

Deno.test("of one candidate the likeliest token is taken; the same seed writes the same text, another seed another", async () => {
  const backend = new ReferenceBackend();
  await on("tiny-qwen2", async (model) => {
    const write = async (sampling: Partial<typeof GREEDY>) =>
      idsOf(await written(model, [5], { tokens: 12, sampling: { ...GREEDY, ...sampling } }));
    assertEquals(await write({ temperature: 1, topK: 1, seed: 2 }), await write({}));
    assertEquals(await write({ temperature: 1, seed: 1 }), await write({ temperature: 1, seed: 1 }));
    assert(String(await write({ temperature: 1, seed: 1 })) !== String(await write({ temperature: 1, seed: 2 })));
    assert(String(await write({ repetitionPenalty: 1.5 })) !== String(await write({})));
  }, { backend });
  assertEquals(backend.live, 0);
});

Deno.test("a text ends with an end token, before a stop string, with its last token, at the model's limit", async () => {
  await on("Austen-700K", async (model, checkpoint) => {
    const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), "Austen-700K");
    const prompt = [...tokenizer.encode("Anne had never been more", { special: false })];
    const all = await written(model, prompt, { tokens: 24, tokenizer });
    const text = all.map(({ text }) => text).join("");
    assertEquals(tokenizer.decode([...prompt, ...idsOf(all)]), `Anne had never been more${text}`);
    assertEquals(all.map(({ finish }) => finish), [...Array(23), "length"]);

    const end = all.findIndex(({ id }, i) => i > 3 && all.findIndex((other) => other.id === id) === i);
    const ended = await written(model, prompt, { tokens: 24, tokenizer, endTokens: new Set([all[end].id]) });
    assertEquals(idsOf(ended), idsOf(all.slice(0, end + 1)));
    assertEquals([ended.at(-1)!.finish, ended.at(-1)!.text], ["stop", ""]);

    const stop = text.slice(11, 18),
      stopped = await written(model, prompt, { tokens: 24, tokenizer, stops: [stop, "@@"] });
    assertEquals(stopped.map(({ text }) => text).join(""), text.slice(0, text.indexOf(stop)));
    assertEquals(stopped.at(-1)!.finish, "stop");
    assert(stopped.length < all.length);
  });
  await on("tiny-qwen2", async (model) => {
    const filled = await written(model, Array(120).fill(7), { tokens: 50 });
    assertEquals([filled.length, filled.at(-1)!.finish], [8, "length"]);
  });
});

Deno.test("what cannot be gone on with is refused", async () => {
  const backend = new ReferenceBackend();
  await on("tiny-qwen2", async (model) => {
    const refuse = (prompt: number[], options: Partial<GenerateOptions>, message: string) =>
      assertRejects(() => written(model, prompt, { tokens: 2, ...options }), PareError, message);
    await refuse([], {}, "the prompt is empty");
    await refuse(Array(128).fill(1), {}, "the prompt has 128 tokens: the model takes 128");
    await refuse([1, 128], {}, "token id 128 (token 1 of sequence 0) is outside the model's vocabulary of 128");
    await refuse([1], { stops: [""] }, "a stop string is empty");
    await refuse([1], { sampling: { ...GREEDY, topP: 0 } }, "topP 0: expected above 0 and at most 1");
    const stop = new AbortController(), seen: Token[] = [];
    await assertRejects(
      async () => {
        const options = { tokens: 9, signal: stop.signal };
        for await (const token of generate(model, [Uint32Array.of(1)], options)) {
          seen.push(token);
          if (seen.length === 3) stop.abort(new PareError("stopped by SIGINT"));
        }
      },
      PareError,
      "stopped by SIGINT",
    );
    assertEquals(seen.length, 3);
  }, { backend });
  assertEquals(backend.live, 0);
});

for (const temperature of [0, 1]) {
  Deno.test(`activations that overflow are refused in one line at temperature ${temperature}`, async () => {
    const backend = new ReferenceBackend();
    await using opened = await openDirectory(`${MODELS}/tiny-qwen2`);
    const checkpoint: Checkpoint = {
      ...opened,
      async read(names) {
        const read = await opened.read(names);
        read.get("model.norm.weight")?.fill(0x7f); // no number in any dtype of floats, or near the largest
        return read;
      },
    };
    {
      using model = await ResidentModel.open({ checkpoint, backend });
      const sampling = { ...GREEDY, temperature };
      await assertRejects(
        () => written(model, [5], { tokens: 2, sampling }),
        PareError,
        "the model's activations overflow",
      );
    }
    assertEquals(backend.live, 0);
  });
}

Deno.test("room for keys and values is made as a text grows, not for the model's limit", async () => {
  const rows: number[] = [];
  class Watched extends ReferenceBackend {
    override allocate(...given: Parameters<ReferenceBackend["allocate"]>) {
      rows.push(given[0]);
      return super.allocate(...given);
    }
  }
  await on("Austen-700K", async (model) => {
    for await (const _ of generate(model, [Uint32Array.of(5)], { tokens: Infinity })) break;
    assertEquals([model.spec.maxLength, Math.max(...rows)], [512, 256]);
  }, { backend: new Watched() });
});
