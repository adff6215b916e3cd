/** Models that are damaged in one way each: a copy of a sound one, changed. */
import { copyDirectory } from "../checkpoint/folders.ts";
import { safetensorsFile } from "../checkpoint/safetensors_file.ts";

/** The header of a safetensors file, as JSON. */
export type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** A sound model's copy in a folder, and ways to harm it. */
export class Copy {
  constructor(readonly path: string, model: string) {
    copyDirectory(model, path);
  }

  /** Changes the bytes of a file, or puts others in their place. */
  change(file: string, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | void): void {
    const path = `${this.path}/${file}`, bytes = Deno.readFileSync(path);
    Deno.writeFileSync(path, change(bytes) ?? bytes);
  }

  /** Changes an object in a JSON file. */
  json(file: string, change: (value: Record<string, unknown>) => void): void {
    this.change(file, (bytes) => {
      const value = JSON.parse(new TextDecoder().decode(bytes));
      change(value);
      return new TextEncoder().encode(JSON.stringify(value));
    });
  }

  /** Changes the header of model.safetensors; the bytes after it stay. */
  header(change: (header: Header) => void): void {
    this.change("model.safetensors", (bytes) => {
      const end = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const header: Header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end)));
      change(header);
      return safetensorsFile(header, bytes.subarray(end));
    });
  }

  /** Puts tensors behind those of model.safetensors. */
  add(tensors: Readonly<Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>>): void {
    this.change("model.safetensors", (whole) => {
      const end = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
      const header: Header = JSON.parse(new TextDecoder().decode(whole.subarray(8, end)));
      const data = [...whole.subarray(end)];
      for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
        header[name] = { dtype, shape, data_offsets: [data.length, data.length + bytes.length] };
        data.push(...bytes);
      }
      return safetensorsFile(header, Uint8Array.from(data));
    });
  }

  /** Changes the bytes of a tensor of model.safetensors. */
  tensor(name: string, change: (bytes: Uint8Array) => void): void {
    this.change("model.safetensors", (bytes) => {
      const end = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const header: Header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end)));
      const [from, to] = header[name].data_offsets;
      change(bytes.subarray(end + from, end + to));
    });
  }
}
