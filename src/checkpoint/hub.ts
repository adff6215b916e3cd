/**
 * Models and data sets from the Hugging Face Hub, into the cache that all its tools share (`hub/cache.ts`). The Hub's
 * API is asked through `@huggingface/hub`; its own downloads neither resume nor verify, so the bytes come by
 * `hub/download.ts`. What is in the cache is used as it is and no network is asked: a branch that has moved on is seen
 * under its new commit's hash, or once its file in `refs/` is gone.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PareError } from "../errors.ts";
import { api } from "./hub/api.ts";
import { exists, RepositoryCache } from "./hub/cache.ts";
import { type ConnectionOptions, HubClient } from "./hub/client.ts";
import { download, type HubProgress } from "./hub/download.ts";
import {
  checkRevision,
  COMMIT,
  type ListedFile,
  type RemoteFile,
  remoteFile,
  type Repository,
  repository,
} from "./hub/repository.ts";
import { parseObject } from "./json.ts";
import { quote } from "./quote.ts";
import { LARGEST_SIDE_FILE } from "./side_files.ts";

export type { ConnectionOptions } from "./hub/client.ts";
export type { HubProgress } from "./hub/download.ts";
export { isHubId } from "./hub/repository.ts";

/** Which version, from where. */
export interface HubOptions extends ConnectionOptions {
  /** A branch, a tag or a commit; `main` unless given. */
  readonly revision?: string;
  /** Told how every file's download goes on. */
  readonly onProgress?: HubProgress;
}

const CONFIG = "config.json", TOKENIZER = "tokenizer.json";
const SINGLE = "model.safetensors", INDEX = "model.safetensors.index.json";

/** Files beside the weights at most: eight of them have names of their own, the others are licences and cards. */
const MOST_BESIDE = 100;

/** Pages of a list of files at most: the Hub puts a thousand files on one. */
const MOST_PAGES = 100;

/** What makes a model beside its weights: configuration, tokenizer, chat template, licence, model card. */
const BESIDE = new RegExp(
  "^(?:(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template|" +
    "pare_manifest)" +
    "\\.json|tokenizer\\.model|merges\\.txt|chat_template\\.jinja|(?:LICEN[CS]E|NOTICE|USE_POLICY|README)[\\w.-]*)$",
);

/**
 * Fetches a model, unless it is here already.
 * @param id `owner/name`.
 * @returns The directory of its files: config.json, weights in safetensors, tokenizer, licence.
 * @throws PareError if the id is none, if the Hub cannot be reached, has no such model or does not show it, if the model
 * has no safetensors, if a file came damaged, or if the disk cannot take it.
 */
export async function fetchFromHub(id: string, options: HubOptions = {}): Promise<string> {
  const wanted = repository("model", id);
  const revision = checkRevision(options.revision ?? "main");
  const cache = await RepositoryCache.open(wanted);
  const cached = await cache.commit(revision);
  if (cached !== undefined && await isWhole(cache, cached)) return cache.snapshot(cached);

  const client = await HubClient.open(wanted, options);
  const commit = await askCommit(client, revision);
  const listed = await askFiles(client, commit);
  const weights = listed.has(SINGLE) ? SINGLE : INDEX;
  if (!listed.has(weights)) throw new PareError(`model ${id} on the Hub has no ${SINGLE}${others(listed)}`);
  const take = async (names: readonly string[], largest = Infinity) => {
    const files = names.map((name) => expectFile(listed, name, id, largest));
    await cache.expectRoom(files);
    for (const file of files) await bring(client, cache, commit, file, options.onProgress);
  };
  const beside = [...listed.keys()].filter((name) => BESIDE.test(name));
  if (beside.length > MOST_BESIDE) {
    throw new PareError(
      `model ${id} on the Hub has ${beside.length} files beside its weights; at most ${MOST_BESIDE} are taken`,
    );
  }
  await take([...new Set([CONFIG, ...beside, ...weights === INDEX ? [INDEX] : []])], LARGEST_SIDE_FILE);
  if (!listed.has(TOKENIZER)) await cache.noteAbsent(commit, TOKENIZER);
  await take(weights === INDEX ? await weightFiles(cache.snapshot(commit)) : [SINGLE]);
  await cache.noteCommit(revision, commit);
  return cache.snapshot(commit);
}

/**
 * Fetches one file of a data set, unless it is here already.
 * @param id `owner/name`.
 * @param path Within the data set.
 * @returns The file's path on this disk.
 * @throws PareError as {@linkcode fetchFromHub}.
 */
export async function fetchDatasetFile(id: string, path: string, options: HubOptions = {}): Promise<string> {
  const wanted = repository("dataset", id);
  const revision = checkRevision(options.revision ?? "main");
  const cache = await RepositoryCache.open(wanted);
  const cached = await cache.commit(revision);
  if (cached !== undefined && await cache.has(cached, path)) return join(cache.snapshot(cached), path);

  const client = await HubClient.open(wanted, options);
  const commit = await askCommit(client, revision);
  const { pathsInfo } = await api();
  const found = await ask(client, () => pathsInfo({ ...about(client), paths: [path], revision: commit }));
  const info = found.find((each) => each.path === path && each.type === "file");
  if (!info) throw new PareError(`data set ${id} on the Hub has no file ${path}`);
  const file = remoteFile(info);
  await cache.expectRoom([file]);
  await bring(client, cache, commit, file, options.onProgress);
  await cache.noteCommit(revision, commit);
  return join(cache.snapshot(commit), path);
}

/** A file of a model on the Hub, where it is to be had. */
export interface FileOnHub {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  /** Of its content, where the Hub says so: of large files. */
  readonly sha256?: string;
}

/**
 * What {@linkcode fetchFromHub} would fetch, but for one that is to be read where it is: nothing comes to the cache.
 * @throws PareError as that.
 */
export async function listOnHub(
  id: string,
  options: HubOptions = {},
): Promise<{ readonly files: readonly FileOnHub[]; readonly endpoint: string }> {
  const client = await HubClient.open(repository("model", id), options);
  const commit = await askCommit(client, checkRevision(options.revision ?? "main")),
    listed = await askFiles(client, commit);
  const single = listed.has(SINGLE), names = [...listed.keys()];
  if (!single && !listed.has(INDEX)) throw new PareError(`model ${id} on the Hub has no ${SINGLE}${others(listed)}`);
  const shards = single ? [SINGLE] : names.filter((name) => /^[\w-][\w.-]*\.safetensors$/.test(name));
  const wanted = [...names.filter((name) => BESIDE.test(name)), ...single ? [] : [INDEX], ...shards];
  const files = wanted.map((name): FileOnHub => {
    const { path, size, digest, algorithm } = expectFile(
      listed,
      name,
      id,
      shards.includes(name) ? Infinity : LARGEST_SIDE_FILE,
    );
    return {
      name: path,
      url: client.resolveUrl(commit, path),
      bytes: size,
      ...algorithm === "sha256" && { sha256: digest },
    };
  });
  return { files, endpoint: client.endpoint };
}

/**
 * All files in a model's uppermost folder, as the Hub lists them.
 * @throws PareError as {@linkcode fetchFromHub}.
 */
export async function listAllOnHub(
  client: HubClient,
  revision: string,
): Promise<{ readonly commit: string; readonly files: readonly RemoteFile[] }> {
  const commit = await askCommit(client, checkRevision(revision));
  const listed = [...(await askFiles(client, commit)).values()];
  // Git's own are nobody's concern.
  return { commit, files: listed.filter(({ path }) => !path.startsWith(".")).map(remoteFile) };
}

/** Whether a snapshot holds all that a model needs. Its links lead to verified files only. */
async function isWhole(cache: RepositoryCache, commit: string): Promise<boolean> {
  if (!await cache.has(commit, CONFIG)) return false;
  if (!await cache.has(commit, TOKENIZER) && !await cache.lacks(commit, TOKENIZER)) return false;
  for (const name of await weightFiles(cache.snapshot(commit))) if (!await cache.has(commit, name)) return false;
  return true;
}

/** The files that hold a snapshot's weights, by its index if it has one. */
async function weightFiles(snapshot: string): Promise<string[]> {
  const path = join(snapshot, INDEX);
  if (await exists(join(snapshot, SINGLE)) || !await exists(path)) return [SINGLE];
  const { weight_map } = parseObject(await readFile(path), path);
  const names = [...new Set(Object.values(weight_map ?? {}))];
  const odd = names.find((name) => !/^[\w-][\w.-]*\.safetensors$/.test(String(name)));
  if (names.length === 0 || odd !== undefined) {
    throw new PareError(`${path}: expected names of shards under weight_map, found ${quote(String(odd))}`);
  }
  return names.map(String).sort();
}

/** Fetches a file into the cache and links it into its snapshot. */
async function bring(
  client: HubClient,
  cache: RepositoryCache,
  commit: string,
  file: RemoteFile,
  onProgress?: HubProgress,
): Promise<void> {
  if (await cache.has(commit, file.path)) return;
  const blob = cache.blob(file.digest);
  await cache.locked(file.digest, async () => {
    if (!await cache.hasBlob(file.digest)) await download(client, commit, file, blob, onProgress);
  });
  await cache.link(commit, file.path, file.digest);
}

/** A file of a model that must be there, and of a size that can be. */
function expectFile(listed: ReadonlyMap<string, ListedFile>, name: string, id: string, largest: number): RemoteFile {
  const entry = listed.get(name);
  if (!entry) throw new PareError(`model ${id} on the Hub has no ${name}`);
  const file = remoteFile(entry);
  if (file.size <= largest) return file;
  throw new PareError(`model ${id} on the Hub: ${name} has ${file.size} bytes; expected ${largest} or fewer`);
}

/** What `@huggingface/hub` wants to know for every question. */
function about({ repository: { type, id }, endpoint, fetch }: HubClient) {
  const repo: { type: Repository["type"]; name: string } = { type, name: id };
  return { repo, name: id, hubUrl: endpoint, fetch };
}

/** The commit that a revision is at. */
async function askCommit(client: HubClient, revision: string): Promise<string> {
  const { datasetInfo, modelInfo } = await api();
  const question = { ...about(client), revision, additionalFields: ["sha" as const] };
  const { sha } = await ask(
    client,
    () => client.repository.type === "model" ? modelInfo(question) : datasetInfo(question),
  );
  if (typeof sha !== "string" || !COMMIT.test(sha)) {
    throw new PareError(
      `the Hub at ${client.endpoint} gave no commit for ${client.repository.id}, but ${quote(String(sha))}`,
    );
  }
  return sha;
}

/** The files in a model's uppermost folder, as the Hub lists them. */
async function askFiles(client: HubClient, commit: string): Promise<Map<string, ListedFile>> {
  const { listFiles } = await api(), files = new Map<string, ListedFile>();
  let pages = 0;
  const fetch = (...request: Parameters<HubClient["fetch"]>) => {
    if (++pages <= MOST_PAGES) return client.fetch(...request);
    throw new PareError(
      `${client.endpoint} lists the files of ${client.repository.id} on more than ${MOST_PAGES} pages`,
    );
  };
  await ask(client, async () => {
    for await (const entry of listFiles({ ...about(client), fetch, revision: commit })) {
      if (entry.type === "file") files.set(entry.path, entry);
    }
  });
  return files;
}

/** Puts a question to the Hub's API; an answer that is not the API's is the endpoint's fault. */
async function ask<T>(client: HubClient, question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new PareError(`${client.endpoint} does not answer as the Hub does (${error.message})`, { cause: error });
  }
}

/** What a model without safetensors has instead. */
function others(listed: ReadonlyMap<string, ListedFile>): string {
  const weights = [...listed.keys()].filter((name) => /\.(bin|pth|gguf|safetensors)$/.test(name)).slice(0, 3);
  const instead = weights.some((name) => name.endsWith(".gguf")) ? "; fetch its GGUF file and give that" : "";
  return weights.length > 0 ? ` (it has ${weights.map(quote).join(", ")})${instead}` : "";
}
