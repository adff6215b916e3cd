/** A checkpoint's place that is not on this machine, by what the user calls it; and where the checkpoint is made meanwhile. */
import { homedir } from "node:os";
import { join } from "node:path";
import { PareError } from "../../errors.ts";
import type { HubOptions } from "../hub.ts";
import { sha256 } from "../sha256.ts";
import { openRepository } from "./hub_sink.ts";
import { openBucket } from "./s3_sink.ts";
import type { SinkOptions, Target } from "./sink.ts";

/**
 * Looks at a place, and whether it may be written to; nothing is left there by that.
 * @param reference `s3://bucket/prefix` or `hf://owner/name[@revision]`.
 * @throws PareError if there is no such place, something is not allowed, or what lies there may not be replaced.
 */
export async function openTarget(reference: string, options: SinkOptions & HubOptions): Promise<Target> {
  if (/^s3:/i.test(reference)) return await openBucket(reference, options);
  if (/^hf:/i.test(reference)) return await openRepository(reference, options);
  throw new PareError(`${reference}: expected a directory, s3://bucket/prefix or hf://owner/name[@revision]`);
}

/**
 * The directory whose workshop (`place.ts`) a checkpoint is made in that goes elsewhere: always the same for one place, so that
 * a run can be gone on with.
 * @param folder Where such directories stand; the user's cache unless it is named.
 */
export function stagingOf(
  reference: string,
  folder: string | undefined,
  variable: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string {
  const cache = variable("XDG_CACHE_HOME") || join(homedir(), ".cache");
  const name = reference.replace(/[^\w.-]+/g, "-").slice(0, 64), unique = sha256(new TextEncoder().encode(reference));
  return join(folder || join(cache, "pare", "outputs"), `${name}-${unique.slice(0, 16)}`);
}
