/** A model that is read where it lies, as a {@linkcode Folder}, and what its files are known by. */
import { PareError } from "../../errors.ts";
import type { Fingerprint } from "../checkpoint.ts";
import type { Folder } from "../folder.ts";
import { sha256 } from "../sha256.ts";
import { isReadOrCopied, isSideFile, LARGEST_SIDE_FILE } from "../side_files.ts";
import type { Source } from "../source.ts";
import { RangeClient, type RangeOptions } from "./client.ts";
import type { RemoteFile, RemoteModel } from "./model.ts";
import { Kept, openRemoteFile } from "./source.ts";

/** See the file's head. */
export interface RemoteFolder extends Folder, AsyncDisposable {
  /** What a run's record knows the files by. */
  fingerprints(): Promise<Fingerprint[]>;
}

/**
 * Opens a model for one run.
 * @param keepFile Where what is read again and again is kept; it must not be there.
 * @throws PareError if the server tells no version of a file that is read part by part: nothing would show that it changes.
 */
export function openRemoteFolder(
  { path, files, hosts, credentials }: RemoteModel,
  { keepFile, ...options }: RangeOptions & { readonly keepFile?: string } = {},
): RemoteFolder {
  const client = new RangeClient(credentials, { ...options, hosts }), kept = new Kept(keepFile);
  const named = new Map(files.filter(({ name }) => isReadOrCopied(name)).map((file) => [file.name, file]));
  /** Small files are read more than once, and fetched so only once. */
  const whole = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  const find = (name: string): RemoteFile => {
    const file = named.get(name);
    if (!file) throw new PareError(`${path} has no file ${name}`);
    return file;
  };
  const isSmall = ({ name, bytes }: RemoteFile) => isSideFile(name) && bytes <= LARGEST_SIDE_FILE;
  for (const file of named.values()) {
    if (isSmall(file) || (file.sha256 ?? file.etag ?? file.modified) !== undefined) continue;
    throw new PareError(
      `${file.url}: the server tells neither an ETag nor when it was changed; fetch the model and give its directory`,
    );
  }
  const readWhole = (file: RemoteFile) => {
    let bytes = whole.get(file.name);
    if (!bytes) whole.set(file.name, bytes = openRemoteFile(client, file, kept).read(0, file.bytes));
    return bytes;
  };
  return {
    path,
    locate: (name) => named.get(name)?.url ?? `${path.replace(/\/$/, "")}/${name}`,
    list: () => Promise.resolve(new Map([...named].map(([name, { bytes }]) => [name, bytes]))),
    open(name): Promise<Source> {
      const file = find(name);
      if (!isSmall(file)) return Promise.resolve(openRemoteFile(client, file, kept));
      return Promise.resolve({
        name: file.url,
        size: file.bytes,
        read: async (offset, length) => (await readWhole(file)).slice(offset, offset + length),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
    fingerprints: () =>
      Promise.all([...named.values()].map(async (file): Promise<Fingerprint> => {
        const { url, bytes, etag, modified } = file;
        if (file.sha256 !== undefined) return { path: url, bytes, sha256: file.sha256 };
        if (isSmall(file)) return { path: url, bytes, sha256: sha256(await readWhole(file)) };
        // To hash all of a model is to read it twice. The server's word for its version stands in the place of that.
        const version = etag ?? modified!;
        return { path: url, bytes, sha256: sha256(new TextEncoder().encode(`${version} ${bytes}`)), version };
      })),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}
