/** The docs page: `/openapi.json` as a page to read, made here, so that it works offline and without a script. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { html } from "hono/html";

/** The document, as far as the page reads it. */
type Document = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

/** A parameter of an operation. */
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Value;
}

/** What a parameter may be: described here, or by the name of a schema. */
interface Value {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
}

/** Schemas by name. */
type Schemas = Readonly<Record<string, Value>>;

/** What is answered at a path. */
interface Operation {
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

/** The page. */
export async function docsPage({ info, paths = {}, components = {} }: Document): Promise<string> {
  const operations = Object.entries(paths).flatMap(([path, { get } = {}]) =>
    get ? [{ path, ...get } as Operation] : []
  );
  const schemas = (components.schemas ?? {}) as Schemas;
  return String(
    await html`
      <!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width, initial-scale=1">
          <title>API of ${info.title}</title>
          <link rel="icon" href="/page/icon.svg">
          <link rel="stylesheet" href="/page/style.css">
        </head>
        <body>
          <header>
            <h1>API of ${info.title} ${info.version}</h1>
            <nav><a href="/">Dashboard</a> <a href="/openapi.json">openapi.json</a></nav>
          </header>
          <main>
            <p>${info.description ?? ""}</p>
            <h2>Addresses</h2>
            ${operations.map((operation) => section(operation, schemas))}
            <h2>Schemas</h2>
            ${Object.entries(schemas).map(([name, schema]) => definition(name, schema))}
          </main>
        </body>
      </html>
    `,
  );
}

function section({ path, summary, description = "", parameters = [], responses }: Operation, schemas: Schemas) {
  return html`
    <section>
      <h3><code>GET ${path}</code></h3>
      <p>${summary}. ${description}</p>
      ${parameters.length ? table(parameters, schemas) : ""}
      <ul>${Object.entries(responses).map(([status, { description }]) => html`<li>${status}: ${description}</li>`)}</ul>
    </section>
  `;
}

function definition(name: string, schema: Value) {
  return html`
    <details>
      <summary><code>${name}</code></summary>
      <pre tabindex="0">${JSON.stringify(schema, null, 2)}</pre>
    </details>
  `;
}

/** A value in words. */
function describe(value: Value, schemas: Schemas): string {
  const { enum: words, pattern, type = "" } = value.$ref ? schemas[value.$ref.split("/").at(-1)!] : value;
  return words?.join(", ") ?? pattern ?? type;
}

function table(parameters: readonly Parameter[], schemas: Schemas) {
  return html`
    <table>
      <thead>
        <tr>
          <th scope="col">parameter</th>
          <th scope="col">in</th>
          <th scope="col">value</th>
        </tr>
      </thead>
      <tbody>${parameters.map(({ name, in: place, required, schema = {}, description }) =>
        html`
          <tr>
            <td><code>${name}</code>${required ? "" : " (optional)"}</td>
            <td>${place}</td>
            <td>${describe(schema, schemas)}${description ? `: ${description}` : ""}</td>
          </tr>
        `
      )}</tbody>
    </table>
  `;
}
