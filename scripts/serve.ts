/** `deno task serve`: opens the registry to read, and shows it until it is stopped. */
import project from "../deno.json" with { type: "json" };
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { serveCommand, type ServeValues, settleToken } from "../src/cli/serve_command.ts";
import { PareError } from "../src/errors.ts";
import { defaultRegistry } from "../src/run/place.ts";
import { Reach } from "./sandbox.ts";
import { Registry } from "../src/run/registry.ts";
import { createApp } from "../src/server/app.ts";

/** Begins to listen. @throws PareError if that is not possible. */
function listen(app: { fetch(request: Request): Response | Promise<Response> }, { host, port }: ServeValues) {
  try {
    return Deno.serve({ hostname: host, port, onListen() {} }, (request) => app.fetch(request));
  } catch (error) {
    const reasons = [
      [Deno.errors.AddrInUse, `port ${port} of ${host} is in use; --port N takes another one`],
      [Deno.errors.PermissionDenied, `port ${port} of ${host}: not permitted; expected one of 1024 or more`],
      [Deno.errors.AddrNotAvailable, `--host ${host} is no address of this machine`],
    ] as const;
    const reason = reasons.find(([kind]) => error instanceof kind)?.[1];
    // A name that does not resolve is a plain Error.
    throw reason || !(error instanceof TypeError)
      ? new PareError(reason ?? `--host ${host}: ${(error as Error).message}`, { cause: error })
      : error;
  }
}

function readToken({ tokenFile, host }: ServeValues): string | undefined {
  let given = Deno.env.get("PARE_TOKEN");
  if (tokenFile !== undefined) {
    try {
      given = Deno.readTextFileSync(tokenFile);
    } catch (error) {
      throw new PareError(`--token-file ${tokenFile}: ${(error as Error).message}`, { cause: error });
    }
  }
  return settleToken(host, given);
}

/** The flags as they are given, and what the launcher has read: the token stands in a file or in the environment. */
type Given = ServeValues & { readonly token?: string };

/** Says what the server may touch: Pare's own files, the registry, one address. */
function enter(given: Given) {
  const { host, port } = given, runs = given.runs ?? defaultRegistry(), reach = new Reach();
  reach.readRegistry(runs);
  const net = [`${bracketed(host)}:${port}`];
  return Promise.resolve({
    values: { ...given, runs, token: readToken(given) },
    permissions: { ...reach.permissions, net },
  });
}

/** A host as an address has it. */
const bracketed = (host: string): string => host.includes(":") ? `[${host}]` : host;

/** The server itself, in its sandbox. */
export async function main(values: Given, { terminal, signal }: Context): Promise<Outcome> {
  const path = values.runs!;
  using registry = Registry.open(path, { mode: "read" });
  const { allowHost: hosts, allowOrigin: origins, token } = values;
  const app = createApp({ source: registry, version: project.version, token, hosts, origins });
  const { hostname, port } = listen(app, values).addr;
  const address = `http://${bracketed(hostname)}:${port}/`;
  terminal.note(`${address} shows ${path}${token ? "" : "; only this machine can see it"}`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return { text: `${address} is closed`, json: { address } };
}

if (import.meta.main) await run(serveCommand, main, { module: import.meta.url, enter });
