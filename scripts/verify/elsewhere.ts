/** A checkpoint that lies elsewhere, held against what a run wrote: its manifest, and its files by their hashes. */
import { createHash } from "node:crypto";
import { openRemoteFolder } from "../../src/checkpoint/remote/folder.ts";
import { pieces } from "../../src/checkpoint/ranges.ts";
import { PareError, type RemoteModel } from "../../src/mod.ts";
import { type Change, MANIFEST_FILE, parseManifest } from "../../src/run/manifest.ts";
import type { InputFile, Manifest } from "../../src/run/record.ts";

/** The manifest beside a checkpoint. @throws PareError if there is none. */
export async function manifestOf(remote: RemoteModel): Promise<Manifest> {
  if (!remote.files.some(({ name }) => name === MANIFEST_FILE)) {
    throw new PareError(`${remote.path} has no ${MANIFEST_FILE}: Pare did not write it`);
  }
  await using folder = openRemoteFolder(remote);
  await using source = await folder.open(MANIFEST_FILE);
  return parseManifest(new TextDecoder().decode(await source.read(0, source.size)), source.name);
}

/** What differs from what was written there: every byte is read. */
export async function checkElsewhere(remote: RemoteModel, outputs: readonly InputFile[]): Promise<Change[]> {
  const sizes = new Map(remote.files.map(({ name, bytes }) => [name, bytes])), changes: Change[] = [];
  await using folder = openRemoteFolder(remote);
  for (const { path, bytes: expected, sha256 } of outputs) {
    const found = sizes.get(path);
    if (found === undefined) changes.push({ path, kind: "missing" });
    else if (found !== expected) changes.push({ path, kind: "size", expected, found });
    else {
      await using source = await folder.open(path);
      const hash = createHash("sha256");
      for (const [at, length] of pieces(found)) hash.update(await source.read(at, length));
      if (hash.digest("hex") !== sha256) changes.push({ path, kind: "content" });
    }
  }
  return changes;
}
