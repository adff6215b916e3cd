/**
 * llama.cpp as WebAssembly (wllama) in headless Chromium, for text token by token: Deno has none of the workers that it starts.
 * Asked for a GGUF file, a prompt's text and a number of tokens, it writes the likeliest ones and answers with their text and the
 * seconds that the prompt and the text took, as it counts them itself.
 */
import { chromium } from "npm:playwright-core@1.65.1"; // deno.json's
import { answer } from "./serve.ts";

/** What is asked. */
interface Question {
  readonly model: string;
  readonly prompt: string;
  readonly tokens: number;
  readonly length: number;
}

const PACKAGE = "@wllama/wllama", VERSION = "3.13.0";
const CHROMIUM = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";

/** The package's files, fetched if they are not there. */
async function packageFolder(): Promise<string> {
  const deno = async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
    return new TextDecoder().decode(stdout);
  };
  await deno("cache", "--no-lock", "--no-config", `npm:${PACKAGE}@${VERSION}`);
  return `${JSON.parse(await deno("info", "--json")).npmCache}/registry.npmjs.org/${PACKAGE}/${VERSION}/esm`;
}

/** Threads share memory only in a page that is isolated from others. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-store",
};
const TYPES: Readonly<Record<string, string>> = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

await answer(async () => {
  const folder = await packageFolder();
  let model = "";
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url), type = TYPES[pathname.split(".").at(-1)!] ?? "application/octet-stream";
    const headers = { ...ISOLATED, "content-type": pathname === "/" ? "text/html" : type };
    if (pathname === "/") return new Response("<!doctype html>", { headers });
    try {
      return new Response((await Deno.open(pathname === "/model" ? model : folder + pathname)).readable, { headers });
    } catch (error) {
      return new Response(String(error), { status: 404 });
    }
  });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  page.setDefaultTimeout(600_000);
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  const threads = navigator.hardwareConcurrency;
  return {
    name: `llama.cpp as WebAssembly (wllama ${VERSION}, Chromium ${browser.version().split(".")[0]})`,
    async ask({ model: path, prompt, tokens, length }: Question) {
      if (path !== model) {
        model = path;
        await page.evaluate(async ({ length, threads }) => {
          const scope = globalThis as unknown as { wllama?: { exit(): Promise<void> } }, module = "/index.js";
          await scope.wllama?.exit();
          const { Wllama, LoggerWithoutDebug } = await import(module);
          const wllama = new Wllama({ default: "/wasm/wllama.wasm" }, { logger: LoggerWithoutDebug });
          await wllama.loadModel([await (await fetch("/model")).blob()], { n_ctx: length, n_threads: threads });
          scope.wllama = wllama;
        }, { length, threads });
      }
      return await page.evaluate(async ({ prompt, tokens }) => {
        // deno-lint-ignore no-explicit-any -- a page's global, whose types are in a package that only the page loads
        const { wllama } = globalThis as any;
        const asked = { prompt, max_tokens: tokens, temperature: 0, cache_prompt: false, ignore_eos: true };
        const { choices, timings } = await wllama.createCompletion(asked);
        return {
          text: choices[0].text,
          threads: wllama.getNumThreads(),
          promptTokens: timings.prompt_n,
          promptSeconds: timings.prompt_ms / 1000,
          tokens: timings.predicted_n,
          seconds: timings.predicted_ms / 1000,
        };
      }, { prompt, tokens });
    },
  };
});
