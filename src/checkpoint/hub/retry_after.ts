/** How long a server asks to be left alone: `Retry-After` in both of its forms (RFC 9110, section 10.2.3). */

/** A date as HTTP has it: IMF-fixdate, or one of the two older forms, of which asctime's names no zone and means GMT. */
const HTTP_DATE = /^[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}( \d{4})?( GMT)?$/;

/** Milliseconds to wait by an answer's headers; 0 if they do not say so, or if that time is over. */
export function retryAfter(headers: Headers): number {
  const value = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // By the server's own clock, where it shows it: nobody knows how wrong this machine's is.
  return Math.max(0, parseDate(value) - (parseDate(headers.get("Date") ?? "") || Date.now())) || 0;
}

/** Milliseconds since 1970; NaN if it is no date. */
function parseDate(text: string): number {
  return HTTP_DATE.test(text) ? Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`) : NaN;
}
