/**
 * Which files hold tests, and how processes share them: as a pack of cards that is dealt. Some tests set their process's
 * environment or working directory, so that two files at a time need two processes; and a process for each file would
 * spend more on its start than most files take.
 */

/**
 * How paths begin whose tests take longest, those of the first most: what is begun last is waited for last. SmolLM2's
 * take ten minutes by themselves, where the gate has it.
 */
const LONGEST = [
  "tests/golden/smollm2",
  "tests/golden/zero_shot",
  "tests/golden/austen",
  "tests/scripts/finetune",
  "tests/scripts/verify",
  "tests/scripts/compare",
  "tests/golden/",
  "tests/contract/attention",
  "tests/contract/backward",
  "tests/scripts/",
  "tests/contract/",
  "tests/server/",
  "tests/stream/",
  "tests/method/",
];

/** Files of a hand. */
const HAND = 4;

/** All files of tests below a folder, the longest first. */
export function testFiles(folder: string): string[] {
  const below = (path: string): string[] =>
    [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? below(`${path}/${name}`) : name.endsWith("_test.ts") ? [`${path}/${name}`] : []
    );
  const rank = (path: string) => LONGEST.findIndex((long) => path.startsWith(long)) >>> 0;
  return below(folder).sort().sort((a, b) => rank(a) - rank(b));
}

/** Deals files, one to each hand in turn: those of one folder, which take about as long, come into many hands. */
export function deal(files: readonly string[], size = HAND): string[][] {
  const hands = Math.ceil(files.length / size);
  return Array.from({ length: hands }, (_, hand) => files.filter((_, at) => at % hands === hand));
}

/** Does what is to be done with each item, so many at a time: who is done takes the next. */
export async function share<T, R>(items: readonly T[], workers: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [], left = items.entries();
  const worker = async () => {
    for (const [at, item] of left) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}
