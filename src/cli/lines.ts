/** A stream of text, cut into lines. */

/** Whole lines without their ends; what stands behind the last end is dropped, since it was cut. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(text, lines) {
        const parts = (rest + text).split("\n");
        rest = parts.pop()!;
        for (const line of parts) lines.enqueue(line);
      },
    });
  }
}
