// What a weight is worth in an elimination: shared by the shaders that choose. `column` is what the formula takes of the
// weight's column: its statistic, or the factor's diagonal.

const MAGNITUDE = 0u;
const ACTIVATION = 1u;

fn worth(weight: f32, column: f32, formula: u32) -> f32 {
  if (formula == MAGNITUDE) {
    return abs(weight);
  }
  if (formula == ACTIVATION) {
    return abs(weight) * sqrt(column);
  }
  return weight * weight / (column * column);
}
