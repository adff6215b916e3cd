//! Zeros where a mask says so, in the weight's own dtype.

use crate::dtype::F32;
use crate::lanes::words;
use crate::team::Team;
use wasm_bindgen::prelude::wasm_bindgen;

/// Numbers of a chunk, about.
const CHUNK: usize = 32768;

/// Sets the weights (rows x cols) whose bit is 1 to +0.
#[wasm_bindgen]
pub unsafe fn apply(team: *const Team, weight: *mut u8, dtype: u32, rows: usize, cols: usize, mask: *const u32) {
    for row in (*team).runs(rows, CHUNK.div_ceil(cols)).flatten() {
        let mask = words(mask, row, cols);
        if dtype == F32 {
            clear((weight as *mut u32).add(row * cols), mask);
        } else {
            clear((weight as *mut u16).add(row * cols), mask);
        }
    }
}

unsafe fn clear<T: Default>(row: *mut T, mask: &[u32]) {
    for (w, &word) in mask.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            *row.add(w * 32 + left.trailing_zeros() as usize) = T::default();
            left &= left - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::alone;

    #[test]
    fn only_marked_weights_become_zero() {
        let mask = [0x8000_0001u32, 0b10, 0, 0b1];
        let mut halves = vec![7u16; 70];
        let mut singles = vec![7f32; 70];
        let (h, s, m) = (halves.as_mut_ptr(), singles.as_mut_ptr(), mask.as_ptr());
        unsafe {
            alone(|team| apply(team, h as *mut u8, 1, 2, 35, m));
            alone(|team| apply(team, s as *mut u8, 0, 2, 35, m));
        }
        for i in 0..70 {
            let gone = [0, 31, 33, 35 + 32].contains(&i);
            assert_eq!(halves[i], if gone { 0 } else { 7 });
            assert_eq!(singles[i], if gone { 0.0 } else { 7.0 });
        }
    }
}
