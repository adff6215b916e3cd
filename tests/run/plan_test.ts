/** Plans: one spelling and one id for one content, whoever wrote it; and what is no plan is told by its field. */
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { PareError } from "../../src/errors.ts";
import { canonicalJson, parsePlan, planId } from "../../src/run/plan.ts";
import type { Json, Plan } from "../../src/run/record.ts";

const plan: Plan = {
  kind: "prune",
  pare: "0.1.0",
  model: { name: "SmolLM2-135M", sha256: "0f".repeat(32) },
  backend: "wasm",
  request: {
    method: "wanda",
    sparsity: 0.5,
    pattern: "2:4",
    seed: 0,
    blocks: null,
    include: ["*.mlp.*"],
    variant: false,
  },
  calibration: { description: "Café, 128 x 2048", sequences: 128, seqlen: 2048, sha256: "a1".repeat(32) },
};

/** The same value with the keys of every object in another order. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, shuffled(inner)]));
}

Deno.test("canonical JSON is RFC 8785's own example, byte for byte", () => {
  // RFC 8785, section 3.2.2 (the input) and 3.2.3 (the output).
  const input = String.raw`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`;
  const output = '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`;
  assertEquals(canonicalJson(JSON.parse(input)), output);
});

Deno.test("a plan has the id that Python's json and hashlib give it", async () => {
  const program = "import sys,json,hashlib; p=json.load(sys.stdin); " +
    "print(hashlib.sha256(json.dumps(p,sort_keys=True,separators=(',',':'),ensure_ascii=False).encode()).hexdigest()[:16])";
  const python = new Deno.Command("python3", { args: ["-c", program], stdin: "piped", stdout: "piped" }).spawn();
  const writer = python.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(plan)));
  await writer.close();
  const { stdout } = await python.output();
  assertEquals(planId(plan), new TextDecoder().decode(stdout).trim());
});

Deno.test("an id depends on the content and not on the order of its keys", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (request, name) => {
    const one = { ...plan, request: request as Plan["request"], model: { ...plan.model, name } };
    assertEquals(planId(shuffled(one as unknown as Json) as unknown as Plan), planId(one));
    assertNotEquals(planId({ ...one, backend: "webgpu" }), planId(one));
  }));
});

Deno.test("a field that is undefined and one that is not there are the same plan", () => {
  const { calibration: _, ...without } = plan;
  assertEquals(planId({ ...without, calibration: undefined }), planId(without));
  assertEquals(planId({ ...plan, request: { ...plan.request, group: undefined! } }), planId(plan));
});

Deno.test("a plan survives its file", () => {
  assertEquals(parsePlan(canonicalJson(plan), "plan.json"), plan);
  assertEquals(
    planId(parsePlan(JSON.stringify(shuffled(plan as unknown as Json), null, 4), "plan.json")),
    planId(plan),
  );
});

Deno.test("what is no plan is told in one line, with its field", () => {
  const spoil = (change: Record<string, unknown>) => JSON.stringify({ ...plan, ...change });
  for (
    const [text, says] of [
      ["{", "plan.json: not a plan: not JSON: "],
      ["[]", "plan.json: not a plan: the whole: "],
      [spoil({ kind: "sharpen" }), "plan.json: not a plan: kind: "],
      [
        spoil({ model: { name: "m", sha256: "12" } }),
        "plan.json: not a plan: model.sha256: expected 64 hexadecimal digits",
      ],
      [spoil({ calibration: { ...plan.calibration, seqlen: 1.5 } }), "plan.json: not a plan: calibration.seqlen: "],
      [spoil({ sead: 1 }), "sead"],
      [spoil({ pare: undefined }), "plan.json: not a plan: pare: "],
    ]
  ) {
    const { message } = assertThrows(() => parsePlan(text, "plan.json"), PareError, says);
    assertEquals(message.split("\n").length, 1);
  }
});
