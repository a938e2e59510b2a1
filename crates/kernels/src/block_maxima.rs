//! The greatest number of every block of a row, in one pass: what a search for the greatest ones begins with. Plain loops, which
//! the compiler vectorises for each instruction set; the same loops are the scalar twin.

/// Numbers that are compared side by side.
const SIDE_BY_SIDE: usize = 32;

/// Appends the maximum of every block of `block` numbers of `row` to `maxima`, the last block being as long as it is; NaN is
/// passed over. True if there was one. The same on every CPU.
///
/// Panics if `block` is 0.
pub fn block_maxima(row: &[f32], block: usize, maxima: &mut Vec<f32>) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn avx512(row: &[f32], block: usize, maxima: &mut Vec<f32>) -> bool {
            scalar(row, block, maxima)
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2(row: &[f32], block: usize, maxima: &mut Vec<f32>) -> bool {
            scalar(row, block, maxima)
        }
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if has_avx512 && has_avx2 {
            // SAFETY: the features are there.
            return unsafe { avx512(row, block, maxima) };
        }
        if has_avx2 {
            // SAFETY: as above.
            return unsafe { avx2(row, block, maxima) };
        }
    }
    scalar(row, block, maxima)
}

#[inline(always)]
fn scalar(row: &[f32], block: usize, maxima: &mut Vec<f32>) -> bool {
    let mut any_nan = false;
    maxima.extend(row.chunks(block).map(|block| {
        let mut greatest = [f32::NEG_INFINITY; SIDE_BY_SIDE];
        let mut nan = [0_u32; SIDE_BY_SIDE];
        let (groups, rest) = block.as_chunks::<SIDE_BY_SIDE>();
        for group in groups {
            for lane in 0..SIDE_BY_SIDE {
                greatest[lane] = if group[lane] > greatest[lane] { group[lane] } else { greatest[lane] };
                nan[lane] |= u32::from(group[lane].is_nan());
            }
        }
        any_nan |= nan.into_iter().fold(0, |any, lane| any | lane) != 0;
        for (lane, &value) in rest.iter().enumerate() {
            greatest[lane] = if value > greatest[lane] { value } else { greatest[lane] };
            any_nan |= value.is_nan();
        }
        // By halves, which compares them side by side too.
        let mut width = SIDE_BY_SIDE / 2;
        while width > 0 {
            for lane in 0..width {
                let other = greatest[lane + width];
                greatest[lane] = if other > greatest[lane] { other } else { greatest[lane] };
            }
            width /= 2;
        }
        greatest[0]
    }));
    any_nan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_its_maximum() {
        for len in [0, 1, 31, 32, 33, 64, 65, 100, 1000] {
            let mut row: Vec<f32> = (0..len).map(|index| ((index * 7919) % 613) as f32 - 300.0).collect();
            for block in [1, 5, 64, 2000] {
                let expected: Vec<f32> =
                    row.chunks(block).map(|block| block.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
                for instance in [block_maxima, scalar] {
                    let mut maxima = Vec::new();
                    assert!(!instance(&row, block, &mut maxima), "{len} by {block}");
                    assert_eq!(maxima, expected, "{len} by {block}");
                }
            }
            for index in 0..len.min(70) {
                let kept = std::mem::replace(&mut row[index], f32::NAN);
                for instance in [block_maxima, scalar] {
                    assert!(instance(&row, 64, &mut Vec::new()), "NaN at {index} of {len}");
                }
                row[index] = kept;
            }
        }
    }
}
