/**
 * A model that is pruned where it lies, over a link of 1 Gbit/s, and over one so slow that the transfer is the longer: what
 * a server on this machine sends is held to that rate, all of its connections together. Reading goes on while blocks
 * compute, so a run is to take little more than the longer of the two: the transfer, and the same run from this disk. Both
 * runs in turns.
 */
import { join } from "node:path";
import { insteadOf, UNSEEN } from "../../src/errors.ts";
import { randomTokens, writeRandomModel, writeTokens } from "./model.ts";
import type { Bench } from "./part.ts";
import { pruneHere } from "./prune.ts";
import { figure, over, type Ratio } from "./ratio.ts";
import { SMOLLM2_CONFIG } from "./shapes.ts";

/** Bytes a second of a link, what is pruned by at its other end, and how often. */
interface Link {
  readonly rate: number;
  readonly sequences: number;
  readonly length: number;
  readonly rounds: number;
}

/**
 * 1 Gbit/s, by a five hundredth of the published calibration, which takes longer than the transfer even so; and a sixteenth of
 * it with hardly anything to compute, where the transfer takes half a minute.
 */
const LINKS: Readonly<Record<string, Link>> = {
  "1 Gbit/s": { rate: 0.125e9, sequences: 4, length: 128, rounds: 2 },
  "62.5 Mbit/s": { rate: 0.125e9 / 16, sequences: 1, length: 32, rounds: 1 },
};

/** What is wanted: at most so many times the longer of the two. */
const MOST = 1.1;

/** Half of TinyLlama's widths: 22 MB a block, and 17 MB of embeddings, so that the slow link takes half a minute. */
const CONFIG = {
  ...SMOLLM2_CONFIG,
  hidden_size: 1024,
  intermediate_size: 2816,
  num_attention_heads: 16,
  num_key_value_heads: 2,
  vocab_size: 8192,
  rope_theta: 10000,
} as const;
const BLOCKS = 12, FEW_BLOCKS = 3;

/** Bytes that are sent at once: two milliseconds of the faster link. */
const CHUNK = 256 << 10;

/** A folder's files over HTTP with ranges, at a rate. */
class SlowServer implements AsyncDisposable {
  /** Bytes that were sent. */
  sent = 0;
  /** When the first was asked for, and the last was sent. */
  #first?: number;
  #last = 0;
  /** When the link is free again. */
  #free = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(private readonly folder: string, private readonly rate: number) {
    const answer = (request: Request) => this.#answer(request);
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Seconds from the first byte to the last: what is more than the transfer the link stood idle. */
  get span(): number {
    return (this.#last - this.#first!) / 1000;
  }

  async #answer(request: Request): Promise<Response> {
    this.#first ??= performance.now();
    const path = join(this.folder, decodeURIComponent(new URL(request.url).pathname));
    const found = await Deno.stat(path).catch(insteadOf(UNSEEN, undefined));
    if (!found?.isFile) return new Response(null, { status: 404 });
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("Range") ?? "") ?? [];
    const end = Math.min(to === "" ? found.size : Number(to) + 1, found.size);
    let at = Number(from);
    const file = await Deno.open(path);
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = new Uint8Array(Math.min(CHUNK, end - at));
        await file.seek(at, Deno.SeekMode.Start);
        const read = bytes.length ? await file.read(bytes) : null;
        if (read === null) {
          file.close();
          return controller.close();
        }
        at += read;
        this.sent += read;
        const now = performance.now();
        this.#free = Math.max(now, this.#free) + 1000 * read / this.rate;
        await new Promise((resolve) => setTimeout(resolve, this.#free - now));
        controller.enqueue(bytes.subarray(0, read));
        this.#last = performance.now();
      },
      cancel: () => file.close(),
    });
    return new Response(body, {
      status: 206,
      headers: {
        "Content-Range": `bytes ${from}-${end - 1}/${found.size}`,
        "Content-Length": `${end - Number(from)}`,
        ETag: `"${found.size}"`,
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** See the file's head. */
export async function benchLink({ quick, note }: Bench): Promise<Ratio[]> {
  const directory = await Deno.makeTempDir({ prefix: "pare-bench-" }), ratios: Ratio[] = [];
  const model = join(directory, "model"), blocks = quick ? FEW_BLOCKS : BLOCKS;
  try {
    await Deno.mkdir(model);
    await writeRandomModel(model, blocks, CONFIG);
    const tokens = join(directory, "tokens.safetensors"), out = join(directory, "out");
    for (const [link, { rate, sequences, length, rounds }] of Object.entries(LINKS)) {
      await writeTokens(tokens, randomTokens(sequences, length, CONFIG.vocab_size), length);
      const name =
        `wanda over ${link}, ${blocks} blocks of half of TinyLlama's widths, ${sequences} x ${length} tokens`;
      const here: number[] = [], there: number[] = [], transfers: number[] = [], spans: number[] = [];
      for (let round = 1; round <= (quick ? 1 : rounds); round++) {
        note(`${name}: ${round}`);
        here.push((await pruneHere("wanda", model, tokens, out)).seconds);
        await using server = new SlowServer(model, rate);
        there.push((await pruneHere("wanda", server.url, tokens, out)).seconds);
        transfers.push(server.sent / rate);
        spans.push(server.span);
      }
      const local = figure("from this disk", "s", here), transfer = figure("the transfer", "s", transfers);
      const longer = transfer.median > local.median ? transfer : local;
      ratios.push(
        over(name, figure("where it lies", "s", there), longer, { most: MOST }),
        over(`${name}: transfer and computing`, transfer, local),
        over(`${name}: how long the link was held`, figure("from first byte to last", "s", spans), transfer),
      );
    }
    return ratios;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
