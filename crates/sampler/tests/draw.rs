//! The stateless draw: survivors and winner against a slow reference, the distribution against its own formula, and
//! pinned draws, so that no change of the noise goes unnoticed.

use proptest::prelude::*;
use quire_sampler::{DrawScratch, RowSampling, SamplingError, draw};

const RANDOM: RowSampling = RowSampling { temperature: 1.0, top_p: 1.0, top_k: 0, min_p: 0.0, seed: 0, position: 0 };

fn once(logits: &[f32], sampling: RowSampling) -> u32 {
    draw(logits, &sampling, &mut DrawScratch::default()).expect("no NaN")
}

/// Ids that may be drawn: a full sort and sums in f64. `None` where p falls on a boundary within rounding.
fn survivors(logits: &[f32], sampling: &RowSampling) -> Option<Vec<bool>> {
    let values: Vec<f32> = logits.iter().map(|logit| logit / sampling.temperature).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).expect("no NaN").then(a.cmp(&b)));
    let maximum = f64::from(values[order[0]]);
    let weight = |id: usize| (f64::from(values[id]) - maximum).exp();
    let mut kept = vec![true; values.len()];
    for id in 0..values.len() {
        let share = weight(id);
        if sampling.min_p > 0.0 && (share / f64::from(sampling.min_p) - 1.0).abs() < 1e-6 && share < 1.0 {
            return None;
        }
        kept[id] = share >= f64::from(sampling.min_p) && values[id] > f32::NEG_INFINITY;
    }
    let k = sampling.top_k as usize;
    if k > 0 && k < values.len() {
        let least = values[order[k - 1]];
        (0..values.len()).for_each(|id| kept[id] &= values[id] >= least);
    }
    if sampling.top_p < 1.0 {
        let total: f64 = order.iter().filter(|&&id| kept[id]).map(|&id| weight(id)).sum();
        let mut ahead = 0.0;
        for id in order.into_iter().filter(|&id| kept[id]).collect::<Vec<_>>() {
            let distance = ahead / total - f64::from(sampling.top_p);
            if distance.abs() < 1e-6 {
                return None;
            }
            kept[id] = distance < 0.0;
            ahead += weight(id);
        }
    }
    Some(kept)
}

fn sampling() -> impl Strategy<Value = RowSampling> {
    (
        prop_oneof![Just(1.0f32), 0.01f32..2.0],
        prop_oneof![Just(1.0f32), 0.001f32..1.0],
        prop_oneof![Just(0u32), 1u32..100, 1u32..3000],
        prop_oneof![Just(0.0f32), Just(1.0f32), 0.0001f32..1.0],
        any::<i64>(),
        0u32..100_000,
    )
        .prop_map(|(temperature, top_p, top_k, min_p, seed, position)| RowSampling {
            temperature,
            top_p,
            top_k,
            min_p,
            seed,
            position,
        })
}

fn row() -> impl Strategy<Value = Vec<f32>> {
    let smooth = prop::collection::vec(-12.0f32..12.0, 1..600);
    let tied = prop::collection::vec((-8i32..8).prop_map(|value| value as f32 / 2.0), 1..600);
    let sparse = prop::collection::vec(prop_oneof![3 => Just(f32::NEG_INFINITY), 1 => -3.0f32..3.0], 1..300);
    let long = prop::collection::vec(-6.0f32..6.0, 4500..5000);
    prop_oneof![4 => smooth, 4 => tied, 2 => sparse, 1 => long]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Making impossible by hand what the filters remove must not change the draw, and whatever is drawn survives.
    /// With the noise a function of the id alone, this fixes the set of survivors draw by draw.
    #[test]
    fn filters_are_those_of_a_full_sort(logits in row(), sampling in sampling()) {
        prop_assume!(logits.iter().any(|logit| logit.is_finite()));
        let Some(kept) = survivors(&logits, &sampling) else { return Ok(()) };
        let masked: Vec<f32> =
            logits.iter().zip(&kept).map(|(&logit, &kept)| if kept { logit } else { f32::NEG_INFINITY }).collect();
        let mut scratch = DrawScratch::default();
        let unfiltered = RowSampling { top_p: 1.0, top_k: 0, min_p: 0.0, ..sampling };
        for seed in 0..20 {
            let drawn = draw(&logits, &RowSampling { seed, ..sampling }, &mut scratch).expect("no NaN");
            prop_assert!(kept[drawn as usize]);
            let expected = draw(&masked, &RowSampling { seed, ..unfiltered }, &mut scratch).expect("no NaN");
            prop_assert_eq!(drawn, expected);
        }
    }

    /// Passing over blocks and the listed path must not change the winner: the greatest of all scores.
    #[test]
    fn impossible_company_does_not_matter(logits in row(), seed in any::<i64>(), position in 0u32..1000) {
        prop_assume!(logits.iter().any(|logit| logit.is_finite()));
        let whole = once(&logits, RowSampling { seed, position, ..RANDOM });
        // Against every other id alone, the winner still wins.
        for other in 0..logits.len().min(40) {
            let mut pair = vec![f32::NEG_INFINITY; logits.len()];
            pair[other] = logits[other];
            pair[whole as usize] = logits[whole as usize];
            prop_assert_eq!(once(&pair, RowSampling { seed, position, ..RANDOM }), whole);
        }
    }
}

#[test]
fn edges() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let greedy = RowSampling::GREEDY;
    let hot = RowSampling { temperature: 0.01, ..RANDOM };
    let rows: &[(&[f32], RowSampling, u32)] = &[
        (&[1.0, 3.0, 3.0], greedy, 1),
        (&[1.0, 3.0, 3.0], RowSampling { temperature: 0.9e-5, ..RANDOM }, 1),
        (&[1.0, 3.0, 3.0], RowSampling { temperature: nan, ..RANDOM }, 1),
        (&[1.0, 3.0, 3.0], RowSampling { temperature: -1.0, ..RANDOM }, 1),
        (&[-inf, -inf], greedy, 0),
        (&[-inf, -inf], RANDOM, 0),
        (&[-inf, -inf], RowSampling { top_p: 0.5, top_k: 1, min_p: 0.5, ..RANDOM }, 0),
        (&[-inf, -2.0, -inf], RANDOM, 1),
        (&[-inf, -2.0, -inf], RowSampling { top_p: 1e-9, top_k: 2, min_p: 1.0, ..RANDOM }, 1),
        (&[0.0, inf, inf], RANDOM, 1),
        (&[0.0, f32::MAX, 3.0], hot, 1),
        (&[-f32::MAX, -f32::MAX], hot, 0),
        (&[0.0, 1.0, 0.5], RowSampling { top_p: 1e-9, ..RANDOM }, 1),
        (&[0.0, 1.0, 0.5], RowSampling { top_p: 0.0, ..RANDOM }, 1),
        (&[0.0, 1.0, 0.5], RowSampling { top_k: 1, ..RANDOM }, 1),
        (&[0.0, 1.0, 0.5], RowSampling { min_p: 1.0, ..RANDOM }, 1),
        (&[0.0, 1.0, 0.5], RowSampling { min_p: 3.0, ..RANDOM }, 1),
        (&[0.0, 9.0, 9.0], RowSampling { top_p: 0.4, ..RANDOM }, 1),
        (&[7.0], RANDOM, 0),
    ];
    for (logits, sampling, expected) in rows {
        assert_eq!(once(logits, *sampling), *expected, "{logits:?} {sampling:?}");
    }
    let invalid = draw(&[0.0, nan, nan], &RANDOM, &mut DrawScratch::default());
    assert_eq!(invalid, Err(SamplingError::InvalidLogits { token_id: 1 }));
    assert_eq!(draw(&[], &RANDOM, &mut DrawScratch::default()), Err(SamplingError::EmptyVocabulary));
}

#[test]
fn top_k_keeps_ties_and_top_p_breaks_them_by_id() {
    let seen = |logits: &[f32], sampling: RowSampling| {
        let mut seen: Vec<u32> = (0..400).map(|seed| once(logits, RowSampling { seed, ..sampling })).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let logits = [1.0, 2.0, 1.0, 0.0, 1.0];
    let rows = [
        (RowSampling { top_k: 2, ..RANDOM }, vec![0, 1, 2, 4]),
        (RowSampling { top_k: 1, ..RANDOM }, vec![1]),
        (RowSampling { top_k: 5, ..RANDOM }, vec![0, 1, 2, 3, 4]),
        (RowSampling { top_k: 9, ..RANDOM }, vec![0, 1, 2, 3, 4]),
        // Shares 0.447, 3 x 0.164, 0.060: ids 1, 0, 2 have less than 0.62 ahead of them, id 4 has 0.775.
        (RowSampling { top_p: 0.62, ..RANDOM }, vec![0, 1, 2]),
        (RowSampling { top_p: 0.43, ..RANDOM }, vec![1]),
        // Of the four left by top-k: 0.475 and 3 x 0.175.
        (RowSampling { top_k: 2, top_p: 0.6, ..RANDOM }, vec![0, 1]),
        (RowSampling { min_p: 0.3, ..RANDOM }, vec![0, 1, 2, 4]),
        (RowSampling { min_p: 0.4, ..RANDOM }, vec![1]),
        (RowSampling { min_p: 0.3, temperature: 0.5, ..RANDOM }, vec![1]),
    ];
    for (sampling, expected) in rows {
        assert_eq!(seen(&logits, sampling), expected, "{sampling:?}");
    }
}

/// Chi-square of 20,000 draws with fixed seeds against the probabilities that the parameters promise.
#[test]
fn draws_follow_the_distribution() {
    const DRAWS: i64 = 20_000;
    let logits: Vec<f32> = (0..40).map(|id| ((id * 7919) % 40) as f32 / 8.0).collect();
    let rows = [
        RANDOM,
        RowSampling { temperature: 0.5, ..RANDOM },
        RowSampling { temperature: 1.7, ..RANDOM },
        RowSampling { top_k: 7, ..RANDOM },
        RowSampling { top_p: 0.83, ..RANDOM },
        RowSampling { min_p: 0.21, ..RANDOM },
        RowSampling { temperature: 0.7, top_k: 20, top_p: 0.9, min_p: 0.05, ..RANDOM },
    ];
    for sampling in rows {
        let kept = survivors(&logits, &sampling).expect("no p on a boundary");
        let weight = |id: usize| if kept[id] { f64::from(logits[id] / sampling.temperature).exp() } else { 0.0 };
        let total: f64 = (0..logits.len()).map(weight).sum();
        for by_position in [false, true] {
            let mut counts = vec![0u32; logits.len()];
            let mut scratch = DrawScratch::default();
            for draw_index in 0..DRAWS {
                let (seed, position) = if by_position { (42, draw_index as u32) } else { (draw_index, 3) };
                let token = draw(&logits, &RowSampling { seed, position, ..sampling }, &mut scratch).expect("no NaN");
                counts[token as usize] += 1;
            }
            let mut chi_square = 0.0;
            let mut freedom = -1.0;
            for id in 0..logits.len() {
                let expected = DRAWS as f64 * weight(id) / total;
                if !kept[id] {
                    assert_eq!(counts[id], 0);
                } else {
                    chi_square += (f64::from(counts[id]) - expected).powi(2) / expected;
                    freedom += 1.0;
                }
            }
            // Mean `freedom`, variance 2 * freedom: four standard deviations.
            let limit = freedom + 4.0 * (2.0f64 * freedom).sqrt();
            assert!(chi_square < limit, "{sampling:?}: chi-square {chi_square:.1} for {freedom} degrees of freedom");
        }
    }
}

#[test]
fn draws_are_pinned() {
    // A row that needs no floating-point function to write down.
    let logits: Vec<f32> = (0..1000u32).map(|id| (id.wrapping_mul(2_654_435_761) >> 16) as f32 / 8192.0).collect();
    let filtered = RowSampling { temperature: 0.8, top_k: 50, top_p: 0.9, ..RANDOM };
    let nucleus = RowSampling { temperature: 1.3, top_p: 0.7, min_p: 0.01, ..RANDOM };
    let rows: [(RowSampling, [u32; 8]); 3] = [
        (RANDOM, [254, 165, 495, 715, 668, 700, 64, 254]),
        (filtered, [254, 165, 398, 521, 309, 55, 76, 254]),
        (nucleus, [254, 165, 495, 715, 668, 846, 76, 254]),
    ];
    for (sampling, expected) in rows {
        let drawn: [u32; 8] = std::array::from_fn(|index| {
            let seed = (index as i64 - 2) * 6_000_000_011;
            once(&logits, RowSampling { seed, position: 17 * index as u32, ..sampling })
        });
        assert_eq!(drawn, expected, "{sampling:?}");
    }
}
