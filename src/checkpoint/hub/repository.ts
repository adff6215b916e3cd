/**
 * What is on the Hub, by name. Names come from users, file names and hashes from a server: both end up in paths on this
 * disk, so both are checked here, before anything else is done with them.
 */
import { PareError } from "../../errors.ts";
import { quote } from "../quote.ts";

/** A model or a data set on the Hub. */
export interface Repository {
  /** Which of the two. */
  readonly type: "model" | "dataset";
  /** `owner/name`. */
  readonly id: string;
}

/** A file of a repository at one commit. */
export interface RemoteFile {
  /** Within the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What its bytes must hash to, in hexadecimal: it is also the file's name in the cache. */
  readonly digest: string;
  /** SHA-256 of the bytes for large files, git's SHA-1 of a blob for small ones. */
  readonly algorithm: "sha256" | "git-sha1";
}

/** The Hub's rule for a name: letters, digits, `-`, `_` and `.`, neither `--` nor `..`, at most 96, ends alphanumeric. */
const NAME = /^(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;

/** Whether this could be the id of a model on the Hub: `owner/name`. */
export function isHubId(text: string): boolean {
  const parts = text.split("/");
  return parts.length === 2 && parts.every((part) => NAME.test(part));
}

/**
 * Names a repository.
 * @throws PareError unless `id` is `owner/name` as the Hub allows it.
 */
export function repository(type: Repository["type"], id: string): Repository {
  if (!isHubId(id)) throw new PareError(`${quote(id)} is no id of a ${type} on the Hub; expected owner/name`);
  return { type, id };
}

/** The parts of `hf://owner/name[@revision]`. @throws PareError if it is none. */
export function parseHubReference(reference: string): { readonly id: string; readonly revision: string } {
  const [, id, revision = "main"] = /^hf:\/\/([^/@]+\/[^/@]+)\/?(?:@(.+))?$/.exec(reference) ?? [];
  if (id === undefined) throw new PareError(`${reference}: expected hf://owner/name, or hf://owner/name@revision`);
  return { id: repository("model", id).id, revision };
}

/** A revision's name is also a path under `refs/`: branches and tags, `refs/pr/1`, hashes. */
const REVISION = /^(?!.*\.\.)[\w][\w.-]*(?:\/[\w][\w.-]*)*$/;

/**
 * Checks the name of a branch, tag or commit.
 * @throws PareError if it is none.
 */
export function checkRevision(revision: string): string {
  if (!REVISION.test(revision)) {
    throw new PareError(`${quote(revision)} is no revision; expected a branch, tag or commit`);
  }
  return revision;
}

/** A full commit hash. */
export const COMMIT = /^[0-9a-f]{40}$/;

/** What the Hub's API says of a file, not yet believed. */
export interface ListedFile {
  /** Within the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The hash of git's blob; for a large file, that of the pointer to it. */
  readonly oid?: string;
  /** A large file's SHA-256 and bytes. */
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/**
 * A file as the Hub's API lists it.
 * @throws PareError if the server's answer would lead out of the cache or cannot be verified.
 */
export function remoteFile({ path, size, oid, lfs }: ListedFile): RemoteFile {
  // Segments that begin with a dot include `..`; no file that Pare wants begins so.
  if (!/^[\w-][\w. -]*(?:\/[\w-][\w. -]*)*$/.test(path)) {
    throw new PareError(`the Hub lists a file ${quote(path)}; expected a plain relative path`);
  }
  const file: RemoteFile = lfs
    ? { path, size: lfs.size, digest: lfs.oid, algorithm: "sha256" }
    : { path, size, digest: oid ?? "", algorithm: "git-sha1" };
  const digits = file.algorithm === "sha256" ? 64 : 40;
  if (!new RegExp(`^[0-9a-f]{${digits}}$`).test(file.digest) || !Number.isSafeInteger(file.size) || file.size < 0) {
    throw new PareError(`the Hub lists ${quote(path)} without a size and checksum that can be used`);
  }
  return file;
}
