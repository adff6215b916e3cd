/** A step of the optimiser and dropout on the WebGPU backend: elementwise, cut along the tiles of their matrices. */
import type { AdamWOptions, DropoutOptions, Moments } from "../backend.ts";
import { adamwConstants, dropoutLimit } from "../operations/tune.ts";
import { type Device, line, THREADS } from "./device.ts";
import { type Owned, runsOf, TiledTensor } from "./tensor.ts";

/** See {@linkcode Backend.adamw}. */
export function adamw(
  device: Device,
  weight: TiledTensor,
  { first, second }: Owned<Moments>,
  gradient: TiledTensor,
  { mask, ...options }: Owned<AdamWOptions>,
): void {
  const constants = adamwConstants(options).map((f32) => ({ f32 }));
  const held = [weight, first, second, gradient], words = mask?.words;
  for (const run of runsOf([...held, ...words ? [words] : []])) {
    const work = run.rows * weight.cols;
    device.dispatch({
      shader: "adamw",
      constants: { MASKED: words ? 1 : 0 },
      params: [
        run.rows,
        weight.cols,
        words?.cols ?? 0,
        ...held.map((matrix) => matrix.placeOf(run.first)),
        words?.placeOf(run.first) ?? 0,
        ...constants,
      ],
      buffers: [...held.map((matrix) => matrix.tileOf(run.first)), (words ?? gradient).tileOf(run.first)],
      groups: line(work, THREADS),
      work,
    });
  }
}

/** See {@linkcode Backend.dropout}. */
export function dropout(device: Device, x: TiledTensor, { rate, key }: DropoutOptions): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader: "dropout",
      params: [count, i * x.tileRows * x.cols, key, dropoutLimit(rate), { f32: 1 / (1 - rate) }],
      buffers: [tile, out.tiles[i]],
      groups: line(count, THREADS),
      work: count,
    });
  });
  return out;
}
