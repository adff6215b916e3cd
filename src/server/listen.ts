/**
 * Requests from the network, by Node's HTTP server: `Deno.serve` has no limit of time for a connection that sends nothing, or
 * its request byte by byte, and whoever opens enough of them keeps everybody else out.
 *
 * What has no limit of its own: a client that reads slowly, as long as it reads. It costs one connection and no memory, since
 * nothing more is made than it takes.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, RequestError } from "@hono/node-server";
import { problem } from "./problem.ts";

/** How long a connection may take for what, in milliseconds, and how many there may be. */
export interface Limits {
  /** From its beginning, or the request before, to the end of a request's headers. */
  readonly headers: number;
  /** The same to the end of its body; nothing that is asked here has one. */
  readonly request: number;
  /** Between two requests. */
  readonly idle: number;
  /** Within an answer, without a byte that goes out. Streams of events say something more often. */
  readonly stalled: number;
  /** Connections at most: a process may have a thousand open files on most systems. */
  readonly connections: number;
}

/** Enough for every network that people have: a request is one packet. */
export const LIMITS: Limits = { headers: 10_000, request: 20_000, idle: 15_000, stalled: 60_000, connections: 900 };

/** A server that listens. */
export interface Listening extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Begins to listen.
 * @param port 0 for any that is free.
 * @throws Error with the system's code (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `ENOTFOUND`) if that is not possible.
 */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port, limits = LIMITS }: { readonly host: string; readonly port: number; readonly limits?: Limits },
): Promise<Listening> {
  const answer = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    // What comes from the network and is no request; what goes wrong behind that is the application's to say.
    errorHandler: (error) =>
      error instanceof RequestError ? problem(400, error.message) : problem(500, "this is a bug in Pare"),
  });
  const server = createServer({
    headersTimeout: limits.headers,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.idle,
    connectionsCheckingInterval: Math.ceil(Math.min(limits.headers, limits.idle) / 10),
  }, answer);
  server.maxConnections = limits.connections;
  server.timeout = limits.stalled;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  const address = server.address() as AddressInfo;
  return {
    hostname: address.address,
    port: address.port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
