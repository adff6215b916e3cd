/** The backend on a device: its operations are in the files of each group, the arithmetic is in `wgsl/`. */
import type { Backend } from "../backend.ts";
import { bind, type Realisation } from "../bind.ts";
import { attention } from "./attention.ts";
import * as backward from "./backward.ts";
import { selectCumulative } from "./cumulative.ts";
import type { Device } from "./device.ts";
import * as distribution from "./distribution.ts";
import { eliminate } from "./eliminate.ts";
import { Host } from "./factor.ts";
import * as forward from "./forward.ts";
import { addGram } from "./gram.ts";
import * as hold from "./hold.ts";
import * as measure from "./measure.ts";
import * as observe from "./observe.ts";
import { apply, score } from "./score.ts";
import { selectGroups, selectSmallest } from "./select.ts";
import { expand, linear, uploadPacked } from "./packed.ts";
import * as solve from "./solve.ts";
import type { TiledPacked } from "./tiled_packed.ts";
import { own, type TiledMask, type TiledTensor } from "./tensor.ts";
import * as tune from "./tune.ts";

/** Opens the backend of a device. */
export function bindDevice(device: Device, description: string, arithmetic: string): Backend {
  const host = new Host(), { batchTokens, spoolAbove } = device.tuning;
  const realisation: Realisation<Device, TiledTensor, TiledMask, TiledPacked> = {
    ...hold,
    ...forward,
    linear,
    attention,
    ...backward,
    ...observe,
    uploadPacked,
    expand,
    addGram,
    score,
    selectSmallest,
    selectGroups,
    selectCumulative,
    apply,
    ...measure,
    inverseFactor: (_, hessian, damping) => host.inverseFactor(backend, hessian, damping),
    eliminate,
    ...solve,
    ...distribution,
    ...tune,
  };
  const backend: Backend = bind(
    device,
    {
      name: "webgpu",
      description,
      arithmetic,
      limits: { memoryBytes: Infinity, batchTokens, spoolAbove, bindingBytes: device.bindingLimit },
      get live(): number {
        return device.live;
      },
      /** This device's clock is not asked. */
      seconds: () => Promise.resolve({}),
      async [Symbol.asyncDispose](): Promise<void> {
        device.destroy();
        await host[Symbol.asyncDispose]();
      },
    },
    realisation,
    own,
  );
  return backend;
}
