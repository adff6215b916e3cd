/** AWS's signature, version 4, by its documentation (docs.aws.amazon.com, "Create a signed AWS API request"), of a request as it came. */
import { createHash, createHmac } from "node:crypto";
import type { Asked } from "./range_server.ts";

/** Whether a request is signed with this secret. */
export function isSignedWith({ method, path, headers }: Asked, secret: string): boolean {
  const given = headers.get("Authorization") ?? "";
  const [, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(given) ?? [];
  if (signature === undefined) return false;
  const [resource, query = ""] = path.split("?"), payload = headers.get("x-amz-content-sha256")!;
  const canonical = [
    method,
    resource,
    query.split("&").sort().join("&"),
    ...names.split(";").map((name) => `${name}:${headers.get(name)!.trim()}`),
    "",
    names,
    payload,
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = ["AWS4-HMAC-SHA256", headers.get("x-amz-date"), scope, hash].join("\n");
  const key = scope.split("/").reduce<string | Uint8Array>(
    (key, part) => createHmac("sha256", key).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac("sha256", key).update(text).digest("hex") === signature;
}
