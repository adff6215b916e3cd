/**
 * What a power loss leaves: the calls that count are written down in their order, and after each of them the disk is looked at
 * as one that has lost every byte that was not forced to it.
 */
import { assert, assertEquals } from "@std/assert";
import { relative } from "node:path";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { disk } from "../../src/checkpoint/disk.ts";
import { sha256 } from "../../src/checkpoint/sha256.ts";
import { createWriter } from "../../src/checkpoint/writer.ts";
import { FIXTURES, names, snapshot, temporary } from "./folders.ts";

/** The calls so far, with their paths under a root; `after` is told of each. */
function record(root: string, after: (call: string) => void = () => {}): { calls: string[] } & Disposable {
  const calls: string[] = [], whole = { ...disk };
  const note = (what: string, ...paths: string[]) => {
    const call = [what, ...paths.map((path) => relative(root, path) || ".")].join(" ");
    calls.push(call);
    after(call);
  };
  disk.sync = async (path) => {
    await whole.sync(path);
    note("sync", path);
  };
  disk.rename = (from, to) => {
    whole.rename(from, to);
    note("rename", from, to);
  };
  disk.remove = (path) => {
    const there = exists(path);
    whole.remove(path);
    if (there) note("remove", path);
  };
  return { calls, [Symbol.dispose]: () => void Object.assign(disk, whole) };
}

function exists(path: string): boolean {
  try {
    return Boolean(Deno.lstatSync(path));
  } catch {
    return false;
  }
}

const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const FILES = ["README.md", "config.json", "pare_manifest.json", ...SHARDS, "model.safetensors.index.json"];
/** What makes a model one of Pare's. */
const TEXTS = { "pare_manifest.json": JSON.stringify({ planId: "0", inputs: [] }), "README.md": "card" };
const [WORKSHOP, PARTIAL] = [".out.partial", ".out.partial/model"];

/** Writes a pruned model, as far as its files tell. */
async function write(out: string, model: string, texts: Record<string, string> = TEXTS): Promise<void> {
  await using checkpoint = await openDirectory(`${FIXTURES}/${model}`);
  await using writer = await createWriter(checkpoint, out, { force: true });
  await writer.finish(texts);
}

Deno.test("data, then the directory, then its name, then where the name stands: in this order, and made parents as well", async () => {
  using folder = temporary();
  using recorded = record(folder.path);
  await write(`${folder.path}/a/b/out`, "tiny-mistral");
  const [calls, synced] = [recorded.calls, FILES.map((name) => `sync a/b/${PARTIAL}/${name}`)];
  assertEquals(calls.slice(0, FILES.length).sort(), synced.sort());
  assertEquals(calls.slice(FILES.length), [
    `sync a/b/${PARTIAL}`,
    `rename a/b/${PARTIAL} a/b/out`,
    `sync a/b/${WORKSHOP}`,
    "sync a/b",
    "sync a",
    "sync .",
    `remove a/b/${WORKSHOP}/journal`,
    `remove a/b/${WORKSHOP}/lock`,
  ]);
});

Deno.test("an old output is moved out of the way, and removed only when the new one is there for good", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  await write(out, "tiny-qwen2");
  using recorded = record(folder.path);
  await write(out, "tiny-mistral");
  assertEquals(recorded.calls.filter((call) => !call.startsWith(`sync ${PARTIAL}/`)), [
    `sync ${PARTIAL}`,
    `rename out ${WORKSHOP}/replaced`,
    `rename ${PARTIAL} out`,
    `sync ${WORKSHOP}`,
    "sync .",
    `remove ${WORKSHOP}/replaced`,
    `remove ${WORKSHOP}/journal`,
    `remove ${WORKSHOP}/lock`,
  ]);
});

Deno.test("after every call, an output under its name is whole although all that was not forced is lost; one of the two is there", async () => {
  using folder = temporary();
  const out = `${folder.path}/out`;
  await write(out, "tiny-qwen2");
  const hashes = (path: string) => snapshot(path).map(([name, bytes]) => `${name} ${sha256(bytes)}`).join();
  await write(`${folder.path}/other`, "tiny-mistral");
  const before = hashes(out), after = hashes(`${folder.path}/other`);
  /** What was forced to the disk: the hash, by the file's number. */
  const forced = new Map<number, string>();
  for (const [name, bytes] of snapshot(out)) forced.set(Deno.statSync(`${out}/${name}`).ino!, sha256(bytes));
  const survives = (path: string): string | undefined =>
    exists(path)
      ? names(path).map((name) => `${name} ${forced.get(Deno.statSync(`${path}/${name}`).ino!)}`).join()
      : undefined;
  using recorded = record(folder.path, (call) => {
    const [what, path] = call.split(" ");
    if (what === "sync" && FILES.some((name) => path === `${PARTIAL}/${name}`)) {
      forced.set(Deno.statSync(`${folder.path}/${path}`).ino!, sha256(Deno.readFileSync(`${folder.path}/${path}`)));
    }
    const named = survives(out), old = survives(`${folder.path}/${WORKSHOP}/replaced`);
    assert(named ? named === before || named === after : old === before, call);
  });
  await write(out, "tiny-mistral");
  assert(recorded.calls.length > FILES.length);
  assertEquals(survives(out), after);
});
