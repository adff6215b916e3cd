/**
 * What goes wrong in the middle of a pass: it is reported as it was thrown, nothing is written after it, nothing stays on
 * the backend or on the disk, and no rejection goes unheard (Deno fails a test for one).
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { evaluate } from "../../src/stream/evaluate.ts";
import { logits } from "../../src/stream/logits.ts";
import { rectangle } from "../../src/text/batch.ts";
import { temporary } from "../checkpoint/folders.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { fromFloats, toFloats } from "../reference/floats.ts";
import { overlay, watch } from "./checkpoints.ts";
import { CALIBRATION, pruned } from "./pruned.ts";

/** Long enough for whatever a failed pass may have left under way. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Runs a pass that must fail, with the spool and without, and looks for what it leaves. */
async function fails(
  act: (backend: ReferenceBackend, spool: { always: boolean; directory: string }) => Promise<unknown>,
  message: string,
): Promise<void> {
  for (const always of [false, true]) {
    using folder = temporary();
    const backend = new ReferenceBackend();
    const error = await assertRejects(() => act(backend, { always, directory: folder.path }), Error);
    await settle();
    assertEquals([error.message, backend.live, [...Deno.readDirSync(folder.path)]], [message, 0, []]);
  }
}

for (const stopAt of [1, 3, 4, 7]) {
  Deno.test(`an abort after batch ${stopAt} stops the pass with its reason, and nothing is written after`, async () => {
    await using watched = await watch("tiny-llama3");
    await fails(async (backend, spool) => {
      const stop = new AbortController(), written: string[] = [];
      let batches = 0, left = false;
      try {
        await pruned(watched.checkpoint, backend, {
          spool,
          signal: stop.signal,
          onProgress: () => ++batches === stopAt && stop.abort(new Error("stopped by hand")),
          write: async (name) => {
            assert(!left, `${name} was written after prune was left`);
            await Promise.resolve();
            written.push(name);
          },
        });
      } finally {
        left = true;
        assertEquals(written.length % 7, 0);
      }
    }, "stopped by hand");
  });
}

Deno.test("a pass that is stopped before it begins does nothing", async () => {
  await using watched = await watch("tiny-llama3", () => {
    throw new Error("the disk is gone as well");
  });
  const signal = AbortSignal.abort(new Error("stopped by hand"));
  await fails(
    (backend, spool) => pruned(watched.checkpoint, backend, { name: "magnitude", signal, spool }),
    "stopped by hand",
  );
});

Deno.test("an abort stops an evaluation and leaves nothing", async () => {
  await using watched = await watch("tiny-llama3");
  for (const stopAt of [1, 2, 5]) {
    await fails((backend, spool) => {
      const stop = new AbortController();
      let batches = 0;
      const onProgress = () => ++batches === stopAt && stop.abort(new Error("stopped by hand"));
      return evaluate(CALIBRATION, { checkpoint: watched.checkpoint, backend, spool, signal: stop.signal, onProgress });
    }, "stopped by hand");
  }
});

for (const failing of [0, 6, 9, 20]) {
  Deno.test(`a write that fails (number ${failing}) fails the pass, and no other follows it`, async () => {
    await using watched = await watch("tiny-llama3");
    await fails((backend, spool) => {
      let writes = 0;
      return pruned(watched.checkpoint, backend, {
        spool,
        write: async () => {
          await Promise.resolve();
          assert(writes <= failing, "a write followed one that failed");
          if (writes++ === failing) throw new Error("the disk is full");
        },
      });
    }, "the disk is full");
  });
}

for (const tensor of ["model.embed_tokens", "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj", "model.norm"]) {
  Deno.test(`a read of ${tensor} that fails is reported, in whichever pass comes to it`, async () => {
    let failed = 0;
    await using watched = await watch("tiny-llama3", (name) => {
      if (name === `${tensor}.weight`) {
        failed++;
        throw new PareError(`cannot read ${name}`);
      }
    });
    const { checkpoint } = watched, message = `cannot read ${tensor}.weight`;
    if (tensor !== "model.norm") {
      await fails((backend, spool) => pruned(checkpoint, backend, { spool }), message);
    }
    await fails((backend, spool) => evaluate(CALIBRATION, { checkpoint, backend, spool }), message);
    await fails((backend, spool) => logits(CALIBRATION, { checkpoint, backend, spool }), message);
    assert(failed > 0);
  });
}

Deno.test("embeddings that cannot be read of the second batch leave nothing of the first", async () => {
  // One id in the first batch, so one read; another id in the second.
  const calibration = rectangle(new Uint32Array(65 * 16).fill(5), 16);
  calibration.ids[64 * 16] = 100;
  let reads = 0;
  await using watched = await watch("tiny-llama3", (name) => {
    if (name === "model.embed_tokens.weight" && ++reads % 2 === 0) throw new PareError("the disk is gone");
  });
  const { checkpoint } = watched;
  await fails((backend, spool) => pruned(checkpoint, backend, { spool, calibration }), "the disk is gone");
  await fails((backend, spool) => evaluate(calibration, { checkpoint, backend, spool }), "the disk is gone");
  assertEquals(reads, 8);
});

Deno.test("a failing read that nobody waits for any more is not heard", async () => {
  const stop = new AbortController();
  await using watched = await watch("tiny-llama3", (name) => {
    if (name.startsWith("model.layers.1.")) throw new Error("the disk is gone");
  });
  await assertRejects(
    () =>
      pruned(watched.checkpoint, new ReferenceBackend(), {
        signal: stop.signal,
        onProgress: () => stop.abort(new Error("stopped by hand")),
      }),
    Error,
    "stopped by hand",
  );
  await settle();
});

Deno.test("activations that overflow are an error that names the linear, never a mask", async () => {
  await using watched = await watch("tiny-llama3");
  const name = "model.layers.1.mlp.up_proj", weight = `${name}.weight`;
  const dense = toFloats((await watched.checkpoint.read([weight])).get(weight)!, "F32");
  // The squares of activations overflow first, then the activations themselves.
  const [large, largest] = [dense.map((value) => value * 1e30), dense.map((value) => Math.sign(value) * 3e38)]
    .map((values) => overlay(watched.checkpoint, new Map([[weight, fromFloats(values, "F32")]])));
  await fails(
    (backend, spool) => pruned(large, backend, { spool }),
    "model.layers.1.mlp.down_proj: the model's activations overflow: its inputs' squares sum to NaN or Inf",
  );
  await fails(
    (backend, spool) => evaluate(CALIBRATION, { checkpoint: largest, backend, spool }),
    "the model's activations overflow: the loss of window 0 is NaN",
  );
});

Deno.test("a checkpoint that is not what its config says is refused before a byte is read", async () => {
  await using watched = await watch("tiny-llama3");
  const config = { ...watched.checkpoint.config, num_hidden_layers: 4 };
  const { message } = await assertRejects(
    () => pruned({ ...watched.checkpoint, config }, new ReferenceBackend()),
    PareError,
  );
  assert(message.endsWith("no tensor model.layers.3.input_layernorm.weight, which config.json asks for"), message);
  assertEquals(watched.reads, []);
});

Deno.test("a spool that cannot be made is one line that names the place", async () => {
  await using watched = await watch("tiny-llama3");
  const spool = { always: true, directory: "/nowhere/at/all" };
  const { message } = await assertRejects(
    () => pruned(watched.checkpoint, new ReferenceBackend(), { spool }),
    PareError,
  );
  assert(message.startsWith("cannot make a spool file in /nowhere/at/all: "), message);
  assert(!message.includes("\n"));
});
