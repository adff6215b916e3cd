/** Ending a command in the middle of what it does to the disk: a moment is a number of changes, not a time. */

/** Changes that the system tells of during a run that writes the small model: about a hundred. */
export const CHANGES = 100;

/** Sends a signal once so many changes were seen below a folder, if the command has not ended by then. */
export async function endAfter(
  changes: number,
  folder: string,
  signal: Deno.Signal,
  start: () => Deno.ChildProcess,
): Promise<Deno.CommandOutput> {
  using watcher = Deno.watchFs(folder);
  const child = start(), output = child.output();
  let over = false, seen = 0;
  const end = async () => {
    for await (const _ of watcher) {
      if (++seen < changes || over) continue;
      try {
        child.kill(signal);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended, and nobody has been told yet
      }
      break;
    }
  };
  const watching = end();
  const ended = await output;
  over = true;
  watcher.close();
  await watching;
  return ended;
}
