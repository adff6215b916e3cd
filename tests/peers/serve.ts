/**
 * The peer's end of the conversation that `scripts/bench/peer.ts` begins, for peers that multiply: a line that names a
 * shape prepares it and is answered with the first and last number of the product, a line that says how often is
 * answered with the seconds that it took. It prints one greeting, or why it cannot.
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

/**
 * Answers until the input ends.
 * @param open Loads the software; `prepare` takes x (tokens x depth) and the transposed weight (depth x outs), F32.
 */
export async function serve(
  open: () => Promise<{
    /** With its version. */
    name: string;
    /** If it computes on fewer threads than there are cores. */
    threads?: number;
    prepare(x: Float32Array<ArrayBuffer>, w: Float32Array<ArrayBuffer>, product: Product): Promise<Prepared>;
  }>,
): Promise<void> {
  const say = (answer: unknown) => console.log(JSON.stringify(answer));
  let peer: Awaited<ReturnType<typeof open>>;
  try {
    peer = await open();
  } catch (error) {
    return say({ missing: String(error).split("\n")[0] });
  }
  say({ name: peer.name, threads: peer.threads });
  let prepared: Prepared | undefined;
  for await (const line of lines(Deno.stdin.readable)) {
    const question: Product | { repeats: number } = JSON.parse(line);
    if ("repeats" in question) {
      const start = performance.now();
      await prepared!.run(question.repeats);
      say({ seconds: (performance.now() - start) / 1000 });
    } else {
      prepared?.dispose();
      const { tokens, depth, outs } = question;
      prepared = await peer.prepare(inputs(tokens * depth), transpose(weights(outs * depth), outs, depth), question);
      const result = await prepared.result();
      say({ corners: [result[0], result[result.length - 1]] });
    }
  }
  // A library's own threads may wait for work for ever.
  Deno.exit();
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
