/** A test of the dashboard in headless Chromium: a server over a registry of its own, and a page that must stay without errors. */
import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { CHROMIUM, openPage } from "./browser.ts";
import { type Fixture, openFixture } from "./fixture.ts";

if (!CHROMIUM) {
  console.warn("SKIPPED: the dashboard's tests need Chromium (apt-get install chromium, or CHROMIUM=PATH)");
}

/** How a test's page is made. */
export interface Setting {
  readonly scheme?: "light" | "dark";
  readonly token?: string;
  /** What the console may say: Chromium puts every failed request there. */
  readonly expected?: string;
  /** Fills the registry before the page is opened. */
  readonly fill?: (fixture: Fixture) => void;
  /** A registry without the fixture's runs. */
  readonly empty?: boolean;
}

/** A test of a page that must stay without errors and without requests to other hosts. */
export function testPage(
  claim: string,
  act: (page: Page, fixture: Fixture & { readonly shutdown: () => Promise<void> }) => Promise<void>,
  { scheme, token, expected, fill, empty }: Setting = {},
): void {
  Deno.test({
    name: claim,
    ignore: !CHROMIUM,
    // Playwright keeps the pipes of its browser until the process ends.
    sanitizeResources: false,
    sanitizeOps: false,
    async fn() {
      await using fixture = await openFixture({ token }, empty);
      fill?.(fixture);
      const { addr, shutdown } = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        (request) => fixture.app.fetch(request),
      );
      {
        await using watched = await openPage(`http://127.0.0.1:${addr.port}/`, scheme);
        await act(watched.page, { ...fixture, shutdown });
        assertEquals(watched.errors.filter((error) => !(expected && error.includes(expected))), []);
        assertEquals(watched.strangers, []);
      }
      await shutdown();
    },
  });
}
