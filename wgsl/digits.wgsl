// Exact selection by counting: shared by select_row.wgsl and by the steps of the selection in larger groups.
// The score of rank `remove` (from 0) in ascending order is found four bits at a time, from the top: of the 16 numbers
// that begin with the bits found so far, the wanted one begins as the last of which no more than `remove` scores are
// below. Their bits without the sign order as their magnitudes do. Eight passes, nothing sorted, nothing moved.

const PASSES = 8u;

// One number for each value of the next digit.
alias Digits = array<vec4u, 4>;

// The 16 numbers that begin with the bits of `value`; `unit` is the digit's 1.
fn candidates_of(value: u32, unit: u32) -> Digits {
  let first = vec4u(value) + vec4u(0u, 1u, 2u, 3u) * unit;
  return Digits(first, first + 4u * unit, first + 8u * unit, first + 12u * unit);
}

// Counts a score with those below each candidate.
fn count_score(counts: ptr<function, Digits>, candidates: Digits, score: u32) {
  (*counts)[0] += select(vec4u(0u), vec4u(1u), vec4u(score) < candidates[0]);
  (*counts)[1] += select(vec4u(0u), vec4u(1u), vec4u(score) < candidates[1]);
  (*counts)[2] += select(vec4u(0u), vec4u(1u), vec4u(score) < candidates[2]);
  (*counts)[3] += select(vec4u(0u), vec4u(1u), vec4u(score) < candidates[3]);
}
