/**
 * A corpus that comes by a pipe: stdin (`-`, `/dev/stdin`) or any other (`<(zcat book.gz)`). It comes once, from its beginning
 * to its end, and a run in its sandbox cannot reach it; so it is kept in a file until this process ends. What it is shows by
 * its first bytes, since it has no name with an ending.
 */
import { insteadOf, PareError, UNSEEN } from "../errors.ts";
import { systemError } from "../checkpoint/system_error.ts";

/** What stdin is called on command lines. */
const STDIN: ReadonlySet<string> = new Set(["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]);

/** Bytes at most, so that what has no end does not fill the disk: ten times a shard of C4, unzipped. */
const MOST = 8 * 2 ** 30;

/** Bytes by which a corpus is told apart; most documents are shorter. */
const HEAD = 1 << 20;

/** Whether a corpus is what comes by stdin. */
export function isStdin(corpus: string): boolean {
  return STDIN.has(corpus);
}

/** Whether a corpus comes by a pipe. */
export async function isPiped(corpus: string): Promise<boolean> {
  // What cannot be looked at is no pipe: whoever opens it says why.
  return isStdin(corpus) || await Deno.stat(corpus).then(({ isFifo }) => isFifo ?? false, insteadOf(UNSEEN, false));
}

/** Stdin comes once in a process, whoever asks for it. */
let stdin: Promise<string> | undefined;

/**
 * Keeps a corpus that comes by a pipe.
 * @returns The name under which `parseCorpus` knows it, and the file, which is removed when this process ends.
 * @throws PareError if nothing comes, if it does not end, if stdin is a terminal, or if the disk cannot take it.
 */
export async function keepPiped(corpus: string): Promise<{ readonly name: string; readonly path: string }> {
  if (!isStdin(corpus)) {
    const path = await keep((await Deno.open(corpus)).readable, corpus);
    return { name: `pipe:${path}`, path };
  }
  if (Deno.stdin.isTerminal()) {
    throw new PareError(`${corpus}: stdin is a terminal; expected a corpus by a pipe, as in "zcat book.gz | ..."`);
  }
  const path = await (stdin ??= keep(Deno.stdin.readable, "stdin"));
  return { name: `stdin:${path}`, path };
}

/**
 * Writes a stream into a temporary file with the ending of what it is.
 * @param how Bytes at most, and the directory; the system's own for such files unless given.
 * @throws PareError as {@linkcode keepPiped}.
 */
export async function keep(
  stream: ReadableStream<Uint8Array>,
  name: string,
  { most = MOST, dir }: { readonly most?: number; readonly dir?: string } = {},
): Promise<string> {
  const written = await Deno.makeTempFile({ prefix: "pare-pipe-", dir });
  let path = written, head = new Uint8Array(), length = 0;
  globalThis.addEventListener("unload", () => removeIfThere(path));
  const looking = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, next) {
      length += bytes.length;
      if (length > most) throw new PareError(`${name}: more than ${most} bytes came; expected a corpus that ends`);
      if (head.length < HEAD) head = joined(head, bytes.subarray(0, HEAD - head.length));
      next.enqueue(bytes);
    },
  });
  try {
    await Deno.writeFile(written, stream.pipeThrough(looking));
    if (!length) throw new PareError(`${name}: nothing came; expected a text, JSONL, or token ids in safetensors`);
    path += endingOf(head, length);
    await Deno.rename(written, path);
    return path;
  } catch (error) {
    removeIfThere(written);
    throw systemError("write", written, error);
  }
}

/** By what it begins with, the ending that `parseCorpus` knows it by. */
function endingOf(head: Uint8Array, length: number): ".safetensors" | ".jsonl.gz" | ".jsonl" | ".txt" {
  if (head[0] === 0x1f && head[1] === 0x8b) return ".jsonl.gz"; // what is compressed is documents
  // The length of a JSON header, in eight bytes, and its brace: no text has a zero.
  if (head.length > 8 && head[8] === 0x7b) {
    if (new DataView(head.buffer, head.byteOffset).getBigUint64(0, true) < length) return ".safetensors";
  }
  const [line, rest] = new TextDecoder().decode(head).split("\n", 2);
  if (rest === undefined && length > head.length) return line.startsWith("{") ? ".jsonl" : ".txt";
  try {
    return typeof JSON.parse(line)?.text === "string" ? ".jsonl" : ".txt";
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return ".txt"; // prose is not JSON
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
