//! The bounds of numbers, in a form that is exact for whoever reads JSON numbers as binary64: every number has at most 15
//! digits before its point, and a bound that is not itself allowed becomes the nearest 15-digit number that is.

use serde_json::{Map, Value, json};

use super::decimal_multiples::{self, Divisor};
use super::prepare::{invalid, too_complex, unsupported};
use crate::grammar::error::GrammarError;

/// Numbers beyond this may lose digits.
const GREATEST: f64 = 999_999_999_999_999.0;
/// Bounds are compared as 64-bit numbers.
const GREATEST_BOUND: f64 = 9e18;
/// Digits behind the point of a bound.
const MAX_FRACTION_DIGITS: usize = 15;
/// Each remainder of the division is a state.
const GREATEST_MULTIPLE: u64 = 10_000;

/// Least common multiples are taken by llguidance wherever schemas meet; all of a document together must stay small.
#[derive(Debug)]
pub(super) struct Multiples {
    /// In thousandths.
    least_common: u64,
}

impl Multiples {
    pub(super) fn new() -> Self {
        Self { least_common: 1 }
    }

    fn take(&mut self, value: f64) -> Result<(), GrammarError> {
        let thousandths = (value * 1000.0) as u64;
        let divisor = greatest_common_divisor(self.least_common, thousandths);
        self.least_common = (self.least_common / divisor).saturating_mul(thousandths);
        let (scale, limit) =
            if self.least_common.is_multiple_of(1000) { (1000, GREATEST_MULTIPLE) } else { (1, 50_000) };
        if self.least_common / scale > limit {
            return Err(too_complex("the numbers of multipleOf have a least common multiple that is too great"));
        }
        Ok(())
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Multiples of what is not exact in binary, which are left to the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimals {
    pub(super) divisor: Divisor,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
}

/// What the schema's other keywords say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// `type` names it, and not "number".
    pub(super) only_integers: bool,
    /// `type` names numbers, and no list of values does.
    pub(super) wants_bounds: bool,
    /// A list of values does, which bounds choose from.
    pub(super) lists_values: bool,
}

/// Puts the bounds of `schema` into `out`, and what it divides by, where that is exact in binary.
pub(super) fn rewrite(
    schema: &Map<String, Value>,
    context: Context,
    multiples: &mut Multiples,
    place: &str,
    out: &mut Map<String, Value>,
) -> Result<Option<Decimals>, GrammarError> {
    let mut minimum = number(schema, "minimum", place)?;
    let mut maximum = number(schema, "maximum", place)?;
    // Draft 4 has booleans here.
    let above = match schema.get("exclusiveMinimum") {
        Some(Value::Bool(excluded)) => minimum.filter(|_| *excluded),
        _ => number(schema, "exclusiveMinimum", place)?,
    };
    let below = match schema.get("exclusiveMaximum") {
        Some(Value::Bool(excluded)) => maximum.filter(|_| *excluded),
        _ => number(schema, "exclusiveMaximum", place)?,
    };
    if let Some(above) = above {
        let is_whole = context.only_integers && above.abs() <= GREATEST;
        let least = if is_whole { above.floor() + 1.0 } else { next(above, 1.0) };
        minimum = Some(minimum.map_or(least, |minimum| minimum.max(least)));
    }
    if let Some(below) = below {
        let is_whole = context.only_integers && below.abs() <= GREATEST;
        let most = if is_whole { below.ceil() - 1.0 } else { next(below, -1.0) };
        maximum = Some(maximum.map_or(most, |maximum| maximum.min(most)));
    }
    let multiple = number(schema, "multipleOf", place)?;
    if multiple.is_some_and(|multiple| multiple <= 0.0) {
        return Err(invalid(place, "multipleOf must be a number above 0"));
    }
    // Halves, quarters and eighths are exact in binary; tenths are not.
    let exact = multiple.filter(|multiple| (multiple * 8.0).fract() == 0.0);
    let decimals = match multiple.filter(|_| exact.is_none()) {
        None => None,
        Some(multiple) => {
            let divisor = Divisor::new(multiple).ok_or_else(|| {
                unsupported(place, "multipleOf", format!("{multiple} has too many digits for a divisor"))
            })?;
            let (minimum, maximum) = (minimum.unwrap_or(f64::NEG_INFINITY), maximum.unwrap_or(f64::INFINITY));
            if minimum > decimal_multiples::GREATEST || maximum < -decimal_multiples::GREATEST {
                return Err(unsupported(place, "multipleOf", "the numbers are too great to be divided by a decimal"));
            }
            Some(Decimals { divisor, minimum, maximum })
        }
    };
    let wants_bounds = context.wants_bounds || multiple.is_some();
    let is_far =
        minimum.is_some_and(|minimum| minimum > GREATEST) || maximum.is_some_and(|maximum| maximum < -GREATEST);
    // What is given beyond the greatest number that is wanted becomes that one, also where no type is named.
    let greatest = if context.lists_values { GREATEST_BOUND } else { GREATEST };
    if !is_far {
        minimum = minimum.map(|minimum| minimum.max(-greatest));
        maximum = maximum.map(|maximum| maximum.min(greatest));
    }
    if is_far && multiple.is_some() {
        return Err(unsupported(place, "multipleOf", "the numbers are too great to be divided exactly"));
    }
    let or_default = |bound: Option<f64>, default| match bound {
        None if wants_bounds && !is_far => Some(default),
        bound => bound,
    };
    for (name, bound) in [("minimum", or_default(minimum, -GREATEST)), ("maximum", or_default(maximum, GREATEST))] {
        let Some(bound) = bound else { continue };
        if bound.abs() > GREATEST_BOUND {
            return Err(unsupported(place, name, format!("{bound} is too great")));
        }
        let text = format!("{bound}");
        if text.split_once('.').is_some_and(|(_, fraction)| fraction.len() > MAX_FRACTION_DIGITS) {
            return Err(unsupported(place, name, format!("{bound} has too many digits behind its point")));
        }
        out.insert(name.to_owned(), json!(bound));
    }
    if let Some(multiple) = exact {
        multiples.take(multiple)?;
        out.insert("multipleOf".to_owned(), json!(multiple));
    }
    Ok(decimals)
}

fn number(schema: &Map<String, Value>, name: &str, place: &str) -> Result<Option<f64>, GrammarError> {
    match schema.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(place, format!("{name} must be a number"))),
        },
    }
}

/// The next number above or below that has 15 digits.
fn next(bound: f64, direction: f64) -> f64 {
    let exponent = if bound == 0.0 { 0 } else { bound.abs().log10().floor() as i32 };
    // Never more digits behind the point than a bound may have.
    let step_exponent = (exponent - 14).max(-14);
    let scale = 10f64.powi(-step_exponent);
    let scaled = if direction > 0.0 { (bound * scale).floor() + 1.0 } else { (bound * scale).ceil() - 1.0 };
    let digits = usize::try_from(-step_exponent).unwrap_or(0);
    // By its digits, so that what is printed is what was meant.
    let text = format!("{:.*}", digits, scaled / scale);
    let moved: f64 = text.parse().unwrap_or(bound);
    let is_past = if direction > 0.0 { moved > bound } else { moved < bound };
    if is_past { moved } else { moved + direction / scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_is_past_the_bound_and_near() {
        for bound in [0.0, 1.0, -1.0, 0.1, 0.3, 123.456, -99.99, 1e6, 1e14, 0.001, 5e-7] {
            for direction in [1.0, -1.0] {
                let moved = next(bound, direction);
                assert!((moved - bound) * direction > 0.0, "{bound} {direction} {moved}");
                assert!((moved - bound).abs() <= f64::max(bound.abs(), 1.0) * 2e-14, "{bound} {direction} {moved}");
                let text = format!("{moved}");
                assert!(text.split_once('.').is_none_or(|(_, fraction)| fraction.len() <= 15), "{text}");
            }
        }
    }
}
