//! A symmetric matrix in a scale of its own for every row and column, with ones on its diagonal: `s_i a_ij s_j`.

use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 16384;

/// `out = s_i a_ij s_j`, n x n, 1 on the diagonal; `scale` is 1 x n.
#[wasm_bindgen]
pub unsafe fn equilibrate(team: *const Team, a: *const f32, n: usize, scale: *const f32, out: *mut f32) {
    for i in (*team).runs(n, CHUNK.div_ceil(n)).flatten() {
        let (from, to, own) = (a.add(i * n), out.add(i * n), *scale.add(i));
        for j in 0..n {
            // The product of the scales first: the same for (i, j) and (j, i).
            *to.add(j) = *from.add(j) * (own * *scale.add(j));
        }
        *to.add(i) = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;
    use crate::team::alone;

    #[test]
    fn rows_and_columns_are_scaled_and_the_diagonal_is_one() {
        let n = 37;
        let (a, scale) = (numbers(n * n, 1), numbers(n, 2));
        let mut out = vec![f32::NAN; n * n];
        unsafe { alone(|team| equilibrate(team, a.as_ptr(), n, scale.as_ptr(), out.as_mut_ptr())) }
        for (at, &found) in out.iter().enumerate() {
            let (i, j) = (at / n, at % n);
            let expected = if i == j { 1.0 } else { a[at] * (scale[i] * scale[j]) };
            assert_eq!(found, expected);
        }
    }
}
