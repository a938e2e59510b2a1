//! Rows come back from panels; panels are those of the layout's version.

use half::{bf16, f16};
use quire_blocks::{BlockFormat, QUANTISED_FORMATS, WEIGHTED_FORMATS, dequantise, quantise, quantise_weighted};

use super::*;
use crate::{
    MatrixOrder,
    testing::{numbers, stored_blocks},
};

fn encode(values: &[f32], dtype: ElementType) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&value| match dtype {
            ElementType::F32 => value.to_le_bytes().to_vec(),
            ElementType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
            ElementType::Bf16 => bf16::from_f32(value).to_le_bytes().to_vec(),
        })
        .collect()
}

#[test]
fn rows_come_back_from_every_source_and_order() {
    let types = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    let shapes: [(&[usize], usize); 7] =
        [(&[1], 1), (&[16], 2), (&[17], 3), (&[5, 20, 9], 129), (&[40, 0, 3], 256), (&[3], 0), (&[], 0)];
    for threads in [1, 3] {
        let pool = ThreadPool::new(threads).expect("threads");
        for (outputs, num_inputs) in shapes {
            for source_type in types {
                for packed_type in [ElementType::F32, ElementType::Bf16] {
                    for order in [MatrixOrder::OutputsFirst, MatrixOrder::InputsFirst] {
                        check(&pool, outputs, num_inputs, source_type, packed_type, order);
                    }
                }
            }
        }
    }
}

fn check(
    pool: &ThreadPool,
    outputs: &[usize],
    num_inputs: usize,
    source_type: ElementType,
    packed_type: ElementType,
    order: MatrixOrder,
) {
    let mut expected = Vec::new();
    let mut stored = Vec::new();
    for (index, &num_outputs) in outputs.iter().enumerate() {
        let values = numbers(num_outputs * num_inputs, index as u64 + 1);
        // One stray byte in front, so that the elements are not aligned.
        let mut bytes = vec![0];
        bytes.extend(encode(&values, source_type));
        let mut exact = vec![0.0; values.len()];
        source_type.widen(&bytes[1..], &mut exact);
        for output in 0..num_outputs {
            expected.push(
                (0..num_inputs)
                    .map(|input| match order {
                        MatrixOrder::OutputsFirst => exact[output * num_inputs + input],
                        MatrixOrder::InputsFirst => exact[input * num_outputs + output],
                    })
                    .map(|value| match packed_type {
                        ElementType::F32 => value,
                        _ => bf16::from_f32(value).to_f32(),
                    })
                    .collect::<Vec<f32>>(),
            );
        }
        stored.push((bytes, num_outputs));
    }
    let sources: Vec<MatrixSource<'_>> = stored
        .iter()
        .map(|(bytes, num_outputs)| MatrixSource {
            bytes: &bytes[1..],
            stored: WeightFormat::Elements(source_type),
            packed: WeightFormat::Elements(packed_type),
            order,
            num_outputs: *num_outputs,
            num_inputs,
            importance: None,
        })
        .collect();
    let what = format!("{outputs:?} x {num_inputs}, {source_type} {order:?}");
    check_rows(&PackedMatrix::pack(pool, &sources).expect("fits"), &expected, &what);
}

fn check_rows(packed: &PackedMatrix, expected: &[Vec<f32>], what: &str) {
    assert_eq!(packed.num_outputs(), expected.len());
    for (index, expected) in expected.iter().enumerate() {
        let mut row = vec![9.0; packed.num_inputs()];
        packed.row(index, &mut row);
        assert_eq!(&row, expected, "row {index} of {what}");
    }
}

/// Rows of one source in blocks, and the numbers that they stand for.
fn blocks(format: BlockFormat, num_outputs: usize, num_inputs: usize) -> (Vec<u8>, Vec<Vec<f32>>) {
    let bytes = stored_blocks(format, num_outputs * num_inputs, 5);
    let mut values = vec![0.0; num_outputs * num_inputs];
    dequantise(format, &bytes, &mut values);
    (bytes, values.chunks(num_inputs).map(<[f32]>::to_vec).collect())
}

#[test]
fn rows_of_blocks_come_back_to_the_bit_however_they_are_stacked() {
    let (num_inputs, outputs) = (768, 21);
    let pool = ThreadPool::new(2).expect("threads");
    let all: Vec<(BlockFormat, Vec<u8>, Vec<Vec<f32>>)> = BlockFormat::all()
        .map(|format| {
            let (bytes, rows) = blocks(format, outputs, num_inputs);
            (format, bytes, rows)
        })
        .collect();
    let source = |(format, bytes, _): &'_ (BlockFormat, Vec<u8>, Vec<Vec<f32>>)| {
        let format = WeightFormat::Blocks(*format);
        (format, bytes.clone())
    };
    let stored: Vec<(WeightFormat, Vec<u8>)> = all.iter().map(source).collect();
    let sources: Vec<MatrixSource<'_>> = stored
        .iter()
        .map(|(format, bytes)| MatrixSource {
            bytes,
            stored: *format,
            packed: *format,
            order: MatrixOrder::OutputsFirst,
            num_outputs: outputs,
            num_inputs,
            importance: None,
        })
        .collect();
    for (source, (format, _, rows)) in sources.iter().zip(&all) {
        check_rows(&PackedMatrix::pack(&pool, &[*source]).expect("fits"), rows, format.name());
        // Widened: the same numbers in f32.
        let widened = MatrixSource { packed: WeightFormat::Elements(ElementType::F32), ..*source };
        check_rows(&PackedMatrix::pack(&pool, &[widened]).expect("fits"), rows, format.name());
    }
    let stacked: Vec<Vec<f32>> = all.iter().flat_map(|(_, _, rows)| rows.clone()).collect();
    check_rows(&PackedMatrix::pack(&pool, &sources).expect("fits"), &stacked, "all formats");
}

#[test]
fn blocks_are_made_of_elements_in_either_order() {
    let (num_outputs, num_inputs) = (19, 512);
    let pool = ThreadPool::new(1).expect("threads");
    let values = numbers(num_outputs * num_inputs, 8);
    let transposed: Vec<f32> = (0..num_inputs * num_outputs)
        .map(|index| values[index % num_outputs * num_inputs + index / num_outputs])
        .collect();
    let importance: Vec<f32> = (0..num_inputs).map(|input| if input % 5 == 0 { 4.0 } else { 0.25 }).collect();
    for format in QUANTISED_FORMATS {
        let rows_of = |bytes: &[u8]| -> Vec<Vec<f32>> {
            let mut rows = vec![0.0; values.len()];
            dequantise(format, bytes, &mut rows);
            rows.chunks(num_inputs).map(<[f32]>::to_vec).collect()
        };
        let mut bytes = vec![0; format.bytes_of(values.len()).expect("whole blocks")];
        quantise(format, &values, &mut bytes);
        let plain = rows_of(&bytes);
        let row_bytes = bytes.len() / num_outputs;
        for (row, bytes) in values.chunks(num_inputs).zip(bytes.chunks_mut(row_bytes)) {
            quantise_weighted(format, row, &importance, bytes);
        }
        let weighted = rows_of(&bytes);
        assert_eq!(plain != weighted, WEIGHTED_FORMATS.contains(&format), "{format}");
        for (order, values) in [(MatrixOrder::OutputsFirst, &values), (MatrixOrder::InputsFirst, &transposed)] {
            for (importance, expected) in [(None, &plain), (Some(importance.as_slice()), &weighted)] {
                let source = MatrixSource {
                    bytes: &encode(values, ElementType::F32),
                    stored: WeightFormat::Elements(ElementType::F32),
                    packed: WeightFormat::Blocks(format),
                    order,
                    num_outputs,
                    num_inputs,
                    importance,
                };
                let packed = PackedMatrix::pack(&pool, &[source]).expect("fits");
                check_rows(&packed, expected, &format!("{format} {order:?}"));
            }
        }
    }
}

#[test]
fn a_row_is_multiplied_with_every_weight_once() {
    let bytes = vec![0_u8; 40 * 32 * 4];
    let source = |packed, num_outputs| MatrixSource {
        bytes: &bytes[..num_outputs * 32 * 4],
        stored: WeightFormat::Elements(ElementType::F32),
        packed,
        order: MatrixOrder::OutputsFirst,
        num_outputs,
        num_inputs: 32,
        importance: None,
    };
    let sources = [
        source(WeightFormat::Elements(ElementType::F32), 40),
        source(WeightFormat::Elements(ElementType::Bf16), 7),
        source(WeightFormat::Blocks(BlockFormat::Q4_0), 16),
        source(WeightFormat::Int8, 5),
    ];
    let packed = PackedMatrix::pack(&ThreadPool::new(1).expect("threads"), &sources).expect("fits");
    let expected = ProductWork {
        weight_bytes: packed.size_bytes() as u64,
        f32_operations: 2 * 40 * 32,
        bf16_operations: 2 * 7 * 32,
        int8_operations: 2 * (16 + 5) * 32,
    };
    assert_eq!(packed.work_per_row(), expected);
}

#[test]
fn sources_that_do_not_fit_are_errors() {
    let pool = ThreadPool::new(1).expect("threads");
    let source = |bytes, num_outputs, num_inputs| MatrixSource {
        bytes,
        stored: WeightFormat::Elements(ElementType::F32),
        packed: WeightFormat::Elements(ElementType::F32),
        order: MatrixOrder::OutputsFirst,
        num_outputs,
        num_inputs,
        importance: None,
    };
    let bytes = [0_u8; 24];
    let short = PackedMatrix::pack(&pool, &[source(&bytes, 2, 4)]);
    assert!(matches!(short, Err(KernelsError::SourceLength { expected: 32, actual: 24, .. })), "{short:?}");
    let mixed = PackedMatrix::pack(&pool, &[source(&bytes, 2, 3), source(&bytes, 3, 2)]);
    assert!(matches!(mixed, Err(KernelsError::SourceFeatures { expected: 3, actual: 2 })), "{mixed:?}");
    let huge = PackedMatrix::pack(&pool, &[source(&bytes, usize::MAX, 3)]);
    assert!(matches!(huge, Err(KernelsError::SizeOverflow { .. })), "{huge:?}");

    let format = WeightFormat::Blocks(BlockFormat::Q8_0);
    let blocks = |num_outputs, num_inputs| MatrixSource {
        stored: format,
        packed: format,
        ..source(&bytes, num_outputs, num_inputs)
    };
    let short = PackedMatrix::pack(&pool, &[blocks(1, 32)]);
    assert!(matches!(short, Err(KernelsError::SourceLength { expected: 34, actual: 24, .. })), "{short:?}");
    let ragged = PackedMatrix::pack(&pool, &[blocks(2, 33)]);
    assert!(matches!(ragged, Err(KernelsError::SourceBlocks { columns: 33, block_len: 32, .. })), "{ragged:?}");
    let huge = PackedMatrix::pack(&pool, &[blocks(usize::MAX / 2, 64)]);
    assert!(matches!(huge, Err(KernelsError::SizeOverflow { .. })), "{huge:?}");
}

/// Sources of every form that there is: stored numbers and blocks as they are, and what is made of numbers.
fn check_every_form(check: &mut dyn FnMut(&str, MatrixSource<'_>)) {
    let (num_outputs, num_inputs) = (19, 512);
    let numbers = encode(&numbers(num_outputs * num_inputs, 8), ElementType::F32);
    let mut check = |stored: WeightFormat, packed: WeightFormat, bytes: &[u8]| {
        let order = MatrixOrder::OutputsFirst;
        let source = MatrixSource { bytes, stored, packed, order, num_outputs, num_inputs, importance: None };
        check(&format!("{stored} as {packed}"), source);
    };
    let f32 = WeightFormat::Elements(ElementType::F32);
    let of_numbers = [f32, WeightFormat::Elements(ElementType::Bf16), WeightFormat::Int8];
    for packed in of_numbers.into_iter().chain(QUANTISED_FORMATS.map(WeightFormat::Blocks)) {
        check(f32, packed, &numbers);
    }
    for format in BlockFormat::all() {
        let stored = WeightFormat::Blocks(format);
        check(stored, stored, &stored_blocks(format, num_outputs * num_inputs, 5));
    }
}

#[test]
fn a_matrix_over_kept_panels_is_the_one_that_they_were_packed_for() {
    let pool = ThreadPool::new(2).expect("threads");
    check_every_form(&mut |what, source| {
        let halves = MatrixSource { packed: WeightFormat::Elements(ElementType::F32), ..source };
        let sources = [source, halves, source];
        let packed = PackedMatrix::pack(&pool, &sources).expect("fits");
        let panels: Vec<PanelMemory> = packed.panels().cloned().collect();
        let again = PackedMatrix::of_panels(&sources, &panels).expect("fits").expect("the same panels");
        assert_eq!((again.num_outputs(), again.num_inputs()), (packed.num_outputs(), packed.num_inputs()), "{what}");
        assert_eq!(again.work_per_row(), packed.work_per_row(), "{what}");
        let rows: Vec<Vec<f32>> = (0..packed.num_outputs())
            .map(|index| {
                let mut row = vec![0.0; packed.num_inputs()];
                packed.row(index, &mut row);
                row
            })
            .collect();
        check_rows(&again, &rows, what);
        let too_few = PackedMatrix::of_panels(&sources, &panels[..panels.len() - 1]).expect("fits");
        assert!(too_few.is_none(), "{what}");
        let short = PanelMemory::of(AlignedBuffer::zeroed(panels[0].bytes().len() - 1).expect("memory"));
        let other = PackedMatrix::of_panels(&sources, &[&[short], &panels[1..]].concat()).expect("fits");
        assert!(other.is_none(), "{what}");
    });
}

/// Whoever changes what panels look like, or how weights are rounded into them, finds this sum changed, and counts the version up.
#[test]
fn panels_are_those_of_the_version() {
    let pool = ThreadPool::new(1).expect("threads");
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    check_every_form(&mut |_, source| {
        let packed = PackedMatrix::pack(&pool, &[source]).expect("fits");
        for byte in packed.panels().flat_map(PanelMemory::bytes) {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    });
    assert_eq!((PANEL_VERSION, sum), (1, 14_007_387_879_098_095_761));
}
