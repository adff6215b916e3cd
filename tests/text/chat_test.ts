/** A conversation as text: by the template of the model's files, in a sandbox of time, refused in one line. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { type ChatTemplate, loadChatTemplate } from "../../src/text/chat.ts";
import { hurried } from "./hurried.ts";

/** ChatML (OpenAI, 2023), as several models have it. */
const CHATML = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + " +
  "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

type Files = Readonly<Record<string, unknown>>;

/** The template of a model with these files, if it has one. */
const find = (files: Files) =>
  loadChatTemplate((file) => {
    const found = files[file];
    return Promise.resolve(found === undefined || typeof found === "string" ? found : JSON.stringify(found));
  }, "m");

async function load(files: Files): Promise<ChatTemplate> {
  const template = await find(files);
  assert(template);
  return template;
}

const HI = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi {{ 1 }}" }];

Deno.test("a conversation is written by the template, up to where the model goes on", async () => {
  const template = await load({
    "tokenizer_config.json": { chat_template: CHATML, eos_token: { content: "<|im_end|>" } },
  });
  assertEquals(
    template.render(HI),
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi {{ 1 }}<|im_end|>\n<|im_start|>assistant\n",
  );
  assertEquals(template.endOfTurn, "<|im_end|>");
});

Deno.test("a file of its own goes before the tokenizer's config, and of several the default one", async () => {
  const config = { chat_template: [{ name: "tool_use", template: "tools" }, { name: "default", template: "plain" }] };
  assertEquals((await load({ "tokenizer_config.json": config })).render(HI), "plain");
  const own = "{{ bos_token }}{{ messages | length }}";
  const files = { "chat_template.jinja": own, "tokenizer_config.json": { ...config, bos_token: "<s>" } };
  assertEquals((await load(files)).render(HI), "<s>2");
});

Deno.test("a broken template, one that refuses and one without an end are told in one line", async () => {
  assertEquals(await find({}), undefined);
  await assertRejects(() => load({ "chat_template.jinja": "{% if %}" }), PareError, "m: chat template: ");
  const refuse = async (template: string) => {
    const { render } = await load({ "chat_template.jinja": template });
    return assertThrows(() => hurried(() => render(HI)), PareError).message;
  };
  assertEquals(await refuse("{{ raise_exception('no system messages') }}"), "m: chat template: no system messages");
  const endless = "{% for i in r %}".repeat(9) + "{% endfor %}".repeat(9);
  assertEquals((await refuse(`{% set r = range(99) %}${endless}`)).startsWith("m: chat template: "), true);
});
