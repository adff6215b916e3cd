/** What ranks give each other: whole, waited for, and refused where they do not belong together. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { PareError } from "../../src/errors.ts";
import { Exchange, type ExchangeOptions, inTurn } from "../../src/stream/exchange.ts";
import { BucketServer } from "../checkpoint/bucket_server.ts";
import type { Bucket } from "../../src/checkpoint/remote/s3.ts";
import { meetingBucket, meetingFolder } from "../../src/stream/meeting.ts";
import { packSymmetric, unpackSymmetric } from "../../src/stream/symmetric.ts";
import { resolveRanks } from "../../src/cli/rank_flags.ts";

async function withFolder(
  test: (
    open: (more?: Partial<ExchangeOptions> & { readonly directory?: string }) => Promise<Exchange>,
    folder: string,
  ) => Promise<void>,
) {
  const directory = await Deno.makeTempDir({ prefix: "pare-exchange-" });
  try {
    await test((more) => {
      const place = meetingFolder(more?.directory ?? directory);
      return Exchange.open({ place, plan: "a", rank: 0, ranks: 2, patience: 1, ...more });
    }, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
const refused = async (act: () => Promise<unknown>) => (await assertRejects(act, PareError)).message;

Deno.test("an item is waited for, and is what was given, in parts or empty; it may be given twice", () =>
  withFolder(async (open) => {
    await using one = await open(), other = await open({ rank: 1 });
    const waiting = other.get("b/c", 0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert(!await other.has("b/c"));
    await one.put("b/c", Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3));
    await one.put("b/c", Uint8Array.of(1, 2, 3));
    assertEquals(await waiting, Uint8Array.of(1, 2, 3));
    await other.put("empty");
    assertEquals(await one.get("empty", 1), new Uint8Array(0));
    await one.drop("b/c");
    assert(!await other.has("b/c"));
  }));

Deno.test("a rank twice, another plan, another number of ranks: one line each", () =>
  withFolder(async (open, folder) => {
    await using _one = await open();
    assertEquals(await refused(() => open()), `rank 0 is at work in ${folder} already`);
    assertStringIncludes(
      await refused(() => open({ rank: 1, plan: "b" })),
      `rank 0 in ${folder} has plan a, here plan b`,
    );
    assertStringIncludes(await refused(() => open({ rank: 1, ranks: 3 })), "has 2 ranks, here 3");
    // Whoever was refused has left nothing in the way.
    await using _other = await open({ rank: 1 });
    assertStringIncludes(await refused(() => open({ directory: join(folder, "nowhere") })), "--exchange");
  }));

Deno.test("a rank that never comes, and one that falls silent, are named after the patience that was asked for", () =>
  withFolder(async (open, folder) => {
    await using one = await open();
    const before = performance.now();
    const { message } = await assertRejects(() => one.get("x", 1), PareError);
    assertStringIncludes(message, "rank 1 of 2 has not come for 1 s, and x is waited for");
    assert(performance.now() - before >= 1000);
    await Deno.writeTextFile(join(folder, "rank-1.json"), '{"plan":"a","ranks":2,"beat":7}');
    assertStringIncludes(
      (await assertRejects(() => one.get("x", 1), PareError)).message,
      "has given no sign of life for 1 s",
    );
    // It may say something else any time.
    await Deno.writeTextFile(join(folder, "rank-1.json"), '{"plan":"b","ranks":2,"beat":7}');
    assertStringIncludes((await assertRejects(() => one.get("x", 1), PareError)).message, "has plan b, here plan a");
  }));

Deno.test("a rank is waited for as long as its number grows, whatever its clock says", () =>
  withFolder(async (open, folder) => {
    await using one = await open();
    let beat = 0;
    const living = setInterval(() => {
      Deno.writeTextFileSync(join(folder, "rank-1.json"), `{"plan":"a","ranks":2,"beat":${++beat}}`);
      Deno.utimeSync(join(folder, "rank-1.json"), 0, 0);
    }, 100);
    const waiting = one.get("x", 1);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await one.put("x", Uint8Array.of(5));
    assertEquals(await waiting, Uint8Array.of(5));
    clearInterval(living);
  }));

Deno.test("a damaged item is refused, and a stopped run waits no longer", () =>
  withFolder(async (open, folder) => {
    const stop = new AbortController();
    await using one = await open({ signal: stop.signal, patience: 60 });
    await one.put("x", new Uint8Array(100));
    await Deno.truncate(join(folder, "a", "x"), 120);
    assertStringIncludes((await assertRejects(() => one.get("x", 1), PareError)).message, "is damaged: remove it");
    setTimeout(() => stop.abort(new PareError("stopped")), 100);
    await assertRejects(() => one.get("y", 1), PareError, "stopped");
    assertEquals(await Exchange.done(meetingFolder(folder)), undefined);
    await one.finish();
    assertEquals(await Exchange.done(meetingFolder(folder)), "a");
    assertThrows(() => Deno.statSync(join(folder, "a")), Deno.errors.NotFound);
  }));

Deno.test("in a bucket it is the same: items whole, a rank twice, another plan, a rank that is silent, nothing left", async () => {
  await using server = new BucketServer();
  const bucket: Bucket = { base: `${server.endpoint}/models/`, prefix: "me ü+t/", credentials: { kind: "none" } };
  const open = (more: Partial<ExchangeOptions> = {}, wait: () => Promise<void> = () => Promise.resolve()) => {
    const place = meetingBucket("s3://models/meet", bucket, { wait });
    return Exchange.open({ place, plan: "a", rank: 0, ranks: 2, patience: 1, ...more });
  };
  {
    await using one = await open(), other = await open({ rank: 1 });
    const waiting = other.get("b/c", 0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await one.put("b/c", Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3));
    assertEquals(await waiting, Uint8Array.of(1, 2, 3));
    assert(await other.has("b/c") && !await other.has("b/d"));
    // Two parts of S3's: it comes to its name when both are there.
    const large = new Uint8Array(20 << 20).fill(7);
    await one.put("large", large);
    assertEquals((await other.get("large", 0)).length, large.length);
    await one.drop("b/c");
    assert(!await other.has("b/c"));
    assertStringIncludes(
      await refused(() => open({ rank: 1, plan: "b" })),
      "rank 0 in s3://models/meet has plan a, here plan b",
    );
    // It lives if its sign has changed after a while.
    const beats = async () => {
      const { bytes } = server.objects.get("me ü+t/rank-0.json")!, sign = JSON.parse(new TextDecoder().decode(bytes));
      const text = JSON.stringify({ ...sign, beat: sign.beat + 1 });
      server.objects.set("me ü+t/rank-0.json", { bytes: new TextEncoder().encode(text), sha256: null });
      await Promise.resolve();
    };
    assertEquals(await refused(() => open({}, beats)), "rank 0 is at work in s3://models/meet already");
    server.objects.set("me ü+t/a/x", { bytes: new Uint8Array(100), sha256: null });
    assertStringIncludes(await refused(() => one.get("x", 1)), "is damaged: remove it");
    assertStringIncludes(await refused(() => one.get("y", 1)), "rank 1 of 2 has given no sign of life for 1 s");
    await one.finish();
    assertEquals(await Exchange.done(meetingBucket("s3://models/meet", bucket)), "a");
  }
  assertEquals([...server.objects.keys()], ["me ü+t/done"]);
});

Deno.test("items come in their order, eight at once and no more bytes than are no burden; the first is waited for alone", async () => {
  for (const [bytes, width] of [[1, 8], [8 << 20, 4], [1 << 30, 1]]) {
    const under = new Map<number, () => void>(), counts: number[] = [];
    const act = (one: number) =>
      new Promise<number>((resolve) => {
        under.set(one, () => resolve(one));
        counts.push(under.size);
      });
    const found: number[] = [];
    // The last that was begun ends first.
    const ending = setInterval(() => {
      const [last] = [...under.keys()].reverse();
      under.get(last)?.();
      under.delete(last);
    });
    for await (const one of inTurn(Array.from({ length: 20 }, (_, at) => at), bytes, act)) found.push(one);
    clearInterval(ending);
    assertEquals(found, Array.from({ length: 20 }, (_, at) => at));
    assertEquals([counts[0], Math.max(...counts)], [1, width]);
  }
  const failing = inTurn(
    [1, 2, 3],
    1,
    (one) => one === 2 ? Promise.reject(new PareError("two")) : Promise.resolve(one),
  );
  assertEquals(await failing.next(), { done: false, value: 1 });
  assertEquals(await refused(() => failing.next()), "two");
});

Deno.test("sums go as their triangles and come back to the bit; what is not symmetric is a bug", () => {
  const n = 7, all = new Uint32Array(2 * n * n);
  for (let part = 0; part < 2; part++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) all[part * n * n + i * n + j] = 1e9 * part + 1000 * Math.min(i, j) + Math.max(i, j);
    }
  }
  const packed = packSymmetric(new Uint8Array(all.slice().buffer), n);
  assertEquals(packed.length, 4 * n * (n + 1));
  assertEquals(unpackSymmetric(packed, n), new Uint8Array(all.buffer));
  assertThrows(() => unpackSymmetric(packed.subarray(4), n), RangeError);
  all[1]++;
  assertThrows(() => packSymmetric(new Uint8Array(all.buffer), n), RangeError, "not symmetric");
});

Deno.test("ranks by flags, by srun and by an Indexed Job; what does not go together is refused", () => {
  const none = () => undefined, values = { shards: 4, rank: undefined, ranks: undefined, exchange: "x" };
  const slurm = (name: string) => ({ SLURM_PROCID: "2", SLURM_NTASKS: "3" })[name];
  const job = (name: string) => ({ JOB_COMPLETION_INDEX: "1" })[name];
  assertEquals(resolveRanks(values, slurm), { rank: 2, ranks: 3 });
  assertEquals(resolveRanks({ ...values, ranks: 2 }, job), { rank: 1, ranks: 2 });
  assertEquals(resolveRanks({ ...values, exchange: undefined }, slurm), undefined);
  for (
    const [more, says] of [
      [{ exchange: undefined, rank: 1 }, "need --exchange"],
      [{ shards: undefined, rank: 0, ranks: 2 }, "needs --shards"],
      [{}, "needs --rank and --ranks"],
      [{ rank: 2, ranks: 2 }, "--rank 2: expected 0 to 1"],
      [{ rank: 2, ranks: 5 }, "--ranks 5: expected at most one for each of the 4 shards"],
    ] as const
  ) assertStringIncludes(assertThrows(() => resolveRanks({ ...values, ...more }, none), PareError).message, says);
});
