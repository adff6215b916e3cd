/** `deno task collect`: the records that runs have left in a folder become a registry. */
import { collectCommand } from "../src/cli/collect_command.ts";
import type { Values } from "../src/cli/flags.ts";
import { type Outcome, run } from "../src/cli/run.ts";
import { collect } from "../src/run/collect.ts";
import { fetchRecords, isRecordBucket } from "../src/run/record_bucket.ts";
import { defaultRegistry } from "../src/run/place.ts";
import { Registry } from "../src/run/registry.ts";

async function main(
  { records: folder, runs = defaultRegistry() }: Values<typeof collectCommand.flags>,
): Promise<Outcome> {
  const fetched = isRecordBucket(folder) ? await Deno.makeTempDir({ prefix: "pare-records-" }) : undefined;
  await using tidy = new AsyncDisposableStack();
  if (fetched !== undefined) {
    tidy.defer(() => Deno.remove(fetched, { recursive: true }));
    await fetchRecords(folder, fetched);
  }
  using registry = Registry.open(runs, { mode: "write" });
  const { records, added, grown, problems } = collect(registry, fetched ?? folder);
  const known = records - added - grown;
  return {
    text: `${folder}: ${records} records: ${added} new, ${grown} with more than before, ${known} known; in ${runs}`,
    json: { folder, runs, records, added, grown, known, problems },
    problems,
  };
}

/** What `pare collect` runs. */
export const program = [collectCommand, main] as const;

if (import.meta.main) await run(...program);
