/**
 * The peer's end of the conversation that `scripts/bench/peer.ts` begins: one greeting, or why it cannot, then an answer to each
 * question, a line of JSON each.
 */
import { inputs, type Product, weights } from "../../scripts/bench/operands.ts";

/** A shape that is ready to be multiplied. */
export interface Prepared {
  /** Multiplies so many times, all queued, and returns when the results are there. */
  run(repeats: number): Promise<void>;
  /** The product's numbers. */
  result(): Promise<ArrayLike<number>>;
  /** Frees the shape. */
  dispose(): void;
}

/** Someone who is asked. */
interface Answering<Question> {
  /** With its version. */
  readonly name: string;
  /** If it computes on fewer threads than there are cores. */
  readonly threads?: number;
  /** Answers a question; both are JSON. */
  ask(question: Question): Promise<unknown>;
}

/**
 * Answers until the input ends.
 * @param open Loads the software.
 */
export async function answer<Question>(open: () => Promise<Answering<Question>>): Promise<void> {
  const say = (answer: unknown) => console.log(JSON.stringify(answer));
  let peer: Answering<Question>;
  try {
    peer = await open();
  } catch (error) {
    say({ missing: String(error).split("\n")[0] });
    Deno.exit(); // what was opened by then may wait for ever
  }
  say({ name: peer.name, threads: peer.threads });
  for await (const line of lines(Deno.stdin.readable)) say(await peer.ask(JSON.parse(line)));
  // A library's own threads may wait for work for ever.
  Deno.exit();
}

/**
 * The same for those who multiply: a line that names a shape prepares it and is answered with the first and last number of the
 * product, a line that says how often is answered with the seconds that it took.
 * @param open Loads the software; `prepare` takes x (tokens x depth) and the transposed weight (depth x outs), F32.
 */
export async function serve(
  open: () => Promise<
    Omit<Answering<unknown>, "ask"> & {
      prepare(x: Float32Array<ArrayBuffer>, w: Float32Array<ArrayBuffer>, product: Product): Promise<Prepared>;
    }
  >,
): Promise<void> {
  let prepared: Prepared | undefined;
  await answer<Product | { repeats: number }>(async () => {
    const { name, threads, prepare } = await open();
    return {
      name,
      threads,
      async ask(question) {
        if ("repeats" in question) {
          const start = performance.now();
          await prepared!.run(question.repeats);
          return { seconds: (performance.now() - start) / 1000 };
        }
        prepared?.dispose();
        const { tokens, depth, outs } = question;
        prepared = await prepare(inputs(tokens * depth), transpose(weights(outs * depth), outs, depth), question);
        const result = await prepared.result();
        return { corners: [result[0], result[result.length - 1]] };
      },
    };
  });
}

async function* lines(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function transpose(matrix: Float32Array, rows: number, cols: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[j * rows + i] = matrix[i * cols + j];
  }
  return out;
}
