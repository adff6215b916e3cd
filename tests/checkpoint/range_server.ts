/**
 * A server on this machine that answers ranges, and does wrong what it is told to: an HTTP/1.1 of its own over a socket, since
 * a library would not send a wrong length, or fall silent in the middle of a body.
 */

/** A request as it came. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  /** How many of the same path came before. */
  readonly before: number;
}

/** What is done otherwise than a good server would; what is left out is done right. */
export interface Fault {
  readonly status?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The length that is claimed. */
  readonly claims?: number;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Nothing more comes after so many bytes, and the connection stays. */
  readonly stallAfter?: number;
}

/** See the file's head. */
export class RangeServer implements AsyncDisposable {
  readonly requests: Asked[] = [];
  /** Bytes of bodies that were sent. */
  sent = 0;
  /** What goes wrong with a request. */
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #done: Promise<void>;

  constructor(
    readonly files: Map<string, Uint8Array>,
    readonly etag: (path: string) => string = (path) => `"${path}"`,
  ) {
    this.#done = this.#serve();
  }

  /** The files of a folder of this machine, under `/model/`. */
  static async of(folder: string): Promise<RangeServer> {
    const files = new Map<string, Uint8Array>();
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile) files.set(`/model/${name}`, await Deno.readFile(`${folder}/${name}`));
    }
    return new RangeServer(files);
  }

  get host(): string {
    return `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  get url(): string {
    return `http://${this.host}/model/`;
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      void this.#answer(connection).catch(() => {}).finally(() => {
        this.#open.delete(connection);
        try {
          connection.close();
        } catch { /* it is closed */ }
      });
    }
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    let head = "";
    const buffer = new Uint8Array(4096);
    while (!head.includes("\r\n\r\n")) {
      const count = await connection.read(buffer);
      if (count === null) return;
      head += new TextDecoder().decode(buffer.subarray(0, count));
    }
    const [first, ...lines] = head.split("\r\n"), [method, path] = first.split(" ");
    const headers = new Headers(
      lines.filter((line) => line.includes(": ")).map((line) => line.split(/: (.*)/s, 2) as [string, string]),
    );
    const asked = { method, path, headers, before: this.requests.filter((each) => each.path === path).length };
    this.requests.push(asked);
    const fault = this.fault(asked) ?? {}, file = this.files.get(decodeURIComponent(path.split("?")[0]));
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("Range") ?? "") ?? [];
    let status = "200 OK", body = file, own: Record<string, string> = {};
    if (!file) [status, body] = ["404 Not Found", new TextEncoder().encode("no such file")];
    else if (from !== undefined) {
      const end = to === "" ? file.length : Math.min(Number(to) + 1, file.length);
      own = { "Content-Range": `bytes ${from}-${end - 1}/${file.length}` };
      [status, body] = Number(from) < file.length
        ? ["206 Partial Content", file.subarray(Number(from), end)]
        : ["416 Range Not Satisfiable", new Uint8Array()];
    }
    if (file) own.ETag = this.etag(path);
    body = fault.body ?? (fault.status !== undefined ? new Uint8Array() : body!);
    const all = {
      "Content-Length": String(fault.claims ?? body.length),
      Connection: "close",
      ...own,
      ...fault.headers,
    };
    const text = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await write(connection, new TextEncoder().encode(`HTTP/1.1 ${fault.status ?? status}\r\n${text}\r\n`));
    const part = body.subarray(0, fault.cutAfter ?? fault.stallAfter);
    await write(connection, part);
    this.sent += part.length;
    if (fault.stallAfter !== undefined) await new Promise((resolve) => setTimeout(resolve, 60_000));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch { /* it is closed */ }
    }
    await this.#done.catch(() => {});
  }
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}
