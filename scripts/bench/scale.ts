/**
 * What models too large for this machine would take: memory, disk and traffic as the plan of a run tells them, time by the
 * rate that a core has here, and several machines by simulation (`simulation.ts`). The rate is counted in CPU seconds, which
 * other programs on the machine do not lengthen much.
 */
import process from "node:process";
import {
  type Backend,
  chooseTargets,
  findMethod,
  makeRequest,
  openBackend,
  parseConfig,
  planPrune,
} from "../../src/mod.ts";
import { modelTensors } from "../../src/model/layers.ts";
import { rectangle } from "../../src/text/batch.ts";
import { randomFloats } from "./model.ts";
import type { Bench } from "./part.ts";
import { faster, figure, over, type Ratio } from "./ratio.ts";
import { LLAMA_405B_CONFIG, LLAMA_70B_CONFIG, LLAMA_7B_CONFIG } from "./shapes.ts";
import { simulate, workOf } from "./simulation.ts";

const MODELS = {
  "LLaMA-7B": { ...LLAMA_7B_CONFIG, num_hidden_layers: 32 },
  "LLaMA-2-70B": { ...LLAMA_70B_CONFIG, num_hidden_layers: 80 },
  "LLaMA-3.1-405B": { ...LLAMA_405B_CONFIG, num_hidden_layers: 126 },
} as const;

/** The published calibration. */
const SEQUENCES = 128, LENGTH = 2048;

/** Bytes of a BF16 number. */
const WIDTH = 2;

/** Cores of a server, and operations a second of a GPU that reaches a tenth of its peak: assumed, not measured. */
const SERVER_CORES = 64, GPU_RATE = 5e12;

/** Bytes a second of links: 1, 10 and 100 Gbit/s. */
const LINKS = { "1 Gbit/s": 0.125e9, "10 Gbit/s": 1.25e9, "100 Gbit/s": 12.5e9 } as const;

const RANKS = [2, 4, 8, 16, 32, 64];

/** Above this share of a run the exchange counts as costing something. */
const COSTS = 0.1;

/** A linear of LLaMA-7B's attention, and how often: seconds of work. */
const SIDE = 4096, TOKENS = 512, ROUNDS = 3;

/** Operations that a core does in a second of its time, in a linear. */
async function rateOfCore(): Promise<number> {
  await using backend = await openBackend("wasm", { workers: 1 });
  const upload = (rows: number) => backend.upload(new Uint8Array(randomFloats(rows * SIDE).buffer), rows, SIDE, "F32");
  using x = upload(TOKENS), weight = upload(SIDE);
  const once = async () => {
    using _y = backend.linear(x, weight);
    await backend.read();
  };
  await once();
  const before = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) await once();
  const { user, system } = process.cpuUsage(before);
  return 2 * ROUNDS * TOKENS * SIDE ** 2 / ((user + system) / 1e6);
}

/** See the file's head. */
export async function benchScale({ note }: Bench): Promise<Ratio[]> {
  note("scale: the rate of a core");
  const core = await rateOfCore(),
    ratios: Ratio[] = [],
    places = {
      "2 cores": 2 * core,
      [`${SERVER_CORES} cores`]: SERVER_CORES * core,
      "5 TFLOP/s": GPU_RATE,
    };
  ratios.push(
    over(
      "a core by WASM, of a GPU of 5 TFLOP/s",
      figure("a core", "GFLOP/s", [core / 1e9]),
      figure("5 TFLOP/s", "GFLOP/s", [GPU_RATE / 1e9]),
    ),
  );
  await using real = await openBackend("wasm");
  // What does not fit into the memory of WebAssembly is to be told, not refused.
  const backend: Backend = Object.create(real, { limits: { value: { ...real.limits, memoryBytes: Infinity } } });
  for (const [model, config] of Object.entries(MODELS)) {
    const spec = parseConfig(config, model);
    const stored = modelTensors(spec).map(({ name, shape }) => {
      const bytes = WIDTH * shape.reduce((product, size) => product * size);
      return [name, { name, dtype: "BF16", shape, bytes, offset: 0, shard: "" }] as const;
    });
    const weightBytes = stored.reduce((sum, [, { bytes }]) => sum + bytes, 0);
    // deno-lint-ignore no-explicit-any -- a plan asks a checkpoint for the sizes of its tensors alone
    const checkpoint = { path: model, tensors: new Map(stored) } as any;
    for (const name of ["wanda", "sparsegpt"]) {
      const method = findMethod(name), request = makeRequest(method, {}), called = `${model}, ${name}`;
      note(`scale: ${called}`);
      const targets = chooseTargets(spec, request);
      const plan = await planPrune(backend, checkpoint, spec, targets, {
        method,
        calibration: rectangle(new Uint32Array(SEQUENCES * LENGTH), LENGTH),
        spool: { always: true, file: "none" },
      });
      const gigabytes = (label: string, bytes: number) => figure(label, "GB", [bytes / 1e9]);
      const weights = gigabytes("weights", weightBytes);
      ratios.push(
        over(`${called}: memory`, gigabytes("peak", plan.peakBytes), weights),
        over(`${called}: disk`, gigabytes("hidden states", plan.hiddenBytes), weights),
        over(`${called}: traffic`, gigabytes("read and written", plan.readBytes + weightBytes), weights),
      );
      const work = workOf(spec, method, SEQUENCES, LENGTH, WIDTH);
      for (const [place, rate] of Object.entries(places)) {
        const alone = figure(`1 machine of ${place}`, "h", [simulate(work, { rate, link: 1 }, 1).seconds / 3600]);
        ratios.push(
          over(
            `${called}: time`,
            alone,
            figure("5 TFLOP/s", "h", [simulate(work, { rate: GPU_RATE, link: 1 }, 1).seconds / 3600]),
          ),
        );
        for (const [link, bytes] of Object.entries(LINKS)) {
          const found = RANKS.map((ranks) => ({ ranks, ...simulate(work, { rate, link: bytes }, ranks) }));
          const costly = found.find(({ seconds, exchangeSeconds }) => exchangeSeconds > COSTS * seconds)?.ranks;
          for (const { ranks, seconds, exchangeSeconds } of found) {
            const share = `${(100 * exchangeSeconds / seconds).toFixed(0)} % of it exchange`;
            const label = `${ranks} machines, ${share}${ranks === costly ? ": from here on it costs" : ""}`;
            ratios.push(faster(`${called}: ${place}, ${link}`, figure(label, "h", [seconds / 3600]), alone));
          }
        }
      }
    }
  }
  return ratios;
}
