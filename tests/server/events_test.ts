/** The stream of a run's events: complete, in order, gone on with where it was cut, and over when the run is. */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { Registry } from "../../src/run/registry.ts";
import { createApp } from "../../src/server/app.ts";
import { linear, manifest } from "../run/runs.ts";
import { ask, NAMES, openFixture } from "./fixture.ts";

/** One event. */
interface Heard {
  readonly id?: number;
  readonly event: string;
  readonly data: unknown;
}

/** Reads events until `count` have come or the stream ends; then it is cut. */
async function listen(response: Response, count = Infinity, on: (heard: Heard) => void = () => {}): Promise<Heard[]> {
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const heard: Heard[] = [];
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = Object.fromEntries(text.slice(0, end).split("\n").map((line) => line.split(/: (.*)/s)));
      heard.push({ event: fields.event, data: JSON.parse(fields.data), ...fields.id && { id: Number(fields.id) } });
      on(heard.at(-1)!);
      if (heard.length === count) return heard;
    }
  }
  return heard;
}

Deno.test("a run that has ended tells everything once and closes", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [finished] } = fixture;
  const heard = await listen(await ask(app, `/api/runs/${finished}/events`));
  const log = registry.events(finished).map(({ id, kind, data }) => ({ id, event: kind, data }));
  assertEquals(heard, JSON.parse(JSON.stringify(log)));
});

Deno.test("who was cut off and names the last event gets all that follow and none twice", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [, , live] } = fixture;
  const address = `/api/runs/${live}/events`;
  const before = await listen(await ask(app, address), 2);
  assertEquals(before.map(({ event }) => event), ["status", "progress"]);
  for (const name of NAMES) registry.linear(live, linear(name));
  const after = listen(await ask(app, address, { "last-event-id": String(before.at(-1)!.id) }));
  registry.finish(live, { phases: {} });
  assertEquals((await after).map(({ event }) => event), ["linear", "linear", "status"]);
});

Deno.test("what is written while a client listens reaches it", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [, , live] } = fixture;
  // Each is written when the one before has been heard.
  const writes: Record<string, () => void> = {
    progress: () => registry.linear(live, linear(NAMES[0])),
    linear: () => registry.fail(live, "failed", "no more"),
  };
  const heard = await listen(await ask(app, `/api/runs/${live}/events`), Infinity, ({ event }) => writes[event]?.());
  const ids = heard.map(({ id }) => id!);
  assertEquals(heard.map(({ event }) => event), ["status", "progress", "linear", "status"]);
  assertEquals(heard.at(-1), { id: ids.at(-1), event: "status", data: { status: "failed", error: "no more" } });
  ids.slice(1).forEach((id, at) => assertGreater(id, ids[at]));
});

Deno.test("who has the last event of a run that has ended is told to come no more", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [finished] } = fixture;
  const last = String(registry.newestEvent(finished));
  assertEquals((await ask(app, `/api/runs/${finished}/events`, { "last-event-id": last })).status, 204);
});

Deno.test("a run whose process died reads as interrupted, although its log does not say so", async () => {
  await using fixture = await openFixture();
  const { path, ids: [, , live] } = fixture;
  // A clock that is a day ahead sees a day of silence.
  const tomorrow = () => Date.now() + 86_400_000;
  using reader = Registry.open(path, { mode: "read", now: tomorrow });
  await using other = await openFixture({ source: reader });
  const heard = await listen(await ask(other.app, `/api/runs/${live}/events`));
  assertEquals(heard.at(-1), { event: "status", data: { status: "interrupted" } });
});

Deno.test("however many listen, the log is looked at as for one, and read once for all", async () => {
  await using fixture = await openFixture();
  const { path, ids: [, , live], registry } = fixture;
  using reader = Registry.open(path, { mode: "read" });
  const asked = { newestEvent: 0, events: 0, get: 0 };
  const source = new Proxy(reader, {
    get(target, name: keyof typeof asked) {
      if (name in asked) asked[name]++;
      return target[name].bind(target);
    },
  });
  const app = createApp({ source, version: "0.1.0", look: 5 });
  const responses = await Promise.all(Array.from({ length: 200 }, () => ask(app, `/api/runs/${live}/events`)));
  const heard = responses.map((response) => listen(response));
  const looks = asked.newestEvent + 5;
  while (asked.newestEvent < looks) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const before = { ...asked };
  registry.finish(live, { phases: {} });
  const all = await Promise.all(heard);
  for (const each of all) assertEquals(each, all[0]);
  assertEquals(all[0].at(-1)?.data, { status: "finished" });
  assertLess(before.events, 3); // one for all that came with nothing seen
  assertLess(asked.events - before.events, 3);
  assertLess(asked.get - before.get, 3);
});

Deno.test("more streams than there is room for are 503 with when to ask again, until one ends", async () => {
  await using fixture = await openFixture({ streams: 2 });
  const { app, ids: [finished, , live] } = fixture, address = `/api/runs/${live}/events`;
  const open = [await ask(app, address), await ask(app, address)];
  const refused = await ask(app, address);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  assertEquals((await refused.json()).title, "Service Unavailable");
  assertEquals((await ask(app, `/api/runs/${finished}`)).status, 200);
  await listen(open[0], 1); // and goes away
  let again = await ask(app, address);
  while (again.status !== 200) {
    await again.body?.cancel();
    again = await ask(app, address);
  }
  for (const { body } of [open[1], again]) await body!.cancel();
});

Deno.test("who listens to a run that is removed is told that there is none, and others hear on", async () => {
  await using fixture = await openFixture();
  const { app, path, registry, ids: [, , live] } = fixture;
  const other = registry.begin(manifest({ planId: "00000000000000ee" }));
  const heard = listen(await ask(app, `/api/runs/${other}/events`), 2);
  const alive = listen(await ask(app, `/api/runs/${live}/events`));
  using later = Registry.open(path, { mode: "write", now: () => Date.now() + 86_400_000 }); // for it, the run is dead
  later.remove(other);
  const { event, data } = (await heard).at(-1)!;
  assertEquals([event, (data as { detail: string }).detail], ["problem", `there is no run "${other}"`]);
  registry.finish(live, { phases: {} });
  assertEquals((await alive).at(-1)?.data, { status: "finished" });
});

Deno.test("a Last-Event-ID that no event has is a 400 problem that names it", async () => {
  await using fixture = await openFixture();
  const response = await ask(fixture.app, `/api/runs/${fixture.ids[0]}/events`, { "last-event-id": "yesterday" });
  assertEquals([response.status, (await response.json()).errors[0].field], [400, "last-event-id"]);
});
