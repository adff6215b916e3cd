/** What commands that answer requests from the network have in common. */
import { type ListenValues, settleToken } from "../../src/cli/listen_flags.ts";
import { PareError } from "../../src/errors.ts";
import { type Limits, listen, type Listening } from "../../src/server/listen.ts";

/** A host and a port as an address has them. */
export function addressOf(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Why a server cannot listen where it is to, by the system's code. */
const REASONS: Readonly<Record<string, (values: ListenValues) => string>> = {
  EADDRINUSE: ({ host, port }) => `port ${port} of ${host} is in use; --port N takes another one`,
  EACCES: ({ host, port }) => `port ${port} of ${host}: not permitted; expected one of 1024 or more`,
  EADDRNOTAVAIL: ({ host }) => `--host ${host} is no address of this machine`,
  ENOTFOUND: ({ host }) => `--host ${host}: no such name`,
  EAI_AGAIN: ({ host }) => `--host ${host}: no such name, as far as can be seen now`,
};

/** Begins to listen. @throws PareError if that is not possible. */
export async function openServer(
  app: { fetch(request: Request): Response | Promise<Response> },
  values: ListenValues,
  limits?: Limits,
): Promise<Listening> {
  try {
    return await listen((request) => app.fetch(request), { ...values, limits });
  } catch (error) {
    const reason = REASONS[(error as { code?: string }).code ?? ""];
    throw reason ? new PareError(reason(values), { cause: error }) : error;
  }
}

/** The token that requests must bring; undefined for none. @throws PareError as {@linkcode settleToken}, or if its file cannot be read. */
export function readToken({ tokenFile, host }: ListenValues): string | undefined {
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
