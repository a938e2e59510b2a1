//! Products of bytes: the same bits everywhere, near to what exact arithmetic gives, whatever the company.

use crate::{
    ElementType, Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
    quantised::tables::ByteProducts,
    testing::{assert_close, assert_same_bits, numbers},
};

/// Every way of multiplying bytes that this CPU has.
fn setups() -> Vec<(String, Kernels)> {
    Isa::available()
        .flat_map(|isa| ByteProducts::available(isa).map(move |way| (isa, way)))
        .map(|(isa, way)| (format!("{isa} {way:?}"), Kernels::new(isa).expect("available").with_byte_products(way)))
        .collect()
}

/// Rows of bytes, of which some are the least that there is, with scales of about 1/128.
fn stored_rows(num_outputs: usize, num_inputs: usize, seed: u64) -> Vec<u8> {
    let levels = numbers(num_outputs * num_inputs, seed);
    let scales = numbers(num_outputs, seed + 1);
    let mut bytes = Vec::new();
    for (output, scale) in scales.iter().enumerate() {
        bytes.extend(((scale + 3.0) / 256.0).to_le_bytes());
        let levels = &levels[output * num_inputs..][..num_inputs];
        bytes.extend(levels.iter().map(|level| (level * 64.0 - 0.5).round() as i8 as u8));
    }
    bytes
}

fn source(bytes: &[u8], num_outputs: usize, num_inputs: usize) -> MatrixSource<'_> {
    let (stored, order) = (WeightFormat::Int8, MatrixOrder::OutputsFirst);
    MatrixSource { bytes, stored, packed: stored, order, num_outputs, num_inputs, importance: None }
}

fn pack(sources: &[MatrixSource<'_>]) -> PackedMatrix {
    PackedMatrix::pack(&ThreadPool::new(2).expect("threads"), sources).expect("fits")
}

fn product(
    kernels: &Kernels,
    pool: &ThreadPool,
    weights: &PackedMatrix,
    bias: Option<&[f32]>,
    x: &[f32],
    num_rows: usize,
) -> Vec<f32> {
    let mut out = vec![0.5; num_rows * weights.num_outputs()];
    let (out_stride, epilogue) = (weights.num_outputs(), Epilogue::Add);
    kernels.matmul(pool, Matmul { x, num_rows, weights, bias, out: &mut out, out_stride, epilogue }).expect("memory");
    out
}

/// What the activations of a row become: the nearest of 127 steps to either side of 0.
fn rounded(x: &[f32], num_inputs: usize) -> Vec<f64> {
    x.chunks(num_inputs)
        .flat_map(|row| {
            let step = f64::from(row.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0);
            row.iter().map(move |value| (f64::from(*value) / step).round_ties_even() * step).collect::<Vec<f64>>()
        })
        .collect()
}

fn rows_of(packed: &PackedMatrix) -> Vec<Vec<f32>> {
    (0..packed.num_outputs())
        .map(|output| {
            let mut row = vec![f32::NAN; packed.num_inputs()];
            packed.row(output, &mut row);
            row
        })
        .collect()
}

#[test]
fn every_length_has_one_result_on_all_sets_and_it_is_right() {
    let pool = ThreadPool::new(2).expect("threads");
    for (n, k) in [(1, 1), (16, 64), (37, 63), (70, 65), (101, 129), (33, 576), (17, 1100)] {
        let bytes = stored_rows(n, k, 2);
        let packed = pack(&[source(&bytes, n, k)]);
        let weights = rows_of(&packed);
        let (x, bias) = (numbers(70 * k, 1), numbers(n, 3));
        let reference: Vec<f64> = rounded(&x, k)
            .chunks(k)
            .flat_map(|x| {
                weights.iter().zip(&bias).map(move |(row, bias)| {
                    let dot: f64 = x.iter().zip(row).map(|(x, weight)| x * f64::from(*weight)).sum();
                    dot + f64::from(*bias) + 0.5
                })
            })
            .collect();
        let mut twin: Option<Vec<f32>> = None;
        for (name, kernels) in setups().into_iter().rev() {
            for m in [70, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 65] {
                let out = product(&kernels, &pool, &packed, Some(&bias), &x[..m * k], m);
                let what = format!("{name} n={n} k={k} m={m}");
                // Ties of what is rounded in single precision may fall to the other side.
                assert_close(&out, &reference[..m * n], 2e-3, &what);
                match &twin {
                    Some(twin) => assert_same_bits(&out, &twin[..m * n], &what),
                    None => twin = Some(out),
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_company() {
    let (n, k) = (203, 512);
    let x = numbers(1100 * k, 1);
    let packed = pack(&[source(&stored_rows(n, k, 2), n, k)]);
    for (name, kernels) in setups() {
        let alone = ThreadPool::new(1).expect("threads");
        let rows: Vec<f32> =
            x[..37 * k].chunks(k).flat_map(|row| product(&kernels, &alone, &packed, None, row, 1)).collect();
        for (threads, m) in [(1, 2), (1, 37), (2, 7), (3, 1100), (5, 67)] {
            // Portable code takes its time.
            let m = if kernels.isa() == Isa::Scalar { m.min(67) } else { m };
            let pool = ThreadPool::new(threads).expect("threads");
            let together = product(&kernels, &pool, &packed, None, &x[..m * k], m);
            let shared = rows.len().min(together.len());
            assert_same_bits(&together[..shared], &rows[..shared], &format!("{name} m={m}, {threads} threads"));
        }
    }
}

#[test]
fn stored_rows_are_kept_to_the_bit() {
    let (n, k) = (19, 77);
    let bytes = stored_rows(n, k, 5);
    let rows = rows_of(&pack(&[source(&bytes, n, k)]));
    for (row, stored) in rows.iter().zip(bytes.chunks(4 + k)) {
        let scale = f32::from_le_bytes([stored[0], stored[1], stored[2], stored[3]]);
        let meant: Vec<f32> = stored[4..].iter().map(|byte| scale * f32::from(*byte as i8)).collect();
        assert_eq!(*row, meant);
    }
    // As numbers they are the same.
    let widened = MatrixSource { packed: WeightFormat::Elements(ElementType::F32), ..source(&bytes, n, k) };
    assert_eq!(rows_of(&pack(&[widened])), rows);
}

#[test]
fn numbers_take_the_nearest_of_255_steps_of_their_row_in_either_order() {
    for (n, k) in [(5, 1), (19, 300), (33, 256)] {
        let mut values = numbers(n * k, 8);
        // A row of zeros, and one that is not finite.
        values[..k].fill(0.0);
        values[2 * k] = f32::INFINITY;
        let transposed: Vec<f32> = (0..k * n).map(|index| values[index % n * k + index / n]).collect();
        for (order, stored) in [(MatrixOrder::OutputsFirst, &values), (MatrixOrder::InputsFirst, &transposed)] {
            let bytes: Vec<u8> = stored.iter().flat_map(|value| value.to_le_bytes()).collect();
            let source = MatrixSource {
                bytes: &bytes,
                stored: WeightFormat::Elements(ElementType::F32),
                packed: WeightFormat::Int8,
                order,
                num_outputs: n,
                num_inputs: k,
                importance: None,
            };
            for (output, row) in rows_of(&pack(&[source])).iter().enumerate() {
                let values = &values[output * k..][..k];
                let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (found, value) in row.iter().zip(values) {
                    match output {
                        0 => assert_eq!(*found, 0.0),
                        2 => assert!(found.is_nan()),
                        _ => assert!((found - value).abs() <= largest / 253.0, "{value} became {found}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_stack_of_bytes_and_numbers_is_its_parts_side_by_side() {
    let k = 100;
    let pool = ThreadPool::new(2).expect("threads");
    let (one, other) = (stored_rows(20, k, 5), stored_rows(7, k, 6));
    let plain: Vec<u8> = numbers(9 * k, 7).iter().flat_map(|value| value.to_le_bytes()).collect();
    let elements = MatrixSource {
        stored: WeightFormat::Elements(ElementType::F32),
        packed: WeightFormat::Elements(ElementType::F32),
        ..source(&plain, 9, k)
    };
    let sources = [source(&one, 20, k), source(&other, 7, k), elements, source(&other, 7, k)];
    let x = numbers(21 * k, 4);
    for (m, (name, kernels)) in [5, 21].into_iter().flat_map(|m| setups().into_iter().map(move |setup| (m, setup))) {
        let stacked = product(&kernels, &pool, &pack(&sources), None, &x[..m * k], m);
        let mut first = 0;
        for part in sources {
            let outputs = first..first + part.num_outputs;
            let alone = product(&kernels, &pool, &pack(&[part]), None, &x[..m * k], m);
            for (stacked, alone) in stacked.chunks(43).zip(alone.chunks(part.num_outputs)) {
                assert_same_bits(&stacked[outputs.clone()], alone, &name);
            }
            first = outputs.end;
        }
    }
}

#[test]
fn sums_of_the_most_inputs_do_not_overflow() {
    let (k, pool) = (super::MOST_INPUTS, ThreadPool::new(1).expect("threads"));
    assert!(WeightFormat::Int8.can_pack(k) && !WeightFormat::Int8.can_pack(k + 1));
    let mut bytes = 1.0_f32.to_le_bytes().to_vec();
    bytes.resize(4 + k, 128);
    let packed = pack(&[source(&bytes, 1, k)]);
    for (name, kernels) in setups() {
        for m in [1, 7] {
            for (x, expected) in [(1.0, -128.0 * k as f32), (-1.0, 128.0 * k as f32)] {
                let out = product(&kernels, &pool, &packed, None, &vec![x; m * k], m);
                assert!(
                    out.iter().all(|value| (value - expected).abs() < 8.0),
                    "{name} m={m}: {out:?}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn an_activation_that_is_not_finite_spoils_its_row_and_no_other() {
    let (n, k) = (16, 70);
    let pool = ThreadPool::new(1).expect("threads");
    let packed = pack(&[source(&stored_rows(n, k, 1), n, k)]);
    let mut x = numbers(9 * k, 2);
    (x[k + 5], x[k + 40]) = (f32::NAN, f32::INFINITY);
    for (name, kernels) in setups() {
        for m in [3, 9] {
            let out = product(&kernels, &pool, &packed, None, &x[..m * k], m);
            for (row, out) in out.chunks(n).enumerate() {
                assert!(out.iter().all(|value| value.is_nan() == (row == 1)), "{name} row {row}: {out:?}");
            }
        }
    }
}

#[test]
fn products_of_nothing_are_the_bias() {
    let (pool, bias) = (ThreadPool::new(1).expect("threads"), numbers(17, 1));
    let bytes = 1.0_f32.to_le_bytes().repeat(17);
    let packed = pack(&[source(&bytes, 17, 0)]);
    for (name, kernels) in setups() {
        for m in [1, 9] {
            let expected: Vec<f32> = bias.repeat(m).iter().map(|bias| 0.5 + bias).collect();
            assert_same_bits(&product(&kernels, &pool, &packed, Some(&bias), &[], m), &expected, &name);
        }
    }
}
