/** How sizes, times and counts are written for a person: three digits, a unit, nothing that a locale would change. */

/** `1536` → `1.5 KiB`: powers of 1024, as memory is counted. */
export function showBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  // 999.5 would be written as four digits.
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? `${value} B` : `${digits(value)} ${units[unit]}`;
}

/** `0.0123` → `12.3 ms`, `75` → `1 min 15 s`, `3700` → `1 h 2 min`. */
export function showSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${digits(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${digits(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1234567` → `1,234,567`. */
export function showCount(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `200 of 3270`, or the number alone where it is all. */
export function showPart(part: number, whole: number): string {
  return part < whole ? `${part} of ${whole}` : `${part}`;
}

/** `0.5` → `50.00 %`. What is not all is never written as 100 %: `0.9999998` → `99.99998 %`. */
export function showShare(share: number): string {
  const written = Array.from({ length: MOST_DIGITS - 1 }, (_, i) => (share * 100).toFixed(2 + i));
  return `${written.find((text) => share >= 1 || Number(text) < 100) ?? written.at(-1)} %`;
}

/** Digits behind the point at most: those that an f64 below 100 has. */
const MOST_DIGITS = 14;

/** Three significant digits, without an exponent. */
function digits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
