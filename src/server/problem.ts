/** Everything that goes wrong, in one form: RFC 9457, Problem Details for HTTP APIs. */
import type { Hook, z } from "@hono/zod-openapi";
import type { Env } from "hono";
import { HTTPException } from "hono/http-exception";
import { ProblemSchema } from "./schemas.ts";

/** What a problem's body says. */
export type Problem = z.infer<typeof ProblemSchema>;

/** What a problem is called: the phrases of RFC 9110, section 15. */
const TITLES = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  421: "Misdirected Request",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** The response of a problem. Its type says no more than its status does: `about:blank`. */
export function problem(
  status: keyof typeof TITLES,
  detail: string,
  { errors, headers }: { readonly errors?: Problem["errors"]; readonly headers?: Record<string, string> } = {},
): Response {
  const body: Problem = { type: "about:blank", title: TITLES[status], status, detail, ...errors && { errors } };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** A problem to throw out of a route's handler, whose type knows only its success. */
export function refusal(...[status, detail, more]: Parameters<typeof problem>): HTTPException {
  return new HTTPException(status, { message: detail, res: problem(status, detail, more) });
}

/** A problem in a route's description. */
interface Described {
  readonly description: string;
  readonly content: { readonly "application/problem+json": { readonly schema: typeof ProblemSchema } };
}

/** The problems of a route, for its description in `/openapi.json`. */
export function problems<S extends keyof typeof TITLES>(...statuses: S[]): { readonly [K in S]: Described } {
  const content = { "application/problem+json": { schema: ProblemSchema } };
  const described = statuses.map((status): [S, Described] => [status, { description: TITLES[status], content }]);
  return Object.fromEntries(described) as { readonly [K in S]: Described };
}

/** What a request that its schema refuses gets: 404 for an address that cannot be, 400 with the fields for a query. */
export const refuseInvalid: Hook<unknown, Env, string, unknown> = (result) => {
  if (result.success) return;
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((field) => ({ field, detail: "there is no such field" }))
      : [{ field: issue.path.join("."), detail: issue.message }]
  );
  const detail = errors.map(({ field, detail }) => `${field}: ${detail}`).join("; ");
  return result.target === "param" ? problem(404, detail) : problem(400, detail, { errors });
};
