/**
 * The small seam under every checkpoint: something with a size, of which ranges can be read. A file is one; an HTTP
 * range request can be another. Everything above it is the same for both.
 */
export interface Source extends AsyncDisposable {
  /** What to call it in an error: a path or an address. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes `[offset, offset + length)`, whole.
   * @throws PareError if they are not all there.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Fetches a range that will be read in small parts, again and again, where each of them would be a request. */
  keep?(offset: number, length: number): Promise<void>;
}
