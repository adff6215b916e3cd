/** `deno task serve`: opens the registry to read, and shows it until it is stopped. */
import project from "../deno.json" with { type: "json" };
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { serveCommand, type ServeValues, settleToken } from "../src/cli/serve_command.ts";
import { PareError } from "../src/errors.ts";
import { defaultRegistry } from "../src/run/place.ts";
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

async function main(values: ServeValues, { terminal, signal }: Context): Promise<Outcome> {
  const token = readToken(values), path = values.runs ?? defaultRegistry();
  using registry = Registry.open(path, { mode: "read" });
  const { allowHost: hosts, allowOrigin: origins } = values;
  const app = createApp({ source: registry, version: project.version, token, hosts, origins });
  const { hostname, port } = listen(app, values).addr;
  const address = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
  terminal.note(`${address} shows ${path}${token ? "" : "; only this machine can see it"}`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return { text: `${address} is closed`, json: { address } };
}

if (import.meta.main) await run(serveCommand, main);
