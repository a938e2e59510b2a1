//! Strided host tensors: what narrows, what views, what is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use quire_runner::{HostDType, HostTensor, RunnerError};

fn counted(shape: &[usize]) -> HostTensor {
    let numbers: Vec<f64> = (0..shape.iter().product()).map(|number: usize| number as f64).collect();
    HostTensor::from_numbers(&numbers, HostDType::Int32).unwrap().view(shape).unwrap()
}

fn values(tensor: &HostTensor) -> Vec<i32> {
    let mut bytes = vec![0; tensor.size_bytes()];
    tensor.copy_to_host(&mut bytes).unwrap();
    bytes.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
}

#[test]
fn numbers_are_converted_to_the_type() {
    let rows: [(HostDType, &[u8]); 8] = [
        (HostDType::Float32, &[0, 0, 0xc0, 0x3f]),
        (HostDType::Float16, &[0, 0x3e]),
        (HostDType::Bfloat16, &[0xc0, 0x3f]),
        (HostDType::Int8, &[1]),
        (HostDType::Uint8, &[1]),
        (HostDType::Int32, &[1, 0, 0, 0]),
        (HostDType::Int64, &[1, 0, 0, 0, 0, 0, 0, 0]),
        (HostDType::Bool, &[1]),
    ];
    for (dtype, expected) in rows {
        let tensor = HostTensor::from_numbers(&[1.5], dtype).unwrap();
        let mut bytes = vec![0; dtype.size_bytes()];
        tensor.copy_to_host(&mut bytes).unwrap();
        assert_eq!(bytes, expected, "{}", dtype.name());
        assert_eq!(HostDType::from_name(dtype.name()), Some(dtype));
    }
}

#[test]
fn narrow_shares_memory_and_keeps_strides() {
    let tensor = counted(&[3, 4]);
    let columns = tensor.narrow(1, 1, 2).unwrap();
    assert_eq!((columns.shape(), columns.strides(), columns.offset()), (&[3, 2][..], &[4, 1][..], 1));
    assert_eq!(values(&columns), [1, 2, 5, 6, 9, 10]);
    columns.copy_from_host(&[0; 24]).unwrap();
    assert_eq!(values(&tensor), [0, 0, 0, 3, 4, 0, 0, 7, 8, 0, 0, 11]);
    assert!(values(&tensor.narrow(0, 3, 0).unwrap()).is_empty());
    for (dim, start, length) in [(2, 0, 1), (1, 4, 1), (1, 0, 5), (0, usize::MAX, 2)] {
        assert!(matches!(tensor.narrow(dim, start, length), Err(RunnerError::NarrowOutOfRange { .. })));
    }
}

#[test]
fn views_exist_where_no_copy_is_needed() {
    // (shape, narrowed (dim, start, length), viewed as, strides or refused)
    type Row = (&'static [usize], Option<(usize, usize, usize)>, &'static [usize], Option<&'static [usize]>);
    let rows: [Row; 10] = [
        (&[6, 4], None, &[2, 3, 4], Some(&[12, 4, 1])),
        (&[6, 4], None, &[24], Some(&[1])),
        (&[6, 4], None, &[5, 5], None),
        (&[6, 4], Some((1, 0, 3)), &[2, 3, 3], Some(&[12, 4, 1])),
        (&[6, 4], Some((1, 0, 3)), &[18], None),
        (&[6, 4], Some((1, 0, 3)), &[6, 3, 1], Some(&[4, 1, 1])),
        (&[6, 4], Some((0, 2, 2)), &[8], Some(&[1])),
        (&[2, 3, 4], Some((2, 1, 2)), &[6, 2], Some(&[4, 1])),
        (&[2, 3, 4], Some((1, 0, 2)), &[4, 4], None),
        (&[0, 4], None, &[4, 0, 7], Some(&[7, 7, 1])),
    ];
    for (shape, narrowed, viewed, expected) in rows {
        let mut tensor = counted(shape);
        if let Some((dim, start, length)) = narrowed {
            tensor = tensor.narrow(dim, start, length).unwrap();
        }
        match (tensor.view(viewed), expected) {
            (Ok(view), Some(strides)) => {
                assert_eq!(view.strides(), strides, "{shape:?} {narrowed:?} as {viewed:?}");
                assert_eq!(values(&view), values(&tensor));
            }
            (Err(RunnerError::NotViewable { .. }), None) => {}
            (found, _) => panic!("{shape:?} {narrowed:?} as {viewed:?}: {found:?}"),
        }
    }
}

#[test]
fn blocks_are_copied_in_order() {
    let tensor = counted(&[3, 2]);
    tensor.copy_blocks(&[0, 1, 1, 2]).unwrap();
    assert_eq!(values(&tensor), [0, 1, 0, 1, 0, 1]);
    let cache = counted(&[2, 3, 1, 1, 2]);
    cache.copy_blocks(&[2, 0]).unwrap();
    assert_eq!(values(&cache), [4, 5, 2, 3, 4, 5, 10, 11, 8, 9, 10, 11]);
    for pairs in [&[0, 3][..], &[-1, 0], &[0], &[0, 1, 2]] {
        assert!(matches!(cache.copy_blocks(pairs), Err(RunnerError::BadBlockCopy { num_blocks: 3, .. })));
    }
    counted(&[0, 2]).copy_blocks(&[]).unwrap();
}

#[test]
fn impossible_sizes_and_lengths_are_refused() {
    for shape in [&[usize::MAX, 2][..], &[1 << 40, 1 << 40], &[usize::MAX]] {
        let error = HostTensor::zeros(shape, HostDType::Float32).unwrap_err();
        assert_eq!(error.code(), "ERR_OUT_OF_MEMORY", "{shape:?}");
    }
    let tensor = counted(&[2]);
    assert!(matches!(tensor.copy_from_host(&[0; 7]), Err(RunnerError::WrongLength { expected: 8, given: 7 })));
    assert!(matches!(tensor.copy_to_host(&mut [0; 9]), Err(RunnerError::WrongLength { expected: 8, given: 9 })));
}

proptest! {
    /// A view that exists shows the same elements in the same order, whatever it was made from.
    #[test]
    fn a_view_never_reorders(
        shape in proptest::collection::vec(1_usize..4, 1..4),
        dim in 0_usize..3,
        target in proptest::collection::vec(1_usize..7, 0..4),
    ) {
        let tensor = counted(&shape);
        let dim = dim % shape.len();
        let narrowed = tensor.narrow(dim, shape[dim] / 2, shape[dim] - shape[dim] / 2).unwrap();
        if let Ok(view) = narrowed.view(&target) {
            prop_assert_eq!(values(&view), values(&narrowed));
        } else {
            prop_assert!(target.iter().product::<usize>() != narrowed.num_elements() || narrowed.num_elements() < tensor.num_elements());
        }
    }
}
