/** Damaged configurations, as bytes and as values of the wrong kind. */
import { parseObject } from "../../src/checkpoint/json.ts";
import { parseConfig } from "../../src/model/read.ts";
import { damage, fuzz } from "./mutations.ts";
import type { Random } from "./seed.ts";

const MODELS = ["Austen-700K", "tiny-llama3", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"];
const files = MODELS.map((model) =>
  Deno.readFileSync(new URL(`../fixtures/models/${model}/config.json`, import.meta.url))
);

/** What no field expects. */
const ODD = [null, true, "", "a\nb", "\u2028", -1, 0, 0.5, 1e308, 2 ** 53, -(2 ** 31), NaN, [], [1], {}, {
  rope_type: "x\ny",
}];

function change(config: Record<string, unknown>, random: Random): Record<string, unknown> {
  const keys = Object.keys(config), changed = { ...config };
  for (let times = 1 + random(3); times > 0; times--) {
    const key = keys[random(keys.length)], value = changed[key];
    changed[key] = value && typeof value === "object" && !Array.isArray(value) && random(2)
      ? change(value as Record<string, unknown>, random)
      : ODD[random(ODD.length)];
  }
  return changed;
}

fuzz("config.json as bytes", 10_000, (random) => {
  const bytes = damage(files[random(files.length)], random);
  return Promise.resolve().then(() => parseConfig(parseObject(bytes, "config.json"), "f"));
});

fuzz("config.json as values", 10_000, (random) => {
  const config = parseObject(files[random(files.length)], "config.json");
  return Promise.resolve().then(() => parseConfig(change(config, random), "f"));
});
