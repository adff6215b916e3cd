//! For the tests: numbers to compute with, and how far f32 may be from the f64 truth.

/// `n` numbers in [-1, 1), always the same for a seed (a linear congruential generator, Knuth's MMIX constants).
pub fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) as f32
    };
    (0..n).map(|_| next()).collect()
}

/// A sum of `terms` products whose sizes add up to `size`: each addition may err by half a unit of the partial sum,
/// so `terms * 2^-24 * size` bounds the error to first order (Higham, Accuracy and Stability, section 3.1).
pub fn close(found: f32, expected: f64, size: f64, terms: usize, what: &str) {
    let bound = (terms + 2) as f64 * 2f64.powi(-24) * size;
    let error = (found as f64 - expected).abs();
    assert!(error <= bound, "{what}: {found} is not {expected} within {bound:e}");
}

/// Checks y (tokens x outs) against `x Wᵀ (+ bias)`, number by number in f64: x tokens x depth, W outs x depth.
pub fn close_product(y: &[f32], x: &[f32], weight: &[f32], bias: Option<&[f32]>, depth: usize, what: &str) {
    let outs = weight.len() / depth;
    for (at, &found) in y.iter().enumerate() {
        let (t, o) = (at / outs, at % outs);
        let (mut sum, mut size) = (bias.map_or(0.0, |bias| bias[o] as f64), 1.0);
        for k in 0..depth {
            let term = x[t * depth + k] as f64 * weight[o * depth + k] as f64;
            sum += term;
            size += term.abs();
        }
        close(found, sum, size, depth, &format!("{what}y[{t}, {o}]"));
    }
}
