/** A Hub that is slow, endless, too large or asks to be left alone: a run goes on as long as there is progress, and no longer. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fetchDatasetFile, fetchFromHub, type HubOptions } from "../../src/checkpoint/hub.ts";
import { retryAfter } from "../../src/checkpoint/hub/retry_after.ts";
import { PareError } from "../../src/errors.ts";
import { type FakeHub, tree, withHub } from "./fake_hub.ts";

/** Milliseconds without progress, in the tests that wait for them. */
const SILENCE = 200;

/** Waits that take no time, and what they were. */
function impatient(): { readonly waits: number[]; readonly wait: HubOptions["wait"] } {
  const waits: number[] = [];
  const wait = (milliseconds: number) => {
    waits.push(milliseconds);
    return Promise.resolve();
  };
  return { waits, wait };
}

/** A model of a few bytes: enough to be fetched. */
function putSmall(hub: FakeHub) {
  return {
    config: hub.put("models/pare/small", "config.json", "{}".padEnd(1000)),
    weights: hub.put("models/pare/small", "model.safetensors", "0".repeat(1000)),
  };
}

Deno.test("a server that gives a byte now and then is left, with one line", () =>
  withHub(async (hub) => {
    putSmall(hub);
    hub.faults.trickle = SILENCE / 2;
    const options = { silence: SILENCE, wait: impatient().wait };
    const asked = await assertRejects(() => fetchFromHub("pare/small", options), PareError);
    assertMatch(asked.message, /^cannot reach the Hub at .*\((no more than \d bytes|nothing) came in 0.2 s\)/);
    // The list comes, its files do not.
    hub.faults.trickle = undefined;
    const arrived: number[] = [];
    const onProgress: HubOptions["onProgress"] = ({ received }) => {
      hub.faults.trickle = SILENCE / 2;
      arrived.push(received);
    };
    const broken = await assertRejects(() => fetchFromHub("pare/small", { ...options, onProgress }), PareError);
    assertMatch(
      broken.message,
      /^pare\/small\/config.json: the download broke off after \d+ of 1000 bytes \(.* came in 0.2 s\); run again to go on$/,
    );
    assert(arrived.length > 1); // what did come is kept
  }));

Deno.test("an answer that does not end is left when it is longer than any of the Hub's", () =>
  withHub(async (hub) => {
    putSmall(hub);
    hub.faults.endless = true;
    await assertRejects(
      () => fetchFromHub("pare/small"),
      PareError,
      `${hub.endpoint} does not answer as the Hub does (more than `,
    );
  }));

Deno.test("a list of files that does not end is left after a hundred pages", () =>
  withHub(async (hub) => {
    putSmall(hub);
    hub.faults.endlessPages = true;
    await assertRejects(
      () => fetchFromHub("pare/small"),
      PareError,
      `${hub.endpoint} lists the files of pare/small on more than 100 pages`,
    );
    assertEquals(hub.seen.filter(({ path }) => path.includes("/tree/")).length, 100);
  }));

Deno.test("a side file of a size that none has is refused before a byte of it is asked for", () =>
  withHub(async (hub, home) => {
    const { config } = putSmall(hub);
    config.size = 2 ** 50;
    await assertRejects(
      () => fetchFromHub("pare/small"),
      PareError,
      "model pare/small on the Hub: config.json has 1125899906842624 bytes; expected 134217728 or fewer",
    );
    config.size = config.bytes.length;
    for (let i = 0; i < 101; i++) hub.put("models/pare/small", `README-${i}`, "");
    await assertRejects(() => fetchFromHub("pare/small"), PareError, "102 files beside its weights; at most 100");
    assertEquals([hub.downloads(), await tree(home)], [[], []]);
  }));

Deno.test("what the disk has no room for is refused before a byte of it is written", () =>
  withHub(async (hub, home) => {
    const { weights } = putSmall(hub);
    weights.size = 2 ** 50;
    const lines = /^1073741824 MiB are to be fetched into .*: the disk has \d+ MiB free$/;
    assertMatch((await assertRejects(() => fetchFromHub("pare/small"), PareError)).message, lines);
    hub.put("datasets/pare/text", "all.txt", "text", true).size = 2 ** 50;
    assertMatch((await assertRejects(() => fetchDatasetFile("pare/text", "all.txt"), PareError)).message, lines);
    assertEquals((await tree(home)).filter((path) => path.includes(weights.digest)), []);
    // Of what an earlier run fetched the rest is all that needs room.
    weights.size = weights.bytes.length;
    await fetchFromHub("pare/small");
  }));

Deno.test("a server without ranges that cuts every answer at the same place is left", () =>
  withHub(async (hub) => {
    putSmall(hub);
    hub.faults.noRanges = true;
    hub.faults.cuts = Array(100).fill(900);
    const { wait } = impatient();
    await assertRejects(() => fetchFromHub("pare/small", { wait }), PareError, "broke off after 900 of 1000 bytes");
    assert(hub.downloads().length < 10, `${hub.downloads().length} downloads`);
  }));

Deno.test("who asks too often waits as long as the server says, and not where that is too long", () =>
  withHub(async (hub) => {
    putSmall(hub);
    const { waits, wait } = impatient();
    hub.faults.busy = { status: 429, headers: { "Retry-After": "7" } };
    hub.faults.unavailable = 2;
    await fetchFromHub("pare/small", { wait });
    assertEquals(waits, [7000, 7000]);

    hub.faults.busy = { status: 503, headers: { "Retry-After": "3600" } };
    hub.faults.unavailable = Infinity;
    await assertRejects(
      () => fetchFromHub("pare/other", { wait }),
      PareError,
      "answered 503 Service Unavailable for model pare/other, and asks to wait for 3600 s; try again then",
    );
    assertEquals(waits.length, 2);
  }));

Deno.test("Retry-After is seconds, or a date by the server's own clock", () => {
  const wait = (value: string, date?: string) =>
    retryAfter(new Headers({ "Retry-After": value, ...date !== undefined && { Date: date } }));
  const noon = "Sun, 06 Nov 1994 12:00:00 GMT";
  for (
    const [value, milliseconds] of [
      ["0", 0],
      ["120", 120_000],
      ["Sun, 06 Nov 1994 12:00:30 GMT", 30_000],
      ["Sunday, 06-Nov-94 12:00:30 GMT", 30_000],
      ["Sun Nov  6 12:00:30 1994", 30_000],
      ["Sun, 06 Nov 1994 11:00:00 GMT", 0],
      ["-5", 0],
      ["1.5", 0],
      ["soon", 0],
      ["", 0],
    ] as const
  ) assertEquals(wait(value, noon), milliseconds, value);
  assertEquals(retryAfter(new Headers()), 0);
  assert(wait(new Date(Date.now() + 60_000).toUTCString()) > 50_000); // without a Date this machine's clock counts
});
