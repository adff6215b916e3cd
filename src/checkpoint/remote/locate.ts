/**
 * What of a model lies where a reference says: looked up once, before a run, by a process that may still look around. Every
 * file's size and version are fixed then, and so are the servers that may be asked.
 */
import { PareError } from "../../errors.ts";
import { readToken } from "../hub/client.ts";
import { type HubOptions, listOnHub } from "../hub.ts";
import { isHubId, parseHubReference } from "../hub/repository.ts";
import { parseObject } from "../json.ts";
import { INDEX, SINGLE } from "../side_files.ts";
import { RangeClient } from "./client.ts";
import type { Credentials, RemoteFile, RemoteModel } from "./model.ts";
import { findBucket, listBucket } from "./s3.ts";

/** Names of the files beside the weights that a server without listings is asked for. */
const BESIDE = [
  ...("config generation_config tokenizer tokenizer_config special_tokens_map added_tokens vocab chat_template " +
    "pare_manifest").split(" ").map((name) => `${name}.json`),
  ..."tokenizer.model merges.txt chat_template.jinja README.md LICENSE LICENSE.txt LICENSE.md NOTICE".split(" "),
];

/** How a place is looked up. */
export interface LocateOptions extends HubOptions {
  /** From 0 to 1, for the length of waits. */
  readonly random?: () => number;
}

/** Whether a reference names a place that is not on this machine; an id on the Hub does only if it is to be streamed. */
export function isRemote(reference: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(reference);
}

/**
 * Looks a model up.
 * @param reference `https://…/model/`, `s3://bucket/prefix`, `hf://owner/name[@revision]`, or an id on the Hub.
 * @throws PareError if there is none, or its files may not be read.
 */
export async function locateRemote(reference: string, options: LocateOptions = {}): Promise<RemoteModel> {
  if (/^s3:/i.test(reference)) return await listBucket(reference, await findBucket(reference), options);
  if (/^https?:/i.test(reference)) return await askFiles(reference, options);
  if (/^hf:/i.test(reference)) {
    const { id, revision } = parseHubReference(reference);
    return await listHub(id, { ...options, revision });
  }
  if (isHubId(reference)) return await listHub(reference, options);
  throw new PareError(
    `${reference}: expected https://…, s3://bucket/prefix, hf://owner/name or, with --stream, owner/name on the Hub`,
  );
}

/** A folder of a plain server, which has no list of it. */
async function askFiles(reference: string, options: LocateOptions): Promise<RemoteModel> {
  const url = new URL(reference);
  if (url.username || url.password) {
    throw new PareError("a model's address with a password in it would be recorded: expected one without");
  }
  if (url.search || url.hash) throw new PareError(`${reference}: expected the address of a folder, without ? and #`);
  const base = url.href.replace(/\/*$/, "/"), credentials: Credentials = { kind: "none" };
  const client = new RangeClient(credentials, options);
  const probe = (name: string) => ask(client, name, base + encodeURIComponent(name));
  const config = await probe("config.json");
  if (!config) throw new PareError(`${reference} is not a model's folder: it has no config.json`);
  const [index, single, ...beside] = await Promise.all([INDEX, SINGLE, ...BESIDE.slice(1)].map(probe));
  const files = [config, ...beside];
  if (single) files.push(single);
  else if (index) {
    const { weight_map } = parseObject(await wholeOf(client, index), index.url);
    const names = [...new Set(Object.values(weight_map ?? {}).map(String))];
    const odd = names.find((name) => !/^[\w-][\w.-]*\.safetensors$/.test(name));
    if (odd !== undefined) throw new PareError(`${index.url}: expected names of shards under weight_map, found ${odd}`);
    files.push(index, ...await Promise.all(names.map(probe)));
  } else throw new PareError(`${reference} holds no weights: neither ${SINGLE} nor ${INDEX} is there`);
  return {
    path: reference.replace(/\/+$/, ""),
    files: files.filter((file) => file !== undefined),
    hosts: [...client.answered],
    credentials,
  };
}

/** A model on the Hub, none of whose weights come to this machine's cache. */
async function listHub(id: string, options: LocateOptions): Promise<RemoteModel> {
  const { files, endpoint } = await listOnHub(id, options), token = await readToken();
  const credentials: Credentials = token === undefined
    ? { kind: "none" }
    : { kind: "bearer", origin: new URL(endpoint).origin, token };
  const client = new RangeClient(credentials, options);
  const found = await Promise.all(files.map(async ({ name, url, bytes, sha256 }): Promise<RemoteFile> => {
    const file = await ask(client, name, url);
    if (!file || file.bytes !== bytes) {
      throw new PareError(`${url}: ${file ? `${file.bytes} bytes` : "nothing"}, the Hub lists ${bytes}`);
    }
    return { ...file, ...sha256 !== undefined && { sha256 } };
  }));
  return { path: `hf://${id}`, files: found, hosts: [...client.answered], credentials };
}

/** A file's size and version; undefined if it is not there. One byte of it is read: an address may be signed for reading only. */
async function ask(client: RangeClient, name: string, url: string): Promise<RemoteFile | undefined> {
  const found = await client.read(url, 0, 1);
  return found && { name, url, ...found.version };
}

async function wholeOf(client: RangeClient, { url, ...version }: RemoteFile): Promise<Uint8Array<ArrayBuffer>> {
  return (await client.read(url, 0, version.bytes, version))!.bytes;
}
