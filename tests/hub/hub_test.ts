/** A model comes from the Hub whole, verified and into the usual cache, whatever the network does; or a clear error does. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dirname } from "node:path";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { fetchFromHub, isHubId } from "../../src/checkpoint/hub.ts";
import { PareError } from "../../src/errors.ts";
import { COMMIT, type FakeHub, tree, withHub } from "./fake_hub.ts";

const FIXTURES = new URL("../fixtures/models/", import.meta.url).pathname;

/** Puts a fixture on the Hub, as `models/pare/<name>`, with what else lies in such a repository. */
async function publish(hub: FakeHub, name: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name: file } of Deno.readDir(`${FIXTURES}${name}`)) {
    const bytes = await Deno.readFile(`${FIXTURES}${name}/${file}`);
    hub.put(`models/pare/${name}`, file, bytes);
    files.set(file, bytes);
  }
  hub.put(`models/pare/${name}`, "README.md", "# A model");
  hub.put(`models/pare/${name}`, "LICENSE", "free");
  for (
    const other of ["pytorch_model.bin", "consolidated.safetensors", "onnx/model.onnx", ".gitattributes", "a b (1).png"]
  ) {
    hub.put(`models/pare/${name}`, other, "not needed");
  }
  return files;
}

/** Tries that follow each other at once. */
const AT_ONCE = { wait: () => Promise.resolve() };

/** The repository's folder in the cache. */
const folder = (home: string, name: string) => `${home}/hub/models--pare--${name}`;

Deno.test("a model is fetched into the usual layout, opens, and is used again without a network", () =>
  withHub(async (hub, home) => {
    const files = await publish(hub, "tiny-llama3");
    const directory = await fetchFromHub("pare/tiny-llama3");
    assertEquals(directory, `${folder(home, "tiny-llama3")}/snapshots/${COMMIT}`);
    for (const [name, bytes] of files) assertEquals(await Deno.readFile(`${directory}/${name}`), bytes);

    const found = await tree(folder(home, "tiny-llama3"));
    const blobs = found.filter((path) => path.startsWith("blobs/")).map((path) => path.slice("blobs/".length));
    assertEquals(blobs.map((blob) => blob.length).sort(), [40, 40, 40, 64]); // git's SHA-1, and SHA-256 of the weights
    assertEquals(
      found.filter((path) => !path.startsWith("blobs/")).map((path) => path.replace(/[0-9a-f]{40,}$/, "*")),
      [
        `.no_exist/${COMMIT}/tokenizer.json`,
        "refs/main",
        ...["LICENSE", "README.md", "config.json", "model.safetensors"].map((name) =>
          `snapshots/${COMMIT}/${name} -> ../../blobs/*`
        ),
      ],
    );
    assertEquals(await Deno.readTextFile(`${folder(home, "tiny-llama3")}/refs/main`), COMMIT);
    await using checkpoint = await openDirectory(directory);
    assertEquals(checkpoint.config.model_type, "llama");

    const requests = hub.seen.length;
    assertEquals(await fetchFromHub("pare/tiny-llama3"), directory);
    assertEquals(await fetchFromHub("pare/tiny-llama3", { revision: COMMIT }), directory);
    assertEquals(hub.seen.length, requests);
  }));

Deno.test("of a sharded model the shards come that its index names, and one that is missing is fetched again", () =>
  withHub(async (hub, home) => {
    const files = await publish(hub, "tiny-mistral");
    const progress: string[] = [];
    const directory = await fetchFromHub("pare/tiny-mistral", {
      onProgress: ({ file, received, size }) => received === size && progress.push(file),
    });
    for (const [name, bytes] of files) assertEquals(await Deno.readFile(`${directory}/${name}`), bytes);
    assertEquals([...new Set(progress)].sort(), ["LICENSE", "README.md", ...files.keys()].sort());
    assertEquals((await tree(directory)).length, files.size + 2);

    hub.seen.length = 0;
    const shard = "model-00002-of-00002.safetensors";
    await Deno.remove(await Deno.realPath(`${directory}/${shard}`)); // the blob: its link leads nowhere now
    assertEquals(await fetchFromHub("pare/tiny-mistral"), directory);
    assertEquals(await Deno.readFile(`${directory}/${shard}`), files.get(shard));
    assertEquals(hub.downloads().length, 2); // the redirect and the bytes
    assertEquals((await tree(folder(home, "tiny-mistral"))).some((path) => path.includes("incomplete")), false);
  }));

Deno.test("the token goes to the Hub, from the environment or the file, and not to where it redirects", () =>
  withHub(async (hub, home) => {
    await publish(hub, "tiny-qwen2");
    await Deno.writeTextFile(`${home}/token`, "hf_from_file\n");
    await fetchFromHub("pare/tiny-qwen2");
    const tokens = (
      origin: string,
    ) => [...new Set(hub.seen.filter((seen) => seen.origin === origin).map(({ token }) => token))];
    assertEquals([tokens("hub"), tokens("cdn")], [["Bearer hf_from_file"], [null]]);

    Deno.env.set("HF_TOKEN", "hf_from_environment");
    Deno.env.set("HF_HUB_CACHE", `${home}/elsewhere`);
    hub.seen.length = 0;
    assertEquals(
      await fetchFromHub("pare/tiny-qwen2"),
      `${home}/elsewhere/models--pare--tiny-qwen2/snapshots/${COMMIT}`,
    );
    assertEquals([tokens("hub"), tokens("cdn")], [["Bearer hf_from_environment"], [null]]);
  }));

Deno.test("a connection that is cut goes on where it broke off, as often as it takes", () =>
  withHub(async (hub) => {
    const files = await publish(hub, "tiny-qwen3");
    hub.faults.cuts = [0, 0, 0]; // the small files: one each, then again
    await fetchFromHub("pare/tiny-qwen3", { ...AT_ONCE, revision: "main" });
    hub.put("models/pare/again", "config.json", "{}");
    hub.put("models/pare/again", "model.safetensors", files.get("model.safetensors") as Uint8Array<ArrayBuffer>);
    hub.seen.length = 0;
    hub.faults.cuts = [2, 100_000, 50_000, 1, 1, 1, 1];
    const directory = await fetchFromHub("pare/again", AT_ONCE);
    assertEquals(await Deno.readFile(`${directory}/model.safetensors`), files.get("model.safetensors"));
    const ranges = hub.downloads().filter((download) => download.startsWith("cdn")).map((line) => line.split(" ")[2]);
    assertEquals(ranges, [
      "whole",
      ...[0, 50_000, 50_001, 50_002, 50_003, 50_004].map((more) => `bytes=${100_000 + more}-`),
    ]);
  }));

Deno.test("a download that was ended goes on in the next run", () =>
  withHub(async (hub, home) => {
    const files = await publish(hub, "tiny-llama3");
    const weights = files.get("model.safetensors")!;
    const digest = hub.put("models/pare/tiny-llama3", "model.safetensors", weights as Uint8Array<ArrayBuffer>).digest;
    const blobs = `${folder(home, "tiny-llama3")}/blobs`;
    await Deno.mkdir(blobs, { recursive: true });
    await Deno.writeFile(`${blobs}/${digest}.incomplete`, weights.subarray(0, 123_456));
    let first: number | undefined;
    const directory = await fetchFromHub("pare/tiny-llama3", {
      onProgress: ({ file, received }) => file === "model.safetensors" && (first ??= received),
    });
    assertEquals(first, 123_456);
    assertEquals(await Deno.readFile(`${directory}/model.safetensors`), weights);
    assert(hub.downloads().includes(`cdn ${digest} bytes=123456-`));
  }));

Deno.test("a link that somebody has put into the cache is neither written through nor taken for a file of the Hub's", () =>
  withHub(async (hub, home) => {
    const weights = (await publish(hub, "tiny-llama3")).get("model.safetensors")!;
    const { digest } = hub.put("models/pare/tiny-llama3", "model.safetensors", weights as Uint8Array<ArrayBuffer>);
    const cache = folder(home, "tiny-llama3"), secret = `${home}/secret`, snapshot = `${cache}/snapshots/${COMMIT}`;
    Deno.writeTextFileSync(secret, "precious");
    for (const planted of ["incomplete", "blob", "refs", "lock", "snapshot"] as const) {
      const path = {
        incomplete: `${cache}/blobs/${digest}.incomplete`,
        blob: `${cache}/blobs/${digest}`,
        refs: `${cache}/refs/main`,
        lock: `${home}/hub/.locks/models--pare--tiny-llama3/${digest}.lock`,
        snapshot: `${snapshot}/model.safetensors`,
      }[planted];
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.symlink(secret, path);
      assertEquals(await fetchFromHub("pare/tiny-llama3"), snapshot, planted);
      assertEquals(await Deno.readFile(`${snapshot}/model.safetensors`), weights, planted);
      assertEquals(await Deno.readTextFile(secret), "precious", planted);
      await Deno.remove(`${home}/hub`, { recursive: true });
    }
  }));

Deno.test("what an earlier run left is dropped if it is too long, and checked if it is whole", () =>
  withHub(async (hub, home) => {
    for (const [left, downloads] of [["0123456789+", 1], ["0123456789", 0]] as const) {
      const { digest } = hub.put("models/pare/small", "model.safetensors", "0123456789");
      hub.put("models/pare/small", "config.json", "{}");
      const blobs = `${folder(home, "small")}/blobs`;
      await Deno.mkdir(blobs, { recursive: true });
      await Deno.writeTextFile(`${blobs}/${digest}.incomplete`, left);
      hub.seen.length = 0;
      const directory = await fetchFromHub("pare/small");
      assertEquals(await Deno.readTextFile(`${directory}/model.safetensors`), "0123456789");
      assertEquals(hub.downloads().filter((line) => line.startsWith("cdn")).length, downloads);
      await Deno.remove(folder(home, "small"), { recursive: true });
    }
  }));

Deno.test("a server without ranges is asked for all of it again", () =>
  withHub(async (hub) => {
    const files = await publish(hub, "tiny-llama3");
    hub.put("models/pare/tiny-llama3", "README.md", "");
    hub.faults.noRanges = true;
    hub.faults.cuts = [700, 2, 200_000]; // config.json passes; the licence and the weights are cut
    const directory = await fetchFromHub("pare/tiny-llama3", AT_ONCE);
    for (const [name, bytes] of files) assertEquals(await Deno.readFile(`${directory}/${name}`), bytes);
  }));

Deno.test("a connection that goes silent counts as cut", () =>
  withHub(async (hub) => {
    const files = await publish(hub, "tiny-llama3");
    Deno.env.set("HF_HUB_DOWNLOAD_TIMEOUT", "0.3");
    hub.faults.stalls = [10, 1];
    const directory = await fetchFromHub("pare/tiny-llama3", AT_ONCE);
    for (const [name, bytes] of files) assertEquals(await Deno.readFile(`${directory}/${name}`), bytes);
    assert(hub.downloads().includes("hub config.json bytes=10-"));
  }));

Deno.test("bytes with the wrong checksum are an error and do not stay", () =>
  withHub(async (hub, home) => {
    for (const [path, digits] of [["config.json", 40], ["model.safetensors", 64]] as const) {
      const name = `damaged-${digits}`;
      hub.put(`models/pare/${name}`, "config.json", "{}");
      hub.put(`models/pare/${name}`, "model.safetensors", "0123456789");
      const file = hub.put(`models/pare/${name}`, path, "damaged on the way");
      file.digest = "0".repeat(digits);
      await assertRejects(
        () => fetchFromHub(`pare/${name}`),
        PareError,
        `pare/${name}/${path}: wrong checksum: expected ${"0".repeat(digits)}, found `,
      );
      assertEquals((await tree(folder(home, name))).filter((path) => path.includes("0".repeat(digits))), []);
      assertEquals((await tree(folder(home, name))).includes("refs/main"), false);
    }
  }));

Deno.test("a server that stumbles is asked again, one that stays down is an error", () =>
  withHub(async (hub) => {
    await publish(hub, "tiny-llama3");
    hub.faults.unavailable = 2;
    await fetchFromHub("pare/tiny-llama3", AT_ONCE);
    hub.faults.unavailable = Infinity;
    await assertRejects(
      () => fetchFromHub("pare/tiny-qwen2", AT_ONCE),
      PareError,
      `the Hub at ${hub.endpoint} answered 503 Service Unavailable for model pare/tiny-qwen2`,
    );
  }));

Deno.test("what the Hub refuses is said as it is", () =>
  withHub(async (hub) => {
    const fetched = () => fetchFromHub("pare/refused");
    const { endpoint } = hub;
    await assertRejects(fetched, PareError, `the Hub at ${endpoint} has no model pare/refused`);
    const refuse = (status: number, code?: string) => {
      hub.faults.refusal = { status, headers: code ? { "X-Error-Code": code } : {} };
    };
    refuse(401, "RepoNotFound");
    await assertRejects(
      fetched,
      PareError,
      `shows no model pare/refused (401): if it is private or gated, set HF_TOKEN`,
    );
    refuse(403, "GatedRepo");
    await assertRejects(
      fetched,
      PareError,
      `model pare/refused is gated (403): accept its terms at ${endpoint}/pare/refused and set HF_TOKEN`,
    );
    Deno.env.set("HF_TOKEN", "hf_wrong");
    refuse(401);
    await assertRejects(fetched, PareError, "(401): the token in use (HF_TOKEN) does not open it");
    refuse(418);
    await assertRejects(fetched, PareError, "answered 418");
    delete hub.faults.refusal;
    hub.put("models/pare/refused", "config.json", "{}");
    await assertRejects(() => fetchFromHub("pare/refused", { revision: "v2" }), PareError, "has no such revision");
    hub.put("models/pare/refused", "pytorch_model.bin", "pickled");
    await assertRejects(
      fetched,
      PareError,
      'model pare/refused on the Hub has no model.safetensors (it has "pytorch_model.bin")',
    );
    hub.put("models/pare/gguf", "model.Q4_0.gguf", "GGUF");
    await assertRejects(() => fetchFromHub("pare/gguf"), PareError, "fetch its GGUF file and give that");
    hub.put("models/pare/weights", "model.safetensors", "0");
    await assertRejects(
      () => fetchFromHub("pare/weights"),
      PareError,
      "model pare/weights on the Hub has no config.json",
    );
  }));

Deno.test("a Hub out of reach is an error that says what to do instead", () =>
  withHub(async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.close();
    const closed = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const error = await assertRejects(() => fetchFromHub("pare/model", { ...AT_ONCE, endpoint: closed }), PareError);
    assertMatch(
      (error as PareError).message,
      /^cannot reach the Hub at http:\/\/127.0.0.1:\d+ for model pare\/model \(.*refused.*\); without a network, give the directory of a model on this machine$/,
    );
    await assertRejects(
      () => fetchFromHub("pare/model", { endpoint: "hub" }),
      PareError,
      "HF_ENDPOINT: expected an address",
    );
  }));

Deno.test("what answers, but not as the Hub does, is an error", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("<html>Log in</html>"),
  );
  await withHub(async () => {
    const endpoint = `http://127.0.0.1:${server.addr.port}`;
    await assertRejects(
      () => fetchFromHub("pare/model", { endpoint }),
      PareError,
      `${endpoint} does not answer as the Hub does`,
    );
  });
});

Deno.test("names that would lead out of the cache are refused, from users and from servers", () =>
  withHub(async (hub, home) => {
    for (
      const id of ["model", "a/b/c", "../model", "a/..", "a/b--c", "-a/b", "a/b ", "a/b\n", "", `a/${"b".repeat(97)}`]
    ) {
      assertEquals(isHubId(id), false);
      await assertRejects(() => fetchFromHub(id), PareError, "is no id of a model on the Hub; expected owner/name");
    }
    for (const id of ["HuggingFaceTB/SmolLM2-135M-Instruct", "a/b", "TinyLlama/TinyLlama_v1.1"]) {
      assertEquals(isHubId(id), true);
    }
    for (const revision of ["../main", "a//b", "", "/etc", "a/../../b"]) {
      await assertRejects(() => fetchFromHub("pare/model", { revision }), PareError, "is no revision");
    }
    hub.put("models/pare/evil", "config.json", "{}");
    hub.put("models/pare/evil", "../../../evil.json", "{}");
    hub.put("models/pare/evil", "README../../../../evil", "{}");
    hub.put(
      "models/pare/evil",
      "model.safetensors.index.json",
      '{"weight_map": {"a": "../../../../evil.safetensors"}}',
    );
    hub.put("models/pare/evil", "../../../../evil.safetensors", "evil");
    await assertRejects(() => fetchFromHub("pare/evil"), PareError, "expected names of shards under weight_map");
    hub.put("models/pare/odd", "model.safetensors", "0");
    hub.put("models/pare/odd", "config.json", "{}").digest = "../../../../evil";
    await assertRejects(() => fetchFromHub("pare/odd"), PareError, "without a size and checksum that can be used");
    assertEquals((await tree(home)).filter((path) => path.includes("evil") && !path.includes("pare--evil")), []);
  }));

Deno.test("two that fetch the same model at once download it once", () =>
  withHub(async (hub) => {
    await publish(hub, "tiny-llama3");
    const [one, other] = await Promise.all([fetchFromHub("pare/tiny-llama3"), fetchFromHub("pare/tiny-llama3")]);
    assertEquals(one, other);
    assertEquals(hub.downloads().filter((line) => line.startsWith("cdn")).length, 1);
  }));
