/**
 * A model's repository on the Hub as a {@linkcode Sink}: everything in one commit at the end, so that its branch has all of the
 * checkpoint or nothing of it. What the Hub has already, by its SHA-256, is not sent again.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { PareError } from "../../errors.ts";
import { api } from "../hub/api.ts";
import { HubClient, readToken } from "../hub/client.ts";
import { parseHubReference, repository } from "../hub/repository.ts";
import { type HubOptions, listAllOnHub } from "../hub.ts";
import { LARGEST_MANIFEST, listedBy, MANIFEST, OF_MODEL } from "../owned.ts";
import { sha256 } from "../sha256.ts";
import { refuseOccupied, type Sink, type SinkOptions, type SunkFile, type Target } from "./sink.ts";

/** The commit's first line. */
const TITLE = "Written by Pare";

/**
 * Looks at a repository, and whether it may be written to.
 * @throws PareError if there is none, the token may not write, or what lies there may not be replaced.
 */
export async function openRepository(reference: string, options: SinkOptions & HubOptions): Promise<Target> {
  const { id, revision } = parseHubReference(reference), { force = false } = options;
  if (await readToken() === undefined) {
    throw new PareError(`${reference}: to write needs a token: set HF_TOKEN, or run hf auth login`);
  }
  const client = await HubClient.open(repository("model", id), options);
  const { commit: parent, files: listed } = await listAllOnHub(client, revision);
  const fetchFile = async (path: string) => {
    const answer = await client.fetch(client.resolveUrl(parent, path));
    return new Uint8Array(await answer.arrayBuffer());
  };
  const about = listed.find(({ path }) => path === MANIFEST);
  const manifest = about && about.size <= LARGEST_MANIFEST
    ? new TextDecoder().decode(await fetchFile(MANIFEST))
    : undefined;
  const own = new Set(manifest === undefined ? [] : [...OF_MODEL, ...listedBy(manifest) ?? []]);
  const files = await Promise.all(listed.map(async ({ path: name, size: bytes, digest, algorithm }) => {
    if (algorithm === "sha256") return { name, bytes, sha256: digest } satisfies SunkFile;
    // Of small files the Hub tells git's hash; those of a model that may be the one that is asked for are looked at.
    return { name, bytes, ...own.has(name) && { sha256: sha256(await fetchFile(name)) } } satisfies SunkFile;
  }));
  refuseOccupied(reference, files, ({ name }) => own.has(name), force);
  const stale = listed.map(({ path }) => path).filter((name) => own.has(name));
  const sink = new RepositorySink(reference, client, { id, revision, parent, stale }, options);
  await sink.tryWriting();
  return { sink, files, ...manifest !== undefined && { manifest } };
}

/** Where a commit goes, and what it replaces. */
interface Place {
  readonly id: string;
  readonly revision: string;
  /** The commit that it follows. */
  readonly parent: string;
  /** Names of Pare's files in that. */
  readonly stale: readonly string[];
}

/** See the file's head. */
class RepositorySink implements Sink {
  constructor(
    readonly path: string,
    private readonly client: HubClient,
    private readonly place: Place,
    private readonly options: SinkOptions,
  ) {}

  /** Asks the first thing that a commit asks. @throws PareError if the token may not write there. */
  async tryWriting(): Promise<void> {
    const { id, revision } = this.place, { endpoint } = this.client;
    try {
      await this.client.fetch(`${endpoint}/api/models/${id}/preupload/${encodeURIComponent(revision)}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ files: [{ path: "config.json", size: 2, sample: btoa("{}") }] }),
      });
    } catch (error) {
      if (!(error instanceof PareError) || !/\(40[13]\)/.test(error.message)) throw error;
      throw new PareError(`${this.path}: denied: the token in use (HF_TOKEN) may read it, but not write to it`);
    }
  }

  /** Nothing is sent before the end: what is in no commit the Hub may forget. */
  send(_name: string): Promise<void> {
    return Promise.resolve();
  }

  async commit(names: readonly string[]): Promise<void> {
    const { id, revision, parent, stale } = this.place, { directory, onSent, signal } = this.options;
    const { commit } = await api(), gone = stale.filter((name) => !names.includes(name));
    try {
      await commit({
        repo: { type: "model", name: id },
        branch: revision,
        parentCommit: parent,
        title: TITLE,
        hubUrl: this.client.endpoint,
        fetch: this.client.fetch,
        abortSignal: signal,
        operations: [
          ...names.map((path) => ({
            operation: "addOrUpdate" as const,
            path,
            content: pathToFileURL(join(directory, path)),
          })),
          ...gone.map((path) => ({ operation: "delete" as const, path })),
        ],
      });
    } catch (error) {
      if (error instanceof PareError || !(error instanceof Error)) throw error;
      throw new PareError(`cannot write ${this.path}: ${error.message}`, { cause: error });
    }
    for (const name of names) onSent?.(name, "sent");
  }
}
