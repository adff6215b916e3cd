/**
 * Headless Chromium, for tests of the dashboard: Debian's (`apt-get install chromium`) or the one that `CHROMIUM` names. One
 * page serves all tests of a process, one after the other: four processes of Chromium for each test's own would compute as
 * long as the tests. What a page keeps it keeps by the origin, and each test's server has a port of its own.
 * A page that is opened here keeps account of what a user would never be told: errors on the console, and requests to
 * another host.
 */
import axe from "axe-core";
import { chromium, type Page } from "playwright-core";

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

let opened: Promise<Page> | undefined;

/** Starts Chromium; Playwright ends it with the process. */
async function launch(): Promise<Page> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  return page;
}

/** Opens an address in the page, as a test finds it. */
export async function openPage(address: string, colorScheme: "light" | "dark" = "light"): Promise<Watched> {
  const page = await (opened ??= launch());
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width: 1100, height: 800 });
  const errors: string[] = [], strangers: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    // What a page made itself is nobody's.
    if (request.url().startsWith("blob:")) return;
    if (new URL(request.url()).host !== new URL(address).host) strangers.push(request.url());
  });
  await page.goto(address);
  return {
    page,
    errors,
    strangers,
    async [Symbol.asyncDispose]() {
      await page.goto("about:blank");
      page.removeAllListeners();
      await page.unrouteAll();
      await page.context().clearPermissions();
    },
  };
}

/** What axe finds that is serious or worse, in a line each. */
export async function findViolations(page: Page): Promise<string[]> {
  // A function's text and no script element: the page's policy forbids those, as it should.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`);
}
