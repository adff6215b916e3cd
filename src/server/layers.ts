/** The linears of a run: all of them, one, and what is drawn of it as data and as pictures. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { accepts } from "hono/accepts";
import type { LinearRecord } from "../run/record.ts";
import { answerPrepared } from "./answer.ts";
import { densityPng, densitySvg, histogramPng, histogramSvg } from "./plots.ts";
import { prepare, type Prepared, PreparedCache, prepareJson } from "./prepared.ts";
import { problems, refusal } from "./problem.ts";
import {
  DensityMapSchema,
  HistogramSchema,
  type LayerPage,
  LayerPageSchema,
  LinearSchema,
  NoQuerySchema,
  RunParamsSchema,
} from "./schemas.ts";
import { requireVersion, type Source } from "./source.ts";

/** What is drawn of a linear, by the field of its record. */
const PLOTS = ["scores", "magnitudes", "density"] as const;

/** What is counted in a histogram. */
const COUNTED = { scores: "score", magnitudes: "|weight|", density: "" } as const;

/** The forms of a plot: their extensions and media types. The first is what one gets who asks for none. */
const FORMS = { json: "application/json", svg: "image/svg+xml", png: "image/png" } as const;

const EXTENSIONS = Object.keys(FORMS) as (keyof typeof FORMS)[];

const LayerParamsSchema = RunParamsSchema.extend({
  name: z.string().openapi({ example: "model.layers.0.self_attn.q_proj" }),
});

const PlotParamsSchema = LayerParamsSchema.extend({
  plot: z.enum(PLOTS.flatMap((plot) => [plot, ...EXTENSIONS.map((extension) => `${plot}.${extension}`)])),
});

function requireLayer(source: Source, id: string, name: string): LinearRecord {
  const layer = source.layer(id, name);
  if (!layer) throw refusal(404, `the run ${id} has no linear ${JSON.stringify(name)}`);
  return layer;
}

function draw(layer: LinearRecord, plot: typeof PLOTS[number], form: keyof typeof FORMS): Prepared {
  const data = layer[plot];
  if (!data) throw refusal(404, `${layer.name} has no ${plot}: its method scores no single weights`);
  switch (form) {
    case "json":
      return prepareJson(data);
    case "svg":
      return prepare("cells" in data ? densitySvg(data) : histogramSvg(data, COUNTED[plot]), FORMS.svg);
    case "png":
      return prepare("cells" in data ? densityPng(data) : histogramPng(data), FORMS.png);
  }
}

/** Adds the routes. */
export function serveLayers(app: OpenAPIHono, source: Source): void {
  const cache = new PreparedCache();
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/layers",
      summary: "All linears of a run that are done, without what is drawn of them",
      request: { params: RunParamsSchema, query: NoQuerySchema },
      responses: {
        200: { description: "The linears", content: { "application/json": { schema: LayerPageSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id } = context.req.valid("param"), version = requireVersion(source, id);
      const page = cache.get(id, version, () => prepareJson({ layers: source.layers(id) } satisfies LayerPage));
      return answerPrepared<LayerPage>(context, page);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/layers/{name}",
      summary: "All of a linear",
      request: { params: LayerParamsSchema, query: NoQuerySchema },
      responses: {
        200: { description: "The linear", content: { "application/json": { schema: LinearSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id, name } = context.req.valid("param"), version = requireVersion(source, id);
      const layer = cache.get(`${id}/${name}`, version, () => prepareJson(requireLayer(source, id, name)));
      return answerPrepared<LinearRecord>(context, layer);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/layers/{name}/{plot}",
      summary: "What is drawn of a linear, as JSON, SVG or PNG: by the extension, or else by Accept",
      request: { params: PlotParamsSchema, query: NoQuerySchema },
      responses: {
        200: {
          description: "The histogram or the density map",
          content: {
            [FORMS.json]: { schema: z.union([HistogramSchema, DensityMapSchema]) },
            [FORMS.svg]: { schema: z.string() },
            [FORMS.png]: { schema: z.string().openapi({ format: "binary" }) },
          },
        },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id, name, plot: address } = context.req.valid("param"), version = requireVersion(source, id);
      const [plot, extension] = address.split(".") as [typeof PLOTS[number], keyof typeof FORMS | undefined];
      const form = extension ??
        EXTENSIONS.find((form) =>
          FORMS[form] === accepts(context, { header: "Accept", supports: Object.values(FORMS), default: FORMS.json })
        )!;
      const picture = cache.get(
        `${id}/${name}/${plot}.${form}`,
        version,
        () => draw(requireLayer(source, id, name), plot, form),
      );
      return answerPrepared<never>(context, picture);
    },
  );
}
