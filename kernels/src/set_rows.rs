//! Rows of a matrix written to some rows of another, in its dtype: how a cache of keys and values grows.

use crate::convert::store;
use crate::team::Team;
use core::slice::from_raw_parts;
use wasm_bindgen::prelude::wasm_bindgen;

/// Rows of a chunk.
const CHUNK: usize = 16;

/// `out[rows[i]] = x[i]`, `count` rows of `cols` numbers, all different in `out`.
#[wasm_bindgen]
pub unsafe fn set_rows(
    team: *const Team,
    x: *const f32,
    count: usize,
    cols: usize,
    rows: *const u32,
    out: *mut u8,
    dtype: u32,
) {
    for run in (*team).runs(count, CHUNK) {
        for i in run {
            store(from_raw_parts(x.add(i * cols), cols), out, dtype, *rows.add(i) as usize * cols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::F16;
    use crate::team::alone;

    #[test]
    fn rows_are_rounded_where_they_belong_and_others_stay() {
        let x = [1f32, 2.0, -0.5, 65504.0];
        let rows = [2u32, 0];
        let mut out = [7u16; 6];
        let (p, r, o) = (x.as_ptr(), rows.as_ptr(), out.as_mut_ptr() as *mut u8);
        unsafe { alone(|team| set_rows(team, p, 2, 2, r, o, F16)) }
        assert_eq!(out, [0xb800, 0x7bff, 7, 7, 0x3c00, 0x4000]);
    }
}
