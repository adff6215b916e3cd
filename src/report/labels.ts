/**
 * Words beside points, none over another: each stands to the right of its point, or as near to that as there is room, with
 * a line to the point where it had to move away. Widths are estimated, generously: a file has no font to measure.
 */

/** A word that belongs to a point, in pixels. */
export interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
}

/** Where a label stands: the middle of its height, and the end of it that is next to its point. */
export interface Placed extends Label {
  readonly left: number;
  readonly middle: number;
  readonly anchor: "start" | "end";
}

/** Where labels may stand: beside the numbers of the axes and within the picture. Pixels. */
export interface Room {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Pixels of a label's height, of one of its letters (sans-serif of 10 px), between it and its point, and of a point. */
const HEIGHT = 12, LETTER = 6.2, GAP = 10, POINT = 5;

/** How far a label may be from its point's height until a line says whose it is. */
const NEAR = 8;

/** A rectangle, in pixels. */
type Box = readonly [left: number, top: number, right: number, bottom: number];

/** Pixels of a text's width. */
export const widthOf = (text: string): number => text.length * LETTER;

/** The rectangle that a label covers. */
export function boxOf({ text, left, middle, anchor }: Placed): Box {
  const start = anchor === "start" ? left : left - widthOf(text);
  return [start, middle - HEIGHT / 2, start + widthOf(text), middle + HEIGHT / 2];
}

/** True for a label that needs a line to its point. */
export const isFar = ({ y, middle }: Placed): boolean => Math.abs(y - middle) > NEAR;

const overlap = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** The height that a picture needs so that this many labels find room beside each other's points. */
export const heightFor = (count: number): number => HEIGHT * (2 * count + 4);

/** Places labels, from the lowest point up; `points` are not covered where that can be avoided. */
export function placeLabels(labels: readonly Label[], room: Room): Placed[] {
  const points = labels.map(({ x, y }): Box => [x - POINT, y - POINT, x + POINT, y + POINT]), taken: Box[] = [];
  return labels.toSorted((a, b) => b.y - a.y || a.x - b.x).map((label) => {
    const steps = Array.from(
      { length: Math.ceil(4 * (room.bottom - room.top) / HEIGHT) },
      (_, at) => (at + 1 >> 1) * (at % 2 ? -1 : 1),
    );
    const candidates = steps.flatMap((step) =>
      (["start", "end"] as const).map((anchor): Placed => ({
        ...label,
        middle: label.y + step * HEIGHT / 2,
        left: label.x + (anchor === "start" ? GAP : -GAP),
        anchor,
      }))
    ).filter((one) => {
      const [left, top, right, bottom] = boxOf(one);
      return left >= room.left && top >= room.top && right <= room.right && bottom <= room.bottom;
    });
    const free = (boxes: readonly Box[]) => (one: Placed) => !boxes.some((box) => overlap(box, boxOf(one)));
    const placed = candidates.find(free([...taken, ...points])) ?? candidates.find(free(taken)) ?? candidates[0];
    taken.push(boxOf(placed));
    return placed;
  });
}
