/** Coalescing: few ranges, and in them exactly the tensors that were asked for. */
import { assert, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { TensorInfo } from "../../src/checkpoint/checkpoint.ts";
import { coalesce, PIECE, pieces } from "../../src/checkpoint/ranges.ts";

const info = (name: string, shard: string, offset: number, bytes: number): TensorInfo => ({
  ...{ name, dtype: "F16", shape: [bytes / 2], shard, offset, bytes },
});

Deno.test("neighbours of one shard are one range; far ones and other shards are not", () => {
  const far = 10 << 20;
  const ranges = coalesce([
    info("c", "2", 0, 8),
    info("b", "1", 20, 10),
    info("d", "1", far, 4),
    info("a", "1", 8, 8),
  ]);
  assertEquals(ranges.map(({ shard, offset, bytes, parts }) => [shard, offset, bytes, parts.map(({ name }) => name)]), [
    ["1", 8, 22, ["a", "b"]],
    ["1", far, 4, ["d"]],
    ["2", 0, 8, ["c"]],
  ]);
});

Deno.test("every tensor is whole in one range, and no two ranges of a shard touch", () => {
  const tensor = fc.record({ shard: fc.constantFrom("1", "2"), offset: fc.nat(1 << 22), bytes: fc.nat(1 << 20) });
  fc.assert(fc.property(fc.array(tensor, { maxLength: 20 }), (each) => {
    const tensors = each.map(({ shard, offset, bytes }, i) => info(`${i}`, shard, offset, bytes));
    const ranges = coalesce(tensors);
    assertEquals(
      ranges.flatMap(({ parts }) => parts).map(({ name }) => name).sort(),
      tensors.map(({ name }) => name).sort(),
    );
    for (const [i, { shard, offset, bytes, parts }] of ranges.entries()) {
      for (const part of parts) {
        assert(part.shard === shard && part.offset >= offset && part.offset + part.bytes <= offset + bytes);
      }
      const next = ranges[i + 1];
      assert(!next || next.shard !== shard || next.offset > offset + bytes);
    }
  }));
});

Deno.test("pieces cover a length once, in order", () => {
  for (const length of [0, 1, PIECE, PIECE + 1, 3 * PIECE]) {
    let end = 0;
    for (const [offset, bytes] of pieces(length)) {
      assert(offset === end && bytes > 0 && bytes <= PIECE);
      end += bytes;
    }
    assertEquals(end, length);
  }
});
