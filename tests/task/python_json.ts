/** Requests as Python's `json.dumps` writes them, and their hash. */
import { sha256 } from "../../src/checkpoint/sha256.ts";
import type { Request } from "../../src/task/task.ts";

/** `json.dumps([[context, continuation], …])`. */
function dumps(requests: readonly Request[]): string {
  const text = (value: string) =>
    JSON.stringify(value).replace(
      /[\x7f-\uffff]/g,
      (unit) => unit === "\x7f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return `[${requests.map(({ context, continuation }) => `[${text(context)}, ${text(continuation)}]`).join(", ")}]`;
}

/** The SHA-256 of requests, in hexadecimal. */
export function hashRequests(requests: readonly Request[]): string {
  return sha256(new TextEncoder().encode(dumps(requests)));
}
