/** The stream of a run's events: complete, in order, gone on with where it was cut, and over when the run is. */
import { assertEquals, assertGreater } from "@std/assert";
import { Registry } from "../../src/run/registry.ts";
import { linear } from "../run/runs.ts";
import { ask, NAMES, openFixture } from "./fixture.ts";

/** One event. */
interface Heard {
  readonly id?: number;
  readonly event: string;
  readonly data: unknown;
}

/** Reads events until `count` have come or the stream ends; then it is cut. */
async function listen(response: Response, count = Infinity): Promise<Heard[]> {
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const heard: Heard[] = [];
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = Object.fromEntries(text.slice(0, end).split("\n").map((line) => line.split(/: (.*)/s)));
      heard.push({ event: fields.event, data: JSON.parse(fields.data), ...fields.id && { id: Number(fields.id) } });
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
  const heard = listen(await ask(app, `/api/runs/${live}/events`));
  await new Promise((resolve) => setTimeout(resolve, 50));
  registry.linear(live, linear(NAMES[0]));
  await new Promise((resolve) => setTimeout(resolve, 50));
  registry.fail(live, "failed", "no more");
  const ids = (await heard).map(({ id }) => id!);
  assertEquals((await heard).at(-1), { id: ids.at(-1), event: "status", data: { status: "failed", error: "no more" } });
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

Deno.test("a Last-Event-ID that no event has is a 400 problem that names it", async () => {
  await using fixture = await openFixture();
  const response = await ask(fixture.app, `/api/runs/${fixture.ids[0]}/events`, { "last-event-id": "yesterday" });
  assertEquals([response.status, (await response.json()).errors[0].field], [400, "last-event-id"]);
});
