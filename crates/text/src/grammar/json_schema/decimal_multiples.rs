//! Multiples of a decimal that binary64 cannot hold, such as 0.01. Validators divide binary numbers, so that 0.29 is no multiple
//! of 0.01 for them: 0.29 / 0.01 is 28.999999999999996. Only numbers that are multiples both in decimal and by that division are
//! allowed, as values where there are few, otherwise as a pattern of their texts. Knows no schemas.
//!
//! Between two powers of two, of the number and of the quotient, the error of the quotient is linear in the number for all
//! numbers with the same digits behind the point, and the quotient is whole where that error is within half a unit in the last
//! place: so if the first and the last of them divide, all do.

use std::collections::{BTreeMap, BTreeSet};

use super::decimal_ranges;
use crate::grammar::stand_ins::Texts;

/// Digits behind the point of a divisor: each combination of them is looked at.
const MAX_FRACTION_DIGITS: u32 = 3;
/// Each remainder of the division is a state, where the divisor does not divide a power of ten.
const GREATEST_COEFFICIENT: u64 = 1_000;
/// Numbers are below it, whatever their bounds.
pub(super) const GREATEST: f64 = 1e9;
/// Values that are listed rather than described.
const MAX_VALUES: i64 = 300;

/// What the multiples between two bounds are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Multiples {
    /// Few, or none.
    Values(Vec<f64>),
    /// Numbers whose text matches.
    Texts(Texts),
}

/// A divisor, coefficient / 10^digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisor {
    value: f64,
    coefficient: u64,
    num_digits: u32,
}

impl Divisor {
    /// `None` if it has too many digits.
    pub(super) fn new(value: f64) -> Option<Self> {
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let num_digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= MAX_FRACTION_DIGITS)?;
        let coefficient = format!("{whole}{fraction}").parse().ok()?;
        let is_small = (1..=GREATEST_COEFFICIENT).contains(&coefficient);
        is_small.then_some(Self { value, coefficient, num_digits })
    }

    /// The divisor itself.
    pub(super) fn value(self) -> f64 {
        self.value
    }

    /// Whether validators find that it divides a number.
    pub(super) fn divides(self, number: f64) -> bool {
        (number / self.value).fract() == 0.0
    }

    /// Its multiples from `minimum` to `maximum`, of which those beyond 10^9 are left out.
    pub(super) fn multiples(self, minimum: f64, maximum: f64, only_integers: bool) -> Multiples {
        let (low, high) = (self.first_from(minimum.max(-GREATEST)), -self.first_from(-maximum.min(GREATEST)));
        let coefficient = self.coefficient as i64;
        if low > high || (high - low) / coefficient <= MAX_VALUES {
            let first = low.div_euclid(coefficient) * coefficient;
            let numbers = (first..=high).step_by(self.coefficient as usize).filter(|number| *number >= low);
            let values = numbers.filter(|number| self.allows(number.unsigned_abs(), only_integers));
            return Multiples::Values(values.map(|number| number as f64 / self.unit() as f64).collect());
        }
        let negative = (low < 0).then(|| self.texts((-high).max(1) as u64, low.unsigned_abs(), only_integers));
        let positive = (high >= 0).then(|| self.texts(low.max(0) as u64, high as u64, only_integers));
        let negative = negative.flatten().map(|texts| format!("-(?:{texts})"));
        let branches: Vec<String> = negative.into_iter().chain(positive.flatten()).collect();
        if branches.is_empty() {
            return Multiples::Values(Vec::new());
        }
        let is_told_by_digits = self.unit().is_multiple_of(self.coefficient);
        let multiple_of = (!is_told_by_digits).then_some((self.coefficient as u32, self.num_digits));
        Multiples::Texts(Texts { pattern: branches.join("|"), multiple_of })
    }

    fn unit(self) -> u64 {
        10u64.pow(self.num_digits)
    }

    /// The first number that is not below a bound. Numbers are counted in units of 10^-digits here.
    fn first_from(self, bound: f64) -> i64 {
        let unit = self.unit() as f64;
        let mut number = (bound * unit).floor() as i64 - 1;
        while (number as f64) / unit < bound {
            number += 1;
        }
        number
    }

    fn allows(self, number: u64, only_integers: bool) -> bool {
        let is_multiple = number.is_multiple_of(self.coefficient);
        let is_right_type = !only_integers || number.is_multiple_of(self.unit());
        is_multiple && is_right_type && self.divides(number as f64 / self.unit() as f64)
    }

    /// A pattern for the texts of what is allowed between two numbers, if something is.
    fn texts(self, low: u64, high: u64, only_integers: bool) -> Option<String> {
        let unit = self.unit();
        // Wholes that have numbers on both sides of a power of two, or of a bound.
        let mut mixed = BTreeSet::from([low / unit, high / unit]);
        let mut starts = BTreeSet::from([low / unit + 1, high / unit]);
        for power in 0..63 {
            let of_quotient = self.coefficient << power;
            if of_quotient > high {
                break;
            }
            if of_quotient.is_multiple_of(unit) {
                starts.insert(of_quotient / unit);
            } else {
                mixed.insert(of_quotient / unit);
            }
        }
        starts.extend((0..40).map(|power| 1u64 << power));
        starts.extend(mixed.iter().flat_map(|whole| [*whole, whole + 1]));
        let within = starts.range(low / unit..=high / unit).copied().collect::<Vec<_>>();
        let mut wholes: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for (index, first) in within.iter().enumerate() {
            let last = within.get(index + 1).map_or(high / unit, |next| next - 1);
            let allows = |fraction: u64| {
                let numbers = [*first, last].map(|whole| whole * unit + fraction);
                if mixed.contains(first) {
                    return (low..=high).contains(&numbers[0]) && self.allows(numbers[0], only_integers);
                }
                self.allows_all(numbers[0], numbers[1], only_integers)
            };
            let fractions: Vec<bool> = (0..unit).map(allows).collect();
            let Some(pattern) = fraction_pattern(&fractions, self.num_digits) else { continue };
            let ranges = wholes.entry(pattern).or_default();
            match ranges.last_mut().filter(|(_, end)| end + 1 == *first) {
                Some((_, end)) => *end = last,
                None => ranges.push((*first, last)),
            }
        }
        let branches = wholes.iter().map(|(fraction, ranges)| {
            let ranges: Vec<String> =
                ranges.iter().map(|(first, last)| decimal_ranges::pattern(*first, *last)).collect();
            format!("(?:{}){fraction}", ranges.join("|"))
        });
        let branches: Vec<String> = branches.collect();
        (!branches.is_empty()).then(|| branches.join("|"))
    }

    /// Whether all multiples among numbers that are whole units apart are allowed, and there is one.
    fn allows_all(self, first: u64, last: u64, only_integers: bool) -> bool {
        let unit = self.unit();
        let next = (0..self.coefficient).map(|steps| first + steps * unit).find(|n| n.is_multiple_of(self.coefficient));
        let before = (0..self.coefficient)
            .map_while(|steps| last.checked_sub(steps * unit))
            .find(|n| n.is_multiple_of(self.coefficient));
        match (next, before) {
            (Some(next), Some(before)) => {
                next <= last && self.allows(next, only_integers) && self.allows(before, only_integers)
            }
            _ => false,
        }
    }
}

/// A pattern for what stands behind the digits of a whole: nothing, or a point and digits. `None` if nothing may.
fn fraction_pattern(allowed: &[bool], num_digits: u32) -> Option<String> {
    let digits = digits_pattern(allowed, 0, num_digits);
    match (allowed[0], digits) {
        (true, None) => Some(String::new()),
        (true, Some(digits)) => Some(format!("(?:\\.{digits})?")),
        (false, digits) => digits.map(|digits| format!("\\.{digits}")),
    }
}

/// A pattern for at least one and at most `num_left` digits behind those of `value`.
fn digits_pattern(allowed: &[bool], value: usize, num_left: u32) -> Option<String> {
    let num_behind = num_left.checked_sub(1)?;
    let mut digits: BTreeMap<String, String> = BTreeMap::new();
    for digit in 0..10 {
        let next = value * 10 + digit;
        let may_end = allowed[next * 10usize.pow(num_behind)];
        let rest = match (may_end, digits_pattern(allowed, next, num_behind)) {
            (true, None) => String::new(),
            (true, Some(rest)) => format!("(?:{rest})?"),
            (false, Some(rest)) => rest,
            (false, None) => continue,
        };
        digits.entry(rest).or_default().push(char::from(b'0' + digit as u8));
    }
    let branches: Vec<String> = digits.iter().map(|(rest, digits)| format!("[{digits}]{rest}")).collect();
    (!branches.is_empty()).then(|| format!("(?:{})", branches.join("|")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::RegexBuilder;

    #[test]
    fn few_multiples_are_listed() {
        let values = |divisor: f64, minimum, maximum, only_integers| match Divisor::new(divisor) {
            Some(divisor) => match divisor.multiples(minimum, maximum, only_integers) {
                Multiples::Values(values) => values,
                Multiples::Texts(texts) => panic!("{texts:?}"),
            },
            None => panic!("{divisor}"),
        };
        assert_eq!(values(0.1, 0.0, 1.0, false), [0.0, 0.1, 0.2, 0.4, 0.5, 0.8, 0.9, 1.0]);
        assert_eq!(values(0.01, 0.27, 0.31, false), [0.27, 0.3, 0.31]);
        assert_eq!(values(0.3, -0.7, 1.0, false), [-0.6, -0.3, 0.0, 0.3, 0.6, 0.9]);
        assert_eq!(values(0.1, -1.5, 2.0, true), [-1.0, 0.0, 1.0, 2.0]);
        assert_eq!(values(0.01, 0.001, 0.009, false), [0.0; 0]);
        assert_eq!(values(0.01, 3.0, 2.0, false), [0.0; 0]);
        assert!(Divisor::new(0.0001).is_none() && Divisor::new(1e-9).is_none() && Divisor::new(1234.5).is_none());
    }

    #[test]
    fn whatever_is_described_divides_and_most_of_it_is_described() {
        for (divisor, minimum, maximum) in [
            (0.01, 0.0, f64::INFINITY),
            (0.01, -5000.5, 123_456.78),
            (0.05, 0.0, 1e6),
            (0.1, -1e5, 99_999.9),
            (0.001, 0.0, 5_000.0),
            (0.15, 0.0, 1e4),
            (0.7, 1.0, 1e5),
        ] {
            let divisor = Divisor::new(divisor).expect("few digits");
            let Multiples::Texts(texts) = divisor.multiples(minimum, maximum, false) else { panic!("{divisor:?}") };
            let mut builder = RegexBuilder::new();
            let expression = builder.mk(&texts.expression()).expect("a pattern");
            let mut regex = builder.to_regex(expression);
            let unit = divisor.unit() as f64;
            let (mut num_right, mut num_allowed) = (0, 0);
            let mut state = 88_172_645_463_325_252u64;
            for index in 0..4_000u64 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let most = 10f64.powi((index % 10) as i32 + 1).min(maximum) * unit;
                let number = state % (most as u64 / divisor.coefficient + 2) * divisor.coefficient;
                let value = number as f64 / unit;
                let is_right = divisor.divides(value) && (minimum..=maximum.min(GREATEST)).contains(&value);
                let (whole, fraction) = (number / divisor.unit(), number % divisor.unit());
                let text = format!("{whole}.{fraction:0width$}", width = divisor.num_digits as usize);
                let is_allowed = regex.is_match(&text);
                assert!(is_right || !is_allowed, "{divisor:?} {text}");
                num_right += i32::from(is_right);
                num_allowed += i32::from(is_allowed);
            }
            assert!(num_allowed * 100 >= num_right * 80, "{divisor:?}: {num_allowed} of {num_right}");
        }
    }
}
