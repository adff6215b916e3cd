/** Flags of commands that answer requests from the network: where they listen, and who may ask. */
import { PareError } from "../errors.ts";
import { type Flag, repeated, text, value } from "./flags.ts";

/** The highest port of TCP. */
const LAST_PORT = 65535;

/** Where a server listens, and who may ask. */
export interface ListenValues {
  readonly host: string;
  readonly port: number;
  readonly tokenFile: string | undefined;
  readonly allowHost: readonly string[];
  readonly allowOrigin: readonly string[];
}

/** The flags. @param fallback The port unless another is named. */
export function listenFlags(fallback: number): { readonly [K in keyof ListenValues]: Flag<ListenValues[K]> } {
  return {
    host: text({
      metavar: "ADDRESS",
      help: "Where to listen. Any address but this machine's own (127.0.0.1, ::1) needs a token.",
      fallback: "127.0.0.1",
    }),
    port: value({ metavar: "N", help: "0 takes any free one.", fallback }, (text, flag) => {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
      if (port <= LAST_PORT) return port;
      throw new PareError(`${flag} ${text}: expected a port from 0 to ${LAST_PORT}`);
    }),
    tokenFile: text({
      metavar: "FILE",
      help: "Holds the token that requests must bring (Authorization: Bearer TOKEN).",
      otherwise: "the variable PARE_TOKEN, or none",
    }),
    allowHost: repeated(text({
      metavar: "NAME",
      help: "A name by which browsers reach this server, beside addresses and localhost.",
    })),
    allowOrigin: repeated(text({
      metavar: "URL",
      help: "Another site whose pages may read (CORS), such as http://localhost:3000.",
    })),
  };
}

/** Digits of a token at least: as many as nobody guesses. */
const SHORTEST_TOKEN = 16;

/**
 * The token out of the text of its file or variable; undefined if neither is there.
 * @throws PareError if it is too short or has blanks, or if the address is open to other machines and there is none.
 */
export function settleToken(host: string, given: string | undefined): string | undefined {
  const token = given?.trim();
  if (token && (token.length < SHORTEST_TOKEN || /\s/.test(token))) {
    throw new PareError(`the token: expected at least ${SHORTEST_TOKEN} characters without blanks`);
  }
  if (!token && !/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host)) {
    throw new PareError(`--host ${host} is open to other machines: expected a token in --token-file or PARE_TOKEN`);
  }
  return token || undefined;
}
