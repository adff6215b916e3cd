/** What the routes answer, against the registry that they read and, by another validator (Ajv), against `/openapi.json`. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pair, pairGroup } from "../../src/run/paired.ts";
import type { BenchmarkRow } from "../../src/server/benchmarks.ts";
import { curve, linear, manifest, task } from "../run/runs.ts";
import { ask, GROUP, NAMES, openFixture } from "./fixture.ts";

Deno.test("every JSON answer is what /openapi.json says", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [finished, failed, live] } = fixture;
  const answered = registry.begin(manifest({ planId: "00000000000000ee" }));
  for (const { record, documents } of [task("boolq", [0, 1, 0]), task("rte", [1, 1])]) {
    registry.task(answered, record, documents);
  }
  for (const point of curve(3)) registry.curve(answered, point);
  registry.curve(answered, { kind: "block", block: 0, before: 0.25, after: 0.25, undone: true, seconds: 1 });
  const document = await (await ask(app, "/openapi.json")).json();
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, "api");
  const layer = `/api/runs/${finished}/layers/${NAMES[0]}`;
  const cases = [
    ["/api/runs", "/api/runs"],
    ["/api/runs/{id}", `/api/runs/${finished}`],
    ["/api/runs/{id}", `/api/runs/${failed}`],
    ["/api/runs/{id}", `/api/runs/${live}`],
    ["/api/runs/{id}", "/api/runs/unknown"],
    ["/api/runs/{id}/manifest", `/api/runs/${finished}/manifest`],
    ["/api/runs/{id}/layers", `/api/runs/${finished}/layers`],
    ["/api/runs/{id}/layers", `/api/runs/${live}/layers`],
    ["/api/runs/{id}/curve", `/api/runs/${answered}/curve`],
    ["/api/runs/{id}/curve", `/api/runs/${finished}/curve`],
    ["/api/runs/{id}/layers/{name}", layer],
    ["/api/runs/{id}/layers/{name}/{plot}", `${layer}/scores`],
    ["/api/runs/{id}/layers/{name}/{plot}", `${layer}/density.json`],
    ["/api/compare", `/api/compare?runs=${finished},${failed}`],
    ["/api/compare", `/api/compare?runs=${finished},${answered}`],
    ["/api/runs/{id}/tasks/{name}", `/api/runs/${finished}/tasks/boolq`],
    ["/api/runs", "/api/runs?limit=none"],
  ];
  for (const [route, path] of cases) {
    const response = await ask(app, path), body = await response.json();
    const type = response.headers.get("content-type")!.replaceAll("/", "~1");
    const pointer = `/paths/${route.replaceAll("/", "~1")}/get/responses/${response.status}/content/${type}/schema`;
    const validate = ajv.getSchema(`api#${encodeURI(pointer)}`)!;
    assert(validate(body), `${path}: ${ajv.errorsText(validate.errors)}`);
  }
});

Deno.test("a run, its manifest and its linears are those of the registry", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [finished] } = fixture;
  const json = async (path: string) => await (await ask(app, path)).json();
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  assertEquals(await json(`/api/runs/${finished}`), plain(registry.get(finished)));
  assertEquals(await json(`/api/runs/${finished}/manifest`), plain(registry.get(finished)!.manifest));
  assertEquals(await json(`/api/runs/${finished}/layers`), { layers: plain(registry.layers(finished)) });
  assertEquals(await json(`/api/runs/${finished}/layers/${NAMES[1]}`), plain(linear(NAMES[1])));
  assertEquals(await json(`/api/runs/${finished}/layers/${NAMES[1]}/magnitudes`), linear(NAMES[1]).magnitudes);
});

Deno.test("runs are filtered by model, method, pattern, status, name and tag", async () => {
  await using fixture = await openFixture();
  const [finished, failed, live] = fixture.ids;
  const ids = async (query: string) =>
    (await (await ask(fixture.app, `/api/runs?${query}`)).json()).runs.map(({ id }: { id: string }) => id);
  assertEquals(await ids(""), [live, failed, finished]);
  assertEquals(await ids("model=other"), [live]);
  assertEquals(await ids("method=magnitude"), [failed]);
  assertEquals(await ids("pattern=2:4"), [failed]);
  assertEquals(await ids("pattern=unstructured"), [live, finished]);
  assertEquals(await ids("status=finished"), [finished]);
  assertEquals(await ids("status=finished&model=other"), []);
  assertEquals(await ids("name=first%20try"), [finished]);
  assertEquals(await ids("tag=paper"), [finished]);
  assertEquals(await ids("tag=pap"), []);
});

Deno.test("pages of one run each, followed by their cursors, are all runs once", async () => {
  await using fixture = await openFixture();
  const found: string[] = [];
  for (let query = "limit=1"; query;) {
    const { runs, next } = await (await ask(fixture.app, `/api/runs?${query}`)).json();
    found.push(...runs.map(({ id }: { id: string }) => id));
    query = next ? `limit=1&cursor=${next}` : "";
  }
  assertEquals(found, fixture.ids.toReversed());
});

Deno.test("what is written of a live run is in the next answer", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [, , live] } = fixture;
  const count = async () => (await (await ask(app, `/api/runs/${live}/layers`)).json()).layers.length;
  assertEquals(await count(), 0);
  registry.linear(live, linear(NAMES[0]));
  assertEquals(await count(), 1);
});

Deno.test("two runs are compared linear by linear, those that only one has too", async () => {
  await using fixture = await openFixture();
  const [finished, failed] = fixture.ids;
  const { comparison, layers } = await (await ask(fixture.app, `/api/compare?runs=${finished},${failed}`)).json();
  assertEquals(comparison.first, { name: NAMES[0], what: "mask" });
  assertEquals(layers, [
    { name: NAMES[0], sparsity: [0.5, 0.5], outputError: [0.0123, 0.0123], sameMask: false, sameWeight: true },
    { name: NAMES[1], sparsity: [0.5, null], outputError: [0.0123, null], sameMask: null, sameWeight: null },
  ]);
});

Deno.test("several runs are compared: a linear is the same if it is in all of them", async () => {
  await using fixture = await openFixture();
  const [finished, failed, live] = fixture.ids, runs = [finished, finished, failed, live].join();
  const { comparison, layers } = await (await ask(fixture.app, `/api/compare?runs=${runs}`)).json();
  assertEquals(comparison, {
    identical: false,
    linears: 0,
    sameMasks: 0,
    sameWeights: 0,
    first: { name: NAMES[0], what: "missing" },
  });
  assertEquals(layers[0].sparsity, [0.5, 0.5, 0.5, null]);
  const same = await (await ask(fixture.app, `/api/compare?runs=${[finished, finished, finished].join()}`)).json();
  assertEquals(same.comparison, { identical: true, linears: 2, sameMasks: 2, sameWeights: 2 });
});

Deno.test("runs that have no linears are not identical: there is nothing that could be", async () => {
  await using fixture = await openFixture();
  const live = fixture.ids[2], evaluation = fixture.registry.begin(manifest({ planId: "00000000000000ff" }));
  const { comparison } = await (await ask(fixture.app, `/api/compare?runs=${live},${evaluation}`)).json();
  assertEquals(comparison, { identical: false, linears: 0, sameMasks: 0, sameWeights: 0 });
});

Deno.test("benchmarks are compared document by document, a group by its tasks, and nothing that was asked otherwise", async () => {
  await using fixture = await openFixture();
  const { app, registry, ids: [finished] } = fixture;
  const [boolq, rte] = [task("boolq", [1, 0, 0, 0, 1]), task("rte", [0, 1, 1])];
  const other = registry.begin(manifest({ planId: "00000000000000dd" }));
  for (const { record, documents } of [boolq, rte]) registry.task(other, record, documents);
  registry.task(other, GROUP);
  registry.task(other, { ...boolq.record, shots: 5 }, boolq.documents);
  registry.task(other, { ...rte.record, longest: 64 }, rte.documents);
  const { benchmarks } = await (await ask(app, `/api/compare?runs=${finished},${other}`)).json();
  const shown = (benchmarks as BenchmarkRow[]).filter(({ metric }) => metric === "acc")
    .map((
      { name, shots, longest, figures, toFirst },
    ) => [name, longest ?? shots, figures.map((each) => each?.documents ?? null), toFirst]);
  // The fixture's run has 1 1 0 1 of boolq and 0 0 1 of rte: of five documents four are in both.
  const [one, two] = [pair([1, 1, 0, 1], [1, 0, 0, 0]), pair([0, 0, 1], [0, 1, 1])];
  assertEquals([one.won, one.lost, two.won, two.lost], [0, 2, 1, 0]);
  assertEquals(shown, [
    ["boolq", 0, [4, 5], [null, one]],
    ["rte", 0, [3, 3], [null, two]],
    ["both", 0, [7, 7], [null, pairGroup([one, two], "task")]],
    ["boolq", 5, [null, 5], [null, null]],
    ["rte", 64, [null, 3], [null, null]],
  ]);
  const { tasks: [answered] } = await (await ask(app, `/api/runs/${finished}/tasks/boolq`)).json();
  assertEquals([answered.name, answered.answered.map(({ scores }: { scores: unknown }) => scores)], [
    "boolq",
    [1, 1, 0, 1].map((acc) => ({ acc, acc_norm: 0 })),
  ]);
});

Deno.test("a plot is a picture by its extension or by Accept", async () => {
  await using fixture = await openFixture();
  const layer = `/api/runs/${fixture.ids[0]}/layers/${NAMES[0]}`;
  for (const plot of ["scores", "magnitudes", "density"]) {
    for (const [extension, type] of [["png", "image/png"], ["svg", "image/svg+xml"], ["json", "application/json"]]) {
      const byExtension = await ask(fixture.app, `${layer}/${plot}.${extension}`);
      const byAccept = await ask(fixture.app, `${layer}/${plot}`, { accept: type });
      assertEquals(byExtension.headers.get("content-type"), type);
      assertEquals(byAccept.headers.get("content-type"), type);
      assertEquals(await byExtension.bytes(), await byAccept.bytes());
    }
  }
  // The signature and the first chunk of a PNG (its specification, 5.2 and 11.2.1): 64 cells of 6 pixels each way.
  const png = new DataView((await (await ask(fixture.app, `${layer}/density.png`)).bytes()).buffer);
  assertEquals(png.getBigUint64(0), 0x89504e470d0a1a0an);
  assertEquals([png.getUint32(16), png.getUint32(20)], [384, 384]);
  const svg = await (await ask(fixture.app, `${layer}/scores.svg`)).text();
  assertStringIncludes(svg, "threshold 2.5");
  for (const [plot, words] of [["scores", "score"], ["magnitudes", "|weight|"], ["density", "inputs →"]]) {
    const text = await (await ask(fixture.app, `${layer}/${plot}.svg`)).text();
    assertEquals([...text.matchAll(/<text[^>]*>([^<]*[^<\d.][^<]*)</g)].map(([, word]) => word), [
      words,
      plot === "density" ? "← outputs" : "weights",
    ]);
  }
});

Deno.test("unknown runs, linears, plots and addresses are 404 problems", async () => {
  await using fixture = await openFixture();
  const [finished, failed] = fixture.ids;
  for (
    const path of [
      "/api/runs/unknown",
      "/api/runs/unknown/layers",
      "/api/runs/unknown/curve",
      "/api/runs/unknown/manifest",
      "/api/runs/unknown/events",
      `/api/runs/${finished}/layers/unknown`,
      `/api/runs/${finished}/layers/${NAMES[0]}/unknown`,
      `/api/runs/${failed}/layers/${NAMES[0]}/scores`,
      `/api/runs/${finished}/tasks/unknown`,
      `/api/compare?runs=${finished},unknown`,
      "/unknown",
    ]
  ) {
    const response = await ask(fixture.app, path);
    assertEquals([response.status, response.headers.get("content-type")], [404, "application/problem+json"], path);
    const { type, title, status, detail } = await response.json();
    assertEquals([type, title, status], ["about:blank", "Not Found", 404]);
    assert(detail.length > 10);
  }
});

Deno.test("wrong query values are 400 problems that name the field", async () => {
  await using fixture = await openFixture();
  for (
    const [path, field] of [
      ["/api/runs?status=done", "status"],
      ["/api/runs?status=failed&status=running", "status"],
      ["/api/runs?limit=0", "limit"],
      ["/api/runs?limit=1.5", "limit"],
      ["/api/runs?limit=", "limit"],
      ["/api/runs?cursor=-1", "cursor"],
      ["/api/runs?modell=tiny", "modell"],
      [`/api/runs/${fixture.ids[0]}?verbose=1`, "verbose"],
      ["/api/compare", "runs"],
      ["/api/compare?runs=one", "runs"],
      ["/api/compare?runs=one,,two", "runs"],
      ["/api/compare?runs=1,2,3,4,5,6,7,8,9", "runs"],
    ]
  ) {
    const response = await ask(fixture.app, path);
    assertEquals(response.status, 400, path);
    const { errors } = await response.json();
    assertEquals(errors.map((error: { field: string }) => error.field), [field], path);
  }
});

Deno.test("a registry that breaks while it is read is a 503 problem in the registry's words", async () => {
  await using fixture = await openFixture();
  using database = new (await import("node:sqlite")).DatabaseSync(fixture.path);
  database.exec("UPDATE runs SET phases = 'torn'");
  const response = await ask(fixture.app, `/api/runs/${fixture.ids[0]}`);
  assertEquals(response.status, 503);
  assertStringIncludes((await response.json()).detail, "damaged");
});

Deno.test("health, metrics and the docs page are there, and the docs page asks for nothing from elsewhere", async () => {
  await using fixture = await openFixture();
  assertEquals(await (await ask(fixture.app, "/healthz")).json(), { status: "ok" });
  await ask(fixture.app, `/api/runs/${fixture.ids[0]}/layers`);
  const metrics = await (await ask(fixture.app, "/metrics")).text();
  assertStringIncludes(metrics, 'pare_runs{status="finished"} 1\n');
  assertStringIncludes(
    metrics,
    'pare_http_request_duration_seconds_count{route="/api/runs/:id/layers",status="200"} 1\n',
  );
  const docs = await (await ask(fixture.app, "/docs")).text();
  assertStringIncludes(docs, "GET /api/runs/{id}/layers/{name}");
  assertEquals(docs.match(/(src|href)="(?!\/)[^"]*"/g), null);
});
