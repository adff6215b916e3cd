// Products of 4 x 4 blocks held in registers: shared by the shaders that multiply matrices.

// Four rows of a tile of sums, in up to four blocks; a column of a block is four numbers of one row.
alias Strip = array<mat4x4f, 4>;

// sum + w x: four numbers of a row.
fn step(sum: vec4f, w: mat4x4f, x: vec4f) -> vec4f {
  return fma(w[3], vec4f(x.w), fma(w[2], vec4f(x.z), fma(w[1], vec4f(x.y), fma(w[0], vec4f(x.x), sum))));
}

// sum + w x for the four rows of a block.
fn block(sum: mat4x4f, w: mat4x4f, x: mat4x4f) -> mat4x4f {
  return mat4x4f(step(sum[0], w, x[0]), step(sum[1], w, x[1]), step(sum[2], w, x[2]), step(sum[3], w, x[3]));
}
