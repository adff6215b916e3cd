/**
 * The server's answers, and the events of a run. Where the server needs a token, it is asked for once and kept for the tab.
 * A server that does not answer is said at the top of the page, until it answers again: what stands below is old.
 */
import { make } from "./dom.js";

const TOKEN = "pare-token";

/** Milliseconds before a stream that broke is asked for again. */
const RETRY = 1000;

/** The same, where the server said that it has no room for another one. */
const RETRY_REFUSED = 5000;

/** Milliseconds that an answer may take: the list of a large registry takes a second of a busy machine. */
const PATIENCE = 20_000;

/** Milliseconds without a sign of life after which a stream counts as broken: the server gives one every 15 s. */
const SILENCE = 45_000;

/** Milliseconds by which clocks differ that are set by the same network: no difference. */
const CLOSE = 2000;

/** What the server refused. */
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

/** Milliseconds that the server's clock is ahead of this one. */
let ahead = 0;

/** Milliseconds since 1970, by the server's clock: it is the one that runs were timed with. */
export const now = () => Date.now() + ahead;

/** When the server last answered. */
let heard = new Date();

/** Says that the server does not answer, or no more so. */
function showLost(why) {
  const place = document.getElementById("lost");
  document.body.classList.toggle("stale", why !== undefined);
  if (why === undefined) place.replaceChildren();
  // Said once: an alert that changes is read out again.
  else if (!place.hasChildNodes()) {
    place.append(make("span", {}, `${why}; what stands here is of ${heard.toLocaleTimeString()}. It is asked again.`));
  }
}

async function ask(path, { headers, signal, limit, quiet, ...options } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  let response;
  try {
    response = await fetch(path, {
      ...options,
      signal: limit ? AbortSignal.any([signal, AbortSignal.timeout(limit)].filter(Boolean)) : signal,
      headers: { ...headers, ...token && { authorization: `Bearer ${token}` } },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    showLost("The server does not answer");
    throw new Error("the server does not answer", { cause: error });
  }
  if (!response.ok) {
    // A proxy's own pages are no problem details.
    const { detail } = await response.json().catch(() => ({ detail: `the server answers ${response.status}` }));
    if (response.status >= 500 && !quiet) showLost(`The server cannot answer (${detail})`);
    throw new Refused(response.status, detail);
  }
  const date = Date.parse(response.headers.get("date")), difference = date - Date.now();
  ahead = Math.abs(difference) > CLOSE ? difference : 0;
  heard = new Date();
  showLost();
  return response;
}

/** The JSON at a path. */
export const get = async (path, signal) => await (await ask(path, { signal, limit: PATIENCE })).json();

/** The address of a run, and of what is below it. */
export const runPath = (id, ...below) => ["/api/runs", ...[id, ...below].map(encodeURIComponent)].join("/");

/**
 * Calls `hear(kind, data)` for every event of a run until the run has ended. `EventSource` cannot send a token; this is the
 * same, with it. Where the server has no room for another stream, it calls `hear("missed")` from time to time instead.
 */
export async function follow(id, hear, signal) {
  let last;
  while (!signal.aborted) {
    let wait = RETRY;
    try {
      const headers = last ? { "last-event-id": last } : {};
      const response = await ask(runPath(id, "events"), { signal, headers, quiet: true });
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
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        // What is wrong with the request stays wrong.
        if (error.status < 500 && error.status !== 429) return;
        wait = RETRY_REFUSED;
        hear("missed");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** What a stream gives, until it ends or is silent for too long. Streams are not iterable in every browser yet. */
async function* chunks(stream) {
  const reader = stream.getReader();
  while (true) {
    let timer;
    const silent = new Promise((_, reject) => timer = setTimeout(() => reject(new Error("silence")), SILENCE));
    try {
      const { done, value } = await Promise.race([reader.read(), silent]);
      if (done) return;
      yield value;
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
