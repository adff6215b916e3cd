/** Golden files as the tests read them: a few lines of safetensors of their own, independent of src/checkpoint. */
import { type Batch, rectangle } from "../../src/text/batch.ts";

/** A file's tensors as bytes, by name, with their shapes. */
export class GoldenFile {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #start: number;
  readonly #header: Record<string, { shape: number[]; data_offsets: [number, number] }>;

  constructor(path: string) {
    this.#bytes = Deno.readFileSync(path);
    const length = Number(new DataView(this.#bytes.buffer).getBigUint64(0, true));
    this.#start = 8 + length;
    this.#header = JSON.parse(new TextDecoder().decode(this.#bytes.subarray(8, this.#start)));
    delete this.#header.__metadata__;
  }

  get names(): string[] {
    return Object.keys(this.#header);
  }

  has(name: string): boolean {
    return name in this.#header;
  }

  shape(name: string): number[] {
    return this.#header[name].shape;
  }

  bytes(name: string): Uint8Array<ArrayBuffer> {
    const [from, to] = this.#header[name].data_offsets;
    return this.#bytes.slice(this.#start + from, this.#start + to);
  }

  floats(name: string): Float32Array<ArrayBuffer> {
    return new Float32Array(this.bytes(name).buffer);
  }

  tokens(name: string): Batch & { sequences: number; length: number } {
    const [sequences, length] = this.shape(name);
    return { ...rectangle(new Uint32Array(this.bytes(name).buffer), length), sequences, length };
  }
}
