/**
 * Headless Chromium, for tests of the dashboard: Debian's (`apt-get install chromium`) or the one that `CHROMIUM` names. One
 * browser serves all tests of a process, each in a context of its own, so that none sees what another kept.
 * A page that is opened here keeps account of what a user would never be told: errors on the console, and requests to
 * another host.
 */
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

/** Where it stands; undefined if it is not here, which is said, not passed over. */
export const CHROMIUM = [Deno.env.get("CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => {
  try {
    return path && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** Milliseconds that a page may take to show something: a real prune, on a machine that does other things too. */
const PATIENCE = 120_000;

/** A page, and what went wrong behind it. */
export interface Watched extends AsyncDisposable {
  readonly page: Page;
  /** Errors on the console and exceptions. */
  readonly errors: readonly string[];
  /** Requests to other hosts than this server's. */
  readonly strangers: readonly string[];
}

let browser: Promise<Browser> | undefined;

/** Opens a page in a context of its own. Playwright ends the browser with the process. */
export async function openPage(address: string, colorScheme: "light" | "dark" = "light"): Promise<Watched> {
  browser ??= chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await (await browser).newContext({ colorScheme, viewport: { width: 1100, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const errors: string[] = [], strangers: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    // What a page made itself is nobody's.
    if (request.url().startsWith("blob:")) return;
    if (new URL(request.url()).host !== new URL(address).host) strangers.push(request.url());
  });
  await page.goto(address);
  return { page, errors, strangers, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds that is serious or worse, in a line each. */
export async function findViolations(page: Page): Promise<string[]> {
  // A function's text and no script element: the page's policy forbids those, as it should.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`);
}
