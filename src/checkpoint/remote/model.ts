/**
 * A model that is read where it lies, as plain data: which files, at which addresses, in which versions, with which
 * credentials. It is made once, by whoever may look around (`locate.ts`), and holds for a whole run: what has changed since
 * is refused, and no other host is asked. It is never shown and never recorded, since it may hold secrets.
 */

/** A file as it was when it was first looked at. */
export interface FileVersion {
  /** Its size. */
  readonly bytes: number;
  /** What the server tells versions apart by. */
  readonly etag?: string;
  /** Where there is no ETag: when it was changed. */
  readonly modified?: string;
}

/** A file of a model. */
export interface RemoteFile extends FileVersion {
  /** Its name in the model's folder. */
  readonly name: string;
  /** Where it is asked for. */
  readonly url: string;
  /** SHA-256 of its content, where the server promises one. */
  readonly sha256?: string;
}

/** What opens a place; it is given to `origin` alone, never to where that redirects. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "bearer"; readonly origin: string; readonly token: string }
  | {
    readonly kind: "s3";
    readonly origin: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };

/** See the file's head. */
export interface RemoteModel {
  /** What a person calls it: `https://…`, `s3://…`, `hf://owner/name`. */
  readonly path: string;
  /** Those of its folder. */
  readonly files: readonly RemoteFile[];
  /** `host:port` of all servers that are asked, redirects followed. */
  readonly hosts: readonly string[];
  /** What opens them. */
  readonly credentials: Credentials;
}
