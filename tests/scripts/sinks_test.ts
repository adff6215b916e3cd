/**
 * Pruned models that go to a bucket of an S3 server and to a repository on a Hub, by whole commands: the bytes that a directory
 * gets, what is done already, what is killed and gone on with, and what `verify` says of them.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import S3rver from "s3rver";
import { BucketServer, s3Error } from "../checkpoint/bucket_server.ts";
import { withHub } from "../hub/fake_hub.ts";
import { AUSTEN, DATA_HOME, type Ended, HELD_OUT, ROOT, TOKENS } from "./commands.ts";
import { IN_PROCESS } from "./in_process.ts";
import { PareError } from "../../src/errors.ts";

/** A run of some seconds: all of the golden calibration. And one of a little. */
const LONG = ["--model", AUSTEN, "--pattern", "2:4", "--calibration", TOKENS, "--workers", "1"];
const ASKED = [...LONG, "--samples", "4", "--seqlen", "64"];

/** Runs commands with variables and a cache of their own. */
class Stand implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "pare-sinks-" });
  readonly env: Readonly<Record<string, string>>;

  constructor(env: Readonly<Record<string, string>>) {
    this.env = { DENO_DIR, XDG_CACHE_HOME: join(this.folder, "cache"), ...env };
  }

  command(command: string, args: readonly string[]): Deno.Command {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", `${ROOT}scripts/${command}.ts`, ...args],
      env: { NO_COLOR: "1", XDG_DATA_HOME: DATA_HOME, ...this.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async run(command: string, ...args: readonly string[]): Promise<Ended> {
    const { code, stdout, stderr } = await this.command(command, args).output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  }

  /** The same in the test's own process, where no stream and no sandbox is what is claimed. */
  async here(command: keyof typeof IN_PROCESS, ...args: readonly string[]): Promise<Ended> {
    const before = Object.keys(this.env).map((name) => [name, Deno.env.get(name)] as const);
    for (const [name, value] of Object.entries(this.env)) Deno.env.set(name, value);
    try {
      const { text, problems = [] } = await IN_PROCESS[command](...args);
      return { code: problems.length ? 2 : 0, out: text, err: problems.map((each) => `error: ${each}\n`).join("") };
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      return { code: 2, out: "", err: `error: ${error.message}\n` };
    } finally {
      for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }

  /** Prunes here, recorded in a folder of its own. */
  pruneHere(out: string, ...flags: readonly string[]): Promise<Ended> {
    return this.here("prune", ...ASKED, "--out", out, "--runs", join(this.folder, "runs.db"), ...flags);
  }

  /** Prunes, recorded in a folder of its own. @returns What it said, everywhere. */
  async prune(out: string, ...flags: readonly string[]): Promise<Ended & { everything: string }> {
    const runs = join(this.folder, "runs.db"),
      ended = await this.run("prune", ...ASKED, "--out", out, "--runs", runs, ...flags);
    const registry = new TextDecoder("latin1").decode(await Deno.readFile(runs).catch(() => new Uint8Array()));
    return { ...ended, everything: ended.out + ended.err + registry };
  }

  /** What is left where outputs are made. */
  staged(): string[] {
    try {
      return [...Deno.readDirSync(join(this.folder, "cache", "pare", "outputs"))].map(({ name }) => name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

// What Deno has fetched lies under the cache that commands are given another of.
const { denoDir: DENO_DIR } = JSON.parse(
  new TextDecoder().decode((await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output()).stdout),
);

/** What a directory gets by these flags; its card tells no place. */
async function given(...flags: string[]): Promise<Map<string, Uint8Array>> {
  await using stand = new Stand({});
  const out = join(stand.folder, "out"), { code, err } = await stand.here("prune", ...flags, "--out", out);
  assertEquals(code, 0, err);
  return new Map([...Deno.readDirSync(out)].map(({ name }) => [name, Deno.readFileSync(join(out, name))]));
}

let local: Promise<Map<string, Uint8Array>> | undefined;
/** What it gets of what is asked here, computed once. */
const expected = () => local ??= given(...ASKED);

/** Everything but what tells the command line. */
function same(found: (name: string) => Uint8Array | undefined, expected: Map<string, Uint8Array>): void {
  for (const [name, bytes] of expected) {
    const other = found(name);
    assert(other, `${name} is not there`);
    if (!["pare_manifest.json", "README.md"].includes(name)) assertEquals(other, bytes, name);
    else assert(!new TextDecoder().decode(other).includes(AUSTEN));
  }
}

/** Standard error's last line. */
const last = (err: string) => err.trimEnd().split("\n").at(-1)!;

Deno.test("a bucket of an S3 server gets what a directory gets, verify knows it, and done is done", async () => {
  const directory = await Deno.makeTempDir({ prefix: "pare-s3rver-" });
  const server = new S3rver({
    ...{ address: "127.0.0.1", port: 0, silent: true, directory },
    configureBuckets: [{ name: "models", configs: [] }],
  });
  const { port } = await server.run();
  try {
    await using stand = new Stand({
      ...{ AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`, AWS_ACCESS_KEY_ID: "S3RVER" },
      AWS_SECRET_ACCESS_KEY: "S3RVER",
    });
    const place = "s3://models/by hand/austen", first = await stand.prune(place);
    assertEquals(first.code, 0, first.err);
    const object = (name: string) => Deno.readFileSync(`${directory}/models/by hand/austen/${name}._S3rver_object`);
    same(object, await expected());
    assertEquals([stand.staged(), first.everything.includes("S3RVER")], [[], false]);

    const again = await stand.pruneHere(place);
    assertEquals(again.code, 0, again.err);
    assertStringIncludes(again.out, "holds what this run would write");
    const other = await stand.pruneHere(place, "--method", "magnitude");
    assertEquals([other.code, last(other.err)], [
      2,
      `error: the output ${place} exists and is not empty; --force replaces it`,
    ]);

    const runs = ["--runs", join(stand.folder, "none.db")];
    const fast = await stand.here("verify", place, "--fast", ...runs);
    assertStringIncludes(fast.out, "files are those that the run wrote", fast.err);
    const whole = await stand.here("verify", place, "--model", AUSTEN, "--calibration", TOKENS, ...runs);
    assertStringIncludes(whole.out, "identical: every mask and every weight", whole.err);
    const shown = await stand.prune(place, "--explain-permissions");
    assertStringIncludes(shown.out, "no network");
    assertStringIncludes(shown.out, `what it writes goes to ${place}`);

    // What is packed to a bucket is what is packed to a directory, and what is unpacked there is what was packed.
    const [dense, packed, away] = [join(stand.folder, "dense"), join(stand.folder, "packed"), "s3://models/packed"];
    assertEquals((await stand.pruneHere(dense)).code, 0);
    for (const out of [packed, away]) {
      const ended = await stand.here("pack", dense, "--out", out);
      assertEquals(ended.code, 0, ended.err);
    }
    const back = await stand.here("unpack", packed, "--out", "s3://models/unpacked");
    assertEquals(back.code, 0, back.err);
    for (const [from, to] of [[packed, "packed"], [dense, "unpacked"]]) {
      const { length } = [...Deno.readDirSync(`${directory}/models/${to}`)]
        .filter(({ name }) => name.endsWith("._S3rver_object"));
      const names = [...Deno.readDirSync(from)].map(({ name }) => name);
      assertEquals(length, names.length);
      for (const name of names) {
        const sent = Deno.readFileSync(`${directory}/models/${to}/${name}._S3rver_object`);
        assertEquals(sent, Deno.readFileSync(join(from, name)), name);
      }
    }
    assertEquals(stand.staged(), []);

    // So it is with what is trained, whose adapters stay here.
    const little = ["--calibration", HELD_OUT, "--seqlen", "64", "--eval-windows", "4", "--batch", "2", "--steps", "2"];
    const tune = (out: string, ...more: string[]) =>
      stand.here("finetune", dense, "--out", out, "--runs", "none", ...little, ...more);
    const here = join(stand.folder, "tuned"), there = "s3://models/tuned", adapter = join(stand.folder, "away-adapter");
    for (const [out, ...more] of [[here], [there, "--adapter", adapter]]) {
      const ended = await tune(out, ...more);
      assertEquals(ended.code, 0, ended.err);
    }
    const weights = (path: string) => Deno.readFileSync(path);
    assertEquals(
      weights(`${directory}/models/tuned/model.safetensors._S3rver_object`),
      weights(join(here, "model.safetensors")),
    );
    assertEquals(
      weights(join(adapter, "adapter_model.safetensors")),
      weights(join(`${here}-adapter`, "adapter_model.safetensors")),
    );
    const sent = (name: string) => name.replace("._S3rver_object", "");
    assertEquals(
      [...Deno.readDirSync(`${directory}/models/tuned`)].map(({ name }) => name)
        .filter((name) => name.endsWith("._S3rver_object")).map(sent).sort(),
      [...Deno.readDirSync(here)].map(({ name }) => name).sort(),
    );
    assertStringIncludes((await stand.here("verify", there, "--fast", ...runs)).out, "those that the run wrote");
    assertStringIncludes((await tune(there, "--adapter", adapter)).out, "holds what this run would write");
    assertEquals(
      last((await tune("s3://models/other")).err),
      "error: --adapter s3://models/other-adapter: adapters stay on this machine: name a directory",
    );
    assertEquals(stand.staged(), []);

    // Another program changes a byte: the object is another, and tells no hash.
    const path = `${directory}/models/by hand/austen/model.safetensors._S3rver_object`,
      bytes = await Deno.readFile(path);
    bytes[bytes.length - 1] ^= 1;
    await Deno.writeFile(path, bytes);
    const changed = await stand.here("verify", place, "--fast", ...runs);
    assertEquals(changed.code, 2);
    assertStringIncludes(changed.err, "model.safetensors: the same size, another content");
    const denied = await new Stand({ ...stand.env, AWS_ACCESS_KEY_ID: "nobody" }).pruneHere(place);
    assertEquals([denied.code, last(denied.err).includes("denied (403)")], [2, true], denied.err);
    const absent = await stand.pruneHere("s3://nobody/x");
    assertEquals([absent.code, last(absent.err).includes("there is no such bucket")], [2, true], absent.err);
    const odd = await stand.pruneHere("ftp://models/x");
    assertEquals([odd.code, odd.err.trimEnd().split("\n").length], [2, 1]);
    assertStringIncludes(odd.err, "expected a directory, s3://bucket/prefix or hf://owner/name");
  } finally {
    await server.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a run that is killed leaves no model in the bucket, and --resume ends in the bytes of one that was not", async () => {
  await using bucket = new BucketServer();
  await using stand = new Stand({
    ...{ AWS_ENDPOINT_URL_S3: bucket.endpoint, AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" },
  });
  const place = ["--out", "s3://models/x", "--runs", "s3://models/records"];
  const args = [...LONG, ...place, "--progress", "none", "--resume"];
  const process = stand.command("prune", args).spawn(), said = process.output();
  const journal = () => {
    const name = stand.staged().find((name) => name.includes(".partial"));
    if (name === undefined) return 0;
    try {
      return Deno.readTextFileSync(join(stand.folder, "cache/pare/outputs", name, "journal")).split("\n").length - 2;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return 0;
    }
  };
  for (let tries = 0; journal() < 2 && tries < 6000; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  process.kill("SIGKILL");
  await said;
  assertEquals([...bucket.objects.keys()].filter((key) => key.endsWith("config.json")), []);
  assert(journal() >= 2);
  const resumed = await stand.run("prune", ...args);
  assertEquals(resumed.code, 0, resumed.err);
  same((name) => bucket.objects.get(`x/${name}`)?.bytes, await given(...LONG));
  assertEquals(stand.staged().filter((name) => name.includes(".partial")), []);
  // Its record goes when it ends, and is one.
  const records = [...bucket.objects.keys()].filter((key) => key.startsWith("records/"));
  assertEquals(records.length, 1);
  const all = join(stand.folder, "all.db");
  for (const added of [1, 0]) {
    const { out, err } = await stand.run("collect", "s3://models/records", "--runs", all, "--json");
    assertEquals(JSON.parse(out || "{}").added, added, err);
  }
  const { runs } = JSON.parse((await stand.run("pare", "runs", "list", "--runs", all, "--json")).out);
  assertEquals(runs.map(({ status }: { status: string }) => status), ["finished"]);
  const none = await stand.run("collect", "s3://nobody/x", "--runs", all);
  assertEquals([none.code, last(none.err).includes("there is no such bucket")], [2, true]);
  const odd = await stand.run("collect", "gs://models/x", "--runs", all);
  assertEquals([odd.code, last(odd.err)], [2, "error: gs://models/x: expected a folder or s3://bucket/prefix"]);
});

Deno.test("a record that does not come to its bucket is said, stays, and goes with the next run; the model is there", async () => {
  await using bucket = new BucketServer();
  await using stand = new Stand({
    ...{ AWS_ENDPOINT_URL_S3: bucket.endpoint, AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" },
  });
  const out = join(stand.folder, "out"), asked = (...more: string[]) => stand.run("prune", ...ASKED, ...more);
  const none = await asked("--out", out, "--runs", "s3://nobody/x");
  assertEquals([none.code, last(none.err).includes("there is no such bucket")], [2, true], none.err);
  assertEquals([...Deno.readDirSync(stand.folder)], []);
  bucket.fault = ({ method }) => method === "PUT" ? s3Error(403, "AccessDenied") : undefined;
  const denied = await asked("--out", out, "--runs", "s3://models/records");
  assertEquals([denied.code, denied.out.includes(`${out}: written`)], [2, true], denied.err);
  assertStringIncludes(last(denied.err), "s3:PutObject (AccessDenied); the record stays in ");
  bucket.fault = () => undefined;
  const again = await asked(
    "--out",
    join(stand.folder, "other"),
    "--method",
    "magnitude",
    "--runs",
    "s3://models/records",
  );
  assertEquals([again.code, bucket.objects.size], [0, 2], again.err);
});

Deno.test("two ranks that meet in a bucket give the bytes of one, and leave there that they are done", async () => {
  await using bucket = new BucketServer();
  await using stand = new Stand({
    ...{ AWS_ENDPOINT_URL_S3: bucket.endpoint, AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" },
  });
  const asked = [...ASKED, "--method", "sparsegpt", "--shards", "2", "--runs", "none", "--progress", "none"];
  const [one, two] = ["one", "two"].map((name) => join(stand.folder, name));
  const alone = await stand.here("prune", ...asked, "--out", one);
  assertEquals(alone.code, 0, alone.err);
  const ranks = ["0", "1"].map((rank) =>
    stand.run("prune", ...asked, "--out", two, "--exchange", "s3://models/meet", "--ranks", "2", "--rank", rank)
  );
  for (const { code, err } of await Promise.all(ranks)) assertEquals(code, 0, err);
  assertEquals(
    await Deno.readFile(join(two, "model.safetensors")),
    await Deno.readFile(join(one, "model.safetensors")),
  );
  assertEquals([...bucket.objects.keys()], ["meet/done"]);
  const meet = ["--out", "x", "--ranks", "2", "--rank", "0", "--exchange"];
  const refused = async (place: string) => last((await stand.here("prune", ...asked, ...meet, place)).err);
  assertStringIncludes(await refused("s3://nobody/x"), "there is no such bucket");
  assertStringIncludes(await refused("gs://models/x"), "expected a directory or s3://bucket/prefix");
});

Deno.test("a repository on the Hub gets all in one commit, with the card, and the token is written down nowhere", () =>
  withHub(async (hub) => {
    const repository = "models/o/sparse", place = "hf://o/sparse", token = "hf_of_the_test";
    hub.put(repository, ".gitattributes", "*.safetensors filter=lfs");
    hub.put(repository, "LICENSE", "MIT");
    await using stand = new Stand({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: token });
    // A server that is busy, and a connection that is cut.
    hub.faults.uploads.push(503, "cut");
    const first = await stand.prune(place);
    assertEquals(first.code, 0, first.err);
    same((name) => hub.bytesOf(repository, name), await expected());
    assertEquals([hub.commits.length, hub.commits[0].branch, hub.commits[0].title], [1, "main", "Written by Pare"]);
    assertEquals([stand.staged(), first.everything.includes(token)], [[], false]);
    assert(hub.seen.every(({ origin, token }) => origin === "hub" || token === null));
    assertStringIncludes(new TextDecoder().decode(hub.bytesOf(repository, "README.md")), "# Austen-700K, pruned");

    assertStringIncludes((await stand.pruneHere(place)).out, "holds what this run would write");
    const runs = ["--runs", join(stand.folder, "none.db")];
    assertStringIncludes((await stand.here("verify", place, "--fast", ...runs)).out, "those that the run wrote");
    const whole = await stand.here("verify", place, "--model", AUSTEN, "--calibration", TOKENS, ...runs);
    assertStringIncludes(whole.out, "identical: every mask and every weight", whole.err);

    const other = await stand.pruneHere(place, "--method", "magnitude");
    assertStringIncludes(last(other.err), "--force replaces it");
    // The same weights are there already: what is sent again is what stands beside them.
    const taken = hub.uploaded.size;
    const forced = await stand.pruneHere(place, "--force", "--note", "again");
    assertEquals([forced.code, hub.commits.length, hub.uploaded.size], [0, 2, taken], forced.err);

    hub.faults.commits.push(409);
    hub.put("models/o/other", ".gitattributes", "");
    const refused = await stand.pruneHere("hf://o/other");
    assertEquals([refused.code, hub.bytesOf("models/o/other", "config.json")], [2, undefined]);
    assertStringIncludes(last(refused.err), "409");
    hub.faults.readOnly = true;
    assertStringIncludes(
      last((await stand.pruneHere("hf://o/other")).err),
      "denied: the token in use (HF_TOKEN) may read it, but not write to it",
    );
    hub.faults.readOnly = false;
    assertStringIncludes(last((await stand.pruneHere("hf://o/nobody")).err), "has no model o/nobody");
    assertStringIncludes(last((await stand.pruneHere("hf://o")).err), "expected hf://owner/name");
    const without = await new Stand({ HF_ENDPOINT: hub.endpoint, HF_HOME: stand.folder }).pruneHere(place);
    assertStringIncludes(last(without.err), "to write needs a token: set HF_TOKEN");
    hub.put("models/o/theirs", "model.safetensors", new Uint8Array(8), true);
    assertStringIncludes(last((await stand.pruneHere("hf://o/theirs", "--force")).err), "which is not Pare's");
  }));
