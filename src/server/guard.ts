/**
 * Who may ask, and what: only reading, only under a name that is this server's own, and with the token where there is one.
 *
 * The Host check is against DNS rebinding: a page of another site can point its own name at this machine, and a browser then
 * takes this server for that site. It cannot do so with an address or with `localhost`; any other name must be allowed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { problem } from "./problem.ts";

/** Makes the response to who is refused. */
type Refuse = (
  status: 401 | 421,
  message: string,
  more?: { readonly headers?: Record<string, string> },
) => Response;

const READING = ["GET", "HEAD"];

/** Refuses what does not only read. */
export const readOnly: MiddlewareHandler = async (context, next) => {
  if (READING.includes(context.req.method)) return await next();
  return problem(405, "this server only reads", { headers: { allow: READING.join(", ") } });
};

/** Refuses requests that were sent to another name than an address, `localhost` or one of these. */
export function checkHost(names: readonly string[], refuse: Refuse = problem): MiddlewareHandler {
  const known = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
  return async (context, next) => {
    const host = context.req.header("host") ?? new URL(context.req.url).host;
    const name = host.toLowerCase().replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1");
    if (known.has(name) || isIP(name)) return await next();
    return refuse(421, `${JSON.stringify(host)} is not a name of this server; --allow-host adds one`);
  };
}

/** Refuses requests without the token. */
export function bearer(token: string, refuse: Refuse = problem): MiddlewareHandler {
  // Digests are equally long, so that nothing of the token's length shows either.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return async (context, next) => {
    const [, given] = /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "") ?? [];
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return await next();
    const challenge = `Bearer realm="Pare"${given === undefined ? "" : ', error="invalid_token"'}`;
    return refuse(401, "this server needs its token: Authorization: Bearer TOKEN", {
      headers: { "www-authenticate": challenge },
    });
  };
}

/** Tells browsers to take everything from here and nothing from inside a page; no frame, no referrer, no guessing. */
export const headers: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  // It is plain HTTP on one's own machine; a proxy that adds TLS adds this too.
  strictTransportSecurity: false,
  referrerPolicy: "no-referrer",
  xFrameOptions: "DENY",
});
