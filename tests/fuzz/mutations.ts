/**
 * Damage, at random but repeatable (`seed.ts`): what a disk, a network or an enemy may do to a file. `PARE_FUZZ_CASES`
 * multiplies the cases; a failure prints the seed and the case that it takes to see it again.
 */
import { getHeapStatistics } from "node:v8";
import { assert } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { processorTime } from "../../src/text/bounds.ts";
import { generator, type Random, SEED } from "./seed.ts";

/** How many times the usual number of cases. */
const TIMES = Number(Deno.env.get("PARE_FUZZ_CASES") ?? 1);

/** Milliseconds of processor time that one case may take: a sound file of the same size takes less than one. */
const ALLOWANCE = 2000;
/** Bytes that the heap may grow by in one case: what a file of this size could ask for, many times over. */
const ROOM = 64 * 2 ** 20;
/** Characters of a message that a person still reads. */
const LONGEST = 2000;

/** Bytes that mean something somewhere: zeros, ones, signs, quotes, brackets, digits, the lengths of small things. */
const TELLING = [0, 1, 2, 7, 8, 9, 31, 32, 34, 45, 46, 48, 57, 58, 91, 92, 93, 101, 123, 125, 127, 128, 255];

/** Changes, cuts, doubles or moves some bytes, more often in the first `header`, where structure is. */
export function damage(bytes: Uint8Array<ArrayBuffer>, random: Random, header = bytes.length): Uint8Array<ArrayBuffer> {
  const place = () => random(random(8) ? Math.max(1, Math.min(header, bytes.length)) : Math.max(1, bytes.length));
  let result = bytes.slice();
  for (let times = 1 + random(4); times > 0; times--) {
    const at = Math.min(place(), Math.max(0, result.length - 1));
    switch (random(7)) {
      case 0:
        result[at] ^= 1 << random(8);
        break;
      case 1:
        result[at] = TELLING[random(TELLING.length)];
        break;
      case 2:
        result[at] = random(256);
        break;
      case 3:
        result = result.slice(0, at);
        break;
      case 4: { // a piece twice
        const piece = result.slice(at, at + 1 + random(16));
        result = joined(result.subarray(0, at), piece, result.subarray(at));
        break;
      }
      case 5: // a piece gone
        result = joined(result.subarray(0, at), result.subarray(at + 1 + random(16)));
        break;
      case 6: { // eight bytes of a number that is too large, or just too large
        const lies = [0xffffffffffffffffn, 0x8000000000000000n, 1n << 53n, 1n << 32n, BigInt(bytes.length) + 1n, 0n];
        if (at + 8 <= result.length) {
          new DataView(result.buffer).setBigUint64(at, lies[random(lies.length)], true);
        }
      }
    }
  }
  return result;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** Bytes of the heap and beside it that are in use; `Deno.memoryUsage` takes twelve times as long, to ask the system too. */
function inUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/** Registers a test: of all cases each ends well or with a PareError of one short line, soon, and in little memory. */
export function fuzz(what: string, cases: number, each: (random: Random) => Promise<unknown>): void {
  Deno.test(`${what}: ${cases} damaged ones end well or with one clear line`, async () => {
    let refused = 0;
    const all = Math.ceil(cases * TIMES);
    // Each look at memory and clock ends a case and begins the next: it costs as much as many a case.
    let begin = processorTime(), before = inUse();
    for (let i = 0; i < all; i++) {
      const where = `PARE_FUZZ_SEED=${SEED}, case ${i}`;
      try {
        await each(generator(SEED * 1_000_003 + i));
      } catch (error) {
        if (!(error instanceof PareError)) throw new Error(`${where}: not a PareError`, { cause: error });
        const { message } = error;
        assert(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(message), `${where}: not one line: ${JSON.stringify(message)}`);
        assert(message.length <= LONGEST, `${where}: ${message.length} characters`);
        refused++;
      }
      const end = processorTime(), after = inUse();
      assert(end - begin < ALLOWANCE, `${where}: took ${end - begin} ms`);
      assert(after - before < ROOM, `${where}: took ${after - before} bytes`);
      [begin, before] = [end, after];
    }
    // Most damage is seen; where none is, nothing was damaged.
    assert(refused > all / 20, `only ${refused} of ${all} were refused`);
  });
}
