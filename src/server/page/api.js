/** The server's answers, and the events of a run. Where the server needs a token, it is asked for once and kept for the tab. */

const TOKEN = "pare-token";

/** Milliseconds before a stream that broke is asked for again. */
const RETRY = 1000;

/** What the server did not answer. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Keeps the token for this tab. */
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

/** True if the server asks for a token: links cannot carry it. */
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

async function ask(path, { headers, ...options } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, {
    ...options,
    headers: { ...headers, ...token && { authorization: `Bearer ${token}` } },
  });
  if (!response.ok) throw new Refused(response.status, (await response.json()).detail);
  return response;
}

/** The JSON at a path. */
export const get = async (path, signal) => await (await ask(path, { signal })).json();

/** The address of a run, and of what is below it. */
export const runPath = (id, ...below) => ["/api/runs", ...[id, ...below].map(encodeURIComponent)].join("/");

/**
 * Calls `hear(kind, data)` for every event of a run until the run has ended. `EventSource` cannot send a token; this is the
 * same, with it.
 */
export async function follow(id, hear, signal) {
  let last;
  while (!signal.aborted) {
    try {
      const response = await ask(runPath(id, "events"), { signal, headers: last ? { "last-event-id": last } : {} });
      if (response.status === 204) return;
      let text = "";
      for await (const part of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
        text += part;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const fields = new Map(
            text.slice(0, end).split("\n").map((line) => {
              const colon = line.indexOf(": ");
              return [line.slice(0, colon), line.slice(colon + 2)];
            }),
          );
          last = fields.get("id") ?? last;
          if (fields.has("event")) hear(fields.get("event"), JSON.parse(fields.get("data")));
        }
      }
      // The server ends the stream when the run has ended; asked again, it says so (204).
      if (!last) return;
    } catch (error) {
      if (signal.aborted || error instanceof Refused) return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

/** Streams are not iterable in every browser yet. */
async function* chunks(stream) {
  const reader = stream.getReader();
  for (let part; !(part = await reader.read()).done;) yield part.value;
}
