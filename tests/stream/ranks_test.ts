/** One run on several machines, as processes: the same bytes for any number of them, and whoever is killed when. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { generator, SEED } from "../fuzz/seed.ts";

const PROCESS = new URL("rank_process.ts", import.meta.url).pathname;
const PLAN = "0".repeat(16), SHARDS = 5;

function start(method: string, rank: number, ranks: number, directory: string, result: string, how = "") {
  const args = [method, SHARDS, rank, ranks, directory, result, how].map(String);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", PROCESS, ...args],
    stdin: "null",
    stderr: "piped",
  }).spawn();
}

async function ended(process: Deno.ChildProcess): Promise<void> {
  const { code, stderr } = await process.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pare-ranks-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What one process gives that has all shards. */
async function alone(method: string, folder: string, how = ""): Promise<string> {
  const result = join(folder, "alone");
  await ended(start(method, 0, 1, "none", result, how));
  return await Deno.readTextFile(result);
}

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
  const called = [method, ...how ? [how] : []].join(", ");
  Deno.test(`${called}: 1, 2 and 4 ranks give the same bytes, reports and drawings as one process`, () =>
    withFolder(async (folder) => {
      const expected = await alone(method, folder, how), { errors, sorted } = JSON.parse(expected);
      assertEquals(errors.length, linears);
      // What is asked for is done.
      assertEquals(errors.every((error: unknown[]) => typeof error[3] === "number"), how.includes("holdout"));
      assertEquals(Object.keys(sorted).filter((name) => name.endsWith(" order")).length, 2 * orders);
      for (const ranks of [1, 2, 4]) {
        const directory = join(folder, String(ranks)), result = join(folder, "result");
        await Deno.mkdir(directory);
        const all = Array.from(
          { length: ranks },
          (_, rank) => start(method, rank, ranks, directory, result, how),
        );
        await Promise.all(all.map(ended));
        assertEquals(await Deno.readTextFile(result), expected, `${ranks} ranks`);
        // Sums that have been used are gone.
        const left = [...Deno.readDirSync(join(directory, PLAN))].flatMap(({ name }) =>
          [...Deno.readDirSync(join(directory, PLAN, name))].map((item) => item.name)
        );
        assertEquals(left.filter((name) => name.includes("sums-")), []);
        assertEquals(left.length, linears + orders);
      }
    }));
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

/** Items of all blocks: the sums of four inputs by the shard, and seven linears. */
const ITEMS = 6 * (4 * SHARDS + 7);
/** The same where a block has one shard more, sums to be permuted by, and orders. */
const PERMUTED_ITEMS = 3 * (2 * 4 * (SHARDS + 1) + 7 + 1);
/** The same where of three blocks two have four experts. */
const EXPERT_ITEMS = 4 * SHARDS + 7 + 2 * ((2 + 4 * 2) * SHARDS + 4 + 4 * 3);

for (
  const [method, how, ranks, kills, items] of [
    ["wanda", "", 2, 10, ITEMS],
    ["sparsegpt", "", 3, 10, ITEMS],
    ["sparsegpt", "holdout,permute", 2, 10, PERMUTED_ITEMS],
    ["sparsegpt", "experts", 2, 5, EXPERT_ITEMS],
  ] as const
) {
  const called = [method, ...how ? [how] : []].join(", ");
  Deno.test(`${called}, ${ranks} ranks: ${kills} of them killed on the way and started again give the same bytes`, () =>
    withFolder(async (folder) => {
      const expected = await alone(method, folder, how), random = generator(SEED), result = join(folder, "result");
      const directory = join(folder, "exchange"), seen = new Set<string>();
      await Deno.mkdir(directory);
      const moments = Array.from({ length: kills }, () => 1 + random(items - 8)).sort((a, b) => a - b);
      const all = Array.from({ length: ranks }, (_, rank) => start(method, rank, ranks, directory, result, how));
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
        all[rank] = start(method, rank, ranks, directory, result, how);
      }
      await Promise.all(all.map(ended));
      assertEquals(await Deno.readTextFile(result), expected);
    }));
}

function entries(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
