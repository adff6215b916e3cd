/**
 * The dense safetensors file that a file in another form stands for, as a {@linkcode Source} whose bytes are made when they are
 * read. To all above it, it is a shard like any other; it never exists whole.
 */
import { PareError } from "../../errors.ts";
import type { Shard } from "../assemble.ts";
import { quote } from "../quote.ts";
import { type Entry, readSafetensors, type Safetensors } from "../safetensors.ts";
import type { Source } from "../source.ts";

/** Reads rows of a matrix that the file holds in another form, as the dense file has them. */
export interface RowReader {
  /** Bytes of a row. */
  readonly rowBytes: number;
  /** Whole rows. */
  read(first: number, rows: number): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * The shard of a dense file.
 * @param file The file as it is. Disposing of the shard's source closes `file`.
 * @param header The dense file's header, whole. It is checked as one of a file is.
 * @param physical The tensors of the file that the dense one has as well, by their names.
 * @param readers What makes the other ones, by their names.
 * @throws PareError if the header is none, or says other tensors than those.
 */
export async function denseView(
  file: Source,
  header: Uint8Array<ArrayBuffer>,
  physical: ReadonlyMap<string, Entry>,
  readers: ReadonlyMap<string, RowReader & Pick<Entry, "dtype" | "shape" | "bytes">>,
): Promise<Shard> {
  const parts = [...physical.values(), ...readers.values()];
  const size = parts.reduce((sum, { bytes }) => sum + bytes, header.length);
  const beginning: Source = {
    name: `${file.name}, the dense file's header`,
    size,
    read: (offset, length) => Promise.resolve(header.slice(offset, offset + length)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  if (header.length < 8) throw new PareError(`${file.name}: it has no header of the dense file`);
  const { entries }: Safetensors = await readSafetensors(beginning);
  for (const { name, dtype, shape } of entries.values()) {
    const found = physical.get(name) ?? readers.get(name);
    if (!found) throw new PareError(`${file.name}: tensor ${quote(name)} of the dense file is not in it`);
    const [said, is] = [{ dtype, shape }, found].map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`);
    if (said !== is) {
      throw new PareError(`${file.name}: tensor ${quote(name)} is ${said} in the dense file, ${is} in it`);
    }
  }
  for (const name of [...physical.keys(), ...readers.keys()]) {
    if (!entries.has(name)) throw new PareError(`${file.name}: the dense file has no tensor ${quote(name)}`);
  }
  const inOrder = [...entries.values()];
  const readPart = async ({ name }: Entry, begin: number, end: number): Promise<Uint8Array> => {
    const own = physical.get(name);
    if (own) return await file.read(own.offset + begin, end - begin);
    const { rowBytes, read } = readers.get(name)!;
    const first = Math.floor(begin / rowBytes), rows = Math.ceil(end / rowBytes) - first;
    return (await read(first, rows)).subarray(begin - first * rowBytes, end - first * rowBytes);
  };
  return {
    header,
    entries,
    source: {
      name: file.name,
      size,
      async read(offset, length) {
        if (offset === 0 && length <= header.length) return header.slice(0, length);
        const end = offset + length;
        const wanted = inOrder.filter((entry) =>
          entry.bytes && entry.offset < end && entry.offset + entry.bytes > offset
        );
        const cut = ({ offset: at, bytes }: Entry) => [Math.max(0, offset - at), Math.min(bytes, end - at)] as const;
        if (wanted.length === 1 && physical.has(wanted[0].name) && offset >= header.length) {
          const own = physical.get(wanted[0].name)!, [begin, to] = cut(wanted[0]);
          if (to - begin === length) return await file.read(own.offset + begin, length);
        }
        const bytes = new Uint8Array(length);
        bytes.set(header.subarray(offset, end));
        for (const entry of wanted) {
          const [begin, to] = cut(entry);
          bytes.set(await readPart(entry, begin, to), entry.offset + begin - offset);
        }
        return bytes;
      },
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    },
  };
}
