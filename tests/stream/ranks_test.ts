/** One run on several machines: the same bytes for any number of them, and whoever of them dies when. */
import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import type { Backend } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open.ts";
import { PareError } from "../../src/errors.ts";
import { meetingFolder, type MeetingPlace } from "../../src/stream/meeting.ts";
import { temporary } from "../checkpoint/folders.ts";
import { generator, SEED } from "../fuzz/seed.ts";
import { type Asked, PLAN, rankOf } from "./rank_process.ts";

const PROCESS = new URL("rank_process.ts", import.meta.url).pathname;
const SHARDS = 5;

/** What one process gives that has all shards, computed once. */
const alone = (() => {
  const known: Record<string, Promise<string>> = {};
  return (backend: Backend, asked: Asked) => known[`${asked.method} ${asked.how}`] ??= rankOf(backend, asked);
})();

const called = (method: string, how: string) => [method, ...how ? [how] : []].join(", ");

for (
  const [method, how, linears, orders] of [
    ["wanda", "", 42, 0],
    ["sparsegpt", "", 42, 0],
    ["sparsegpt", "true order", 42, 0],
    ["sparsegpt", "holdout", 42, 0],
    ["sparsegpt", "true order,holdout", 42, 0],
    ["wanda", "permute", 21, 3],
    ["sparsegpt", "holdout,permute", 21, 3],
  ] as const
) {
  Deno.test(`${called(method, how)}: 1, 2 and 4 ranks give the same bytes, reports and drawings as one process`, async () => {
    await using backend = await openBackend("wasm", { workers: 1 });
    const asked = { method, how, shards: SHARDS }, expected = await alone(backend, asked);
    const { errors, sorted } = JSON.parse(expected);
    assertEquals(errors.length, linears);
    // What is asked for is done.
    assertEquals(errors.every((error: unknown[]) => typeof error[3] === "number"), how.includes("holdout"));
    assertEquals(Object.keys(sorted).filter((name) => name.endsWith(" order")).length, 2 * orders);
    for (const ranks of [1, 2, 4]) {
      using folder = temporary();
      const place = meetingFolder(folder.path);
      const all = Array.from({ length: ranks }, (_, rank) => rankOf(backend, asked, { rank, ranks }, place));
      for (const found of await Promise.all(all)) assertEquals(found, expected, `${ranks} ranks`);
      // Sums that have been used are gone.
      const left = entries(join(folder.path, PLAN)).flatMap((block) => entries(join(folder.path, PLAN, block)));
      assertEquals(left.filter((name) => name.includes("sums-")), []);
      assertEquals(left.length, linears + orders);
    }
  });
}

/** Items of all blocks: the sums of four inputs by the shard, and seven linears. */
const ITEMS = 6 * (4 * SHARDS + 7);
/** The same where a block has one shard more, sums to be permuted by, and orders. */
const PERMUTED_ITEMS = 3 * (2 * 4 * (SHARDS + 1) + 7 + 1);
/** The same where of three blocks two have four experts. */
const EXPERT_ITEMS = 4 * SHARDS + 7 + 2 * ((2 + 4 * 2) * SHARDS + 4 + 4 * 3);

/** What a rank ends with that a test lets die. */
class Died extends Error {}

/** A place where whoever writes the items of these numbers dies: before, with half of it written, or when it is there. */
function deadly(base: MeetingPlace, moments: readonly number[], random: (below: number) => number) {
  let written = 0, deaths = 0;
  /** The place, for one life of a rank. */
  const place = (): MeetingPlace => {
    let dead = false;
    /** Who is dead does nothing more, whatever it has under way, and its sign of life stays where it is. */
    const alive = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
      if (!dead) return await act();
      if (name.startsWith(PLAN)) throw new Died();
      return undefined as T;
    };
    const write: MeetingPlace["write"] = async (name, bytes, rank) => {
      dead = name.startsWith(PLAN) && moments.includes(written++);
      const done = dead ? random(3) : 2, path = base.locate(name);
      if (done === 2) await base.write(name, bytes, rank);
      else if (done === 1) {
        Deno.mkdirSync(dirname(path), { recursive: true });
        Deno.writeFileSync(`${path}.rank-${rank}`, bytes.subarray(0, bytes.length >> 1));
      }
      if (!dead) return;
      deaths++;
      throw new Died();
    };
    return {
      ...base,
      read: (name) => alive(name, () => base.read(name)),
      has: (name) => alive(name, () => base.has(name)),
      remove: (name) => alive(name, () => base.remove(name)),
      write: (name, bytes, rank) => alive(name, () => write(name, bytes, rank)),
    };
  };
  return { place, deaths: () => deaths };
}

for (
  const [method, how, ranks, deaths, items] of [
    ["wanda", "", 2, 20, ITEMS],
    ["sparsegpt", "", 3, 20, ITEMS],
    ["sparsegpt", "holdout,permute", 2, 20, PERMUTED_ITEMS],
    ["sparsegpt", "experts", 2, 10, EXPERT_ITEMS],
  ] as const
) {
  Deno.test(`${called(method, how)}, ${ranks} ranks: ${deaths} of them dead on the way and started again give the same bytes`, async () => {
    await using backend = await openBackend("wasm", { workers: 1 });
    using folder = temporary();
    const asked = { method, how, shards: SHARDS }, random = generator(SEED), moments = new Set<number>();
    while (moments.size < deaths) moments.add(random(items));
    const { place, deaths: died } = deadly(meetingFolder(folder.path), [...moments], random);
    const live = async (rank: number): Promise<string> => {
      for (;;) {
        try {
          return await rankOf(backend, asked, { rank, ranks }, place());
        } catch (error) {
          if (!(error instanceof Died)) throw error;
        }
      }
    };
    const found = await Promise.all(Array.from({ length: ranks }, (_, rank) => live(rank)));
    for (const each of found) assertEquals(each, await alone(backend, asked));
    assertEquals(died(), deaths);
  });
}

Deno.test("ranks that cannot give what they have pruned say so, and do not wait for each other", async () => {
  await using backend = await openBackend("wasm", { workers: 1 });
  for (const how of ["", "holdout,permute"]) {
    using folder = temporary();
    const base = meetingFolder(folder.path);
    const full = (rank: number): MeetingPlace => ({
      ...base,
      write: (name, bytes, own) =>
        name.endsWith("_proj") ? Promise.reject(new PareError(`rank ${rank}: no space`)) : base.write(name, bytes, own),
    });
    const asked = { method: "sparsegpt", how, shards: SHARDS };
    const all = [0, 1].map((rank) => rankOf(backend, asked, { rank, ranks: 2 }, full(rank)));
    for (const [rank, error] of (await Promise.allSettled(all)).entries()) {
      assert(error.status === "rejected");
      assertEquals(error.reason.message, `rank ${rank}: no space`);
    }
    assertEquals(backend.live, 0);
  }
});

function start(method: string, rank: number, ranks: number, directory: string, result: string) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", PROCESS, method, SHARDS, rank, ranks, directory, result, ""].map(
      String,
    ),
    stdin: "null",
    stderr: "piped",
  }).spawn();
}

async function ended(process: Deno.ChildProcess): Promise<void> {
  const { code, stderr } = await process.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

/** Whether no process is this rank. */
function isFree(directory: string, rank: number): boolean {
  try {
    using lock = Deno.openSync(join(directory, `rank-${rank}.lock`), { write: true });
    return lock.tryLockSync(true) ?? true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

/** What a killed process holds the system takes from it; where it dies in what it does, the tests above say. */
Deno.test("sparsegpt, 3 ranks, processes of their own: 5 of them killed on the way and started again give the same bytes", async () => {
  using folder = temporary();
  const ranks = 3, method = "sparsegpt", random = generator(SEED), result = join(folder.path, "result");
  const directory = join(folder.path, "exchange"), seen = new Set<string>();
  await Deno.mkdir(directory);
  const moments = Array.from({ length: 5 }, () => 1 + random(ITEMS - 8)).sort((a, b) => a - b);
  const all = Array.from({ length: ranks }, (_, rank) => start(method, rank, ranks, directory, result));
  /** How many items have been seen. */
  const look = () => {
    for (const block of entries(join(directory, PLAN))) {
      for (const name of entries(join(directory, PLAN, block))) {
        if (!name.includes(".rank-")) seen.add(`${block}/${name}`);
      }
    }
    return seen.size;
  };
  for (const moment of moments) {
    const finished = Promise.race(all.map((process) => process.status)).then(() => true);
    while (look() < moment) {
      const over = await Promise.race([
        finished,
        new Promise<false>((resolve) => setTimeout(() => resolve(false), 2)),
      ]);
      if (over) break;
    }
    const rank = random(ranks);
    try {
      all[rank].kill("SIGKILL");
    } catch { /* it has come to its end */ }
    await all[rank].output();
    assert(isFree(directory, rank));
    all[rank] = start(method, rank, ranks, directory, result);
  }
  await Promise.all(all.map(ended));
  await using backend = await openBackend("wasm", { workers: 1 });
  assertEquals(await Deno.readTextFile(result), await alone(backend, { method, how: "", shards: SHARDS }));
});

function entries(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
