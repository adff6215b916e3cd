/**
 * Sequences drawn at random, as the published code draws them (`get_wikitext2` and `get_c4` of locuslab/wanda). Out of
 * one text that is a line of code. Out of documents it is: documents at random until one is longer than a sequence, then
 * a place in it. That asks for documents in no order, and a shard of C4 is a gzip stream of 800 MB that can be read only
 * from its beginning.
 *
 * The way out: every draw, of a document or of a place, takes whole 32-bit outputs of the generator. So whichever
 * documents turn out to be long enough, the ones that the next `n` outputs can name are known beforehand: those that
 * each of the outputs would name. One pass over the file keeps these few texts, and a second generator draws from them.
 */
import { PareError } from "../errors.ts";
import { readDocuments } from "./jsonl.ts";
import { bitLength, Random } from "./random.ts";

/**
 * Outputs looked ahead in the first pass; every further pass looks twice as far. So many documents of C4 (about 2 kB
 * each) take no memory to speak of. The results do not depend on it.
 */
const LOOK_AHEAD = 8192;

/** What is drawn. */
export interface Draw {
  /** Sequences. */
  readonly samples: number;
  /** Tokens of a sequence. */
  readonly length: number;
  /** Of CPython's generator. */
  readonly seed: number;
  /** The token ids of a text. */
  readonly encode: (text: string) => Uint32Array;
}

/** Most tokens that are drawn, a gigabyte of ids: a thousand times what the published code draws. */
const MOST_TOKENS = 2 ** 28;

/** @throws PareError if more is to be drawn than memory is there for. */
function roomFor({ samples, length }: Draw): Uint32Array<ArrayBuffer> {
  if (samples * length <= MOST_TOKENS) return new Uint32Array(samples * length);
  throw new PareError(`calibration: ${samples} sequences of ${length} tokens; at most ${MOST_TOKENS} tokens are drawn`);
}

/**
 * Draws sequences that begin anywhere in one text; they may overlap.
 * @returns The ids, `samples` x `length`, row-major.
 * @throws PareError if the text, called `name`, has not more than `length` tokens.
 */
export function drawFromText(text: string, name: string, draw: Draw): Uint32Array<ArrayBuffer> {
  const { samples, length, seed, encode } = draw;
  const random = new Random(seed);
  const tokens = encode(text);
  if (tokens.length <= length) {
    throw new PareError(
      `calibration text too short: found ${tokens.length} tokens in ${name}, needed ${
        length + 1
      } for sequences of ${length}`,
    );
  }
  const ids = roomFor(draw);
  for (let sample = 0; sample < samples; sample++) {
    const start = random.randint(0, tokens.length - length - 1);
    ids.set(tokens.subarray(start, start + length), sample * length);
  }
  return ids;
}

/**
 * Draws sequences out of the documents of a JSONL file.
 * @returns The ids, `samples` x `length`, row-major.
 * @throws PareError as `readDocuments`, or if no document has more than `length` tokens.
 */
export async function drawFromDocuments(path: string, draw: Draw): Promise<Uint32Array<ArrayBuffer>> {
  const { samples, length, seed, encode } = draw;
  const { count } = await readDocuments(path, () => false);
  const short = new Set<number>();
  let longest = 0;

  const ahead = new Random(seed);
  let outputs = LOOK_AHEAD;
  let texts = new Map<number, string>();
  const lookAhead = async () => {
    const named = new Set<number>();
    for (let output = 0; output < outputs; output++) named.add(ahead.getrandbits(bitLength(count)));
    const known = texts;
    texts = (await readDocuments(path, (index) => named.has(index) && !short.has(index) && !known.has(index))).texts;
    for (const [index, text] of known) texts.set(index, text);
    outputs *= 2;
  };

  const random = new Random(seed);
  /** The tokens of the next document that is long enough. */
  const drawDocument = async (): Promise<Uint32Array> => {
    while (short.size < count) {
      const index = random.randint(0, count - 1);
      if (short.has(index)) continue;
      while (!texts.has(index)) await lookAhead();
      const tokens = encode(texts.get(index)!);
      if (tokens.length > length) return tokens;
      longest = Math.max(longest, tokens.length);
      short.add(index);
      texts.delete(index);
    }
    throw new PareError(
      `${path}: none of its ${count} documents has more than ${length} tokens (the longest has ${longest}); ` +
        "a smaller --seqlen or a plain text file, which is one text, may do",
    );
  };

  const ids = roomFor(draw);
  for (let sample = 0; sample < samples; sample++) {
    const tokens = await drawDocument();
    const start = random.randint(0, tokens.length - length - 1);
    ids.set(tokens.subarray(start, start + length), sample * length);
  }
  return ids;
}
