//! Patterns for the decimal texts of whole numbers between two bounds.

/// A pattern for the numbers from `first` to `last`, without leading zeros.
pub(super) fn pattern(first: u64, last: u64) -> String {
    let mut branches = Vec::new();
    let mut low = first;
    while low <= last {
        let num_digits = low.to_string().len();
        let greatest = 10u64.checked_pow(num_digits as u32).map_or(u64::MAX, |power| power - 1);
        let high = last.min(greatest);
        branches.push(between(low.to_string().as_bytes(), high.to_string().as_bytes()));
        match high.checked_add(1) {
            Some(next) => low = next,
            None => break,
        }
    }
    branches.join("|")
}

/// Texts as long as both bounds, in their order.
fn between(low: &[u8], high: &[u8]) -> String {
    let (Some((first, low)), Some((last, high))) = (low.split_first(), high.split_first()) else {
        return String::new();
    };
    if first == last {
        return format!("{}{}", char::from(*first), between(low, high));
    }
    let is_from_lowest = low.iter().all(|digit| *digit == b'0');
    let is_to_highest = high.iter().all(|digit| *digit == b'9');
    let middle = (first + u8::from(!is_from_lowest), last - u8::from(!is_to_highest));
    let mut branches = Vec::new();
    if !is_from_lowest {
        let nines = vec![b'9'; low.len()];
        branches.push(format!("{}{}", char::from(*first), between(low, &nines)));
    }
    if middle.0 <= middle.1 {
        branches.push(format!("[{}-{}]{}", char::from(middle.0), char::from(middle.1), any(low.len())));
    }
    if !is_to_highest {
        let zeros = vec![b'0'; high.len()];
        branches.push(format!("{}{}", char::from(*last), between(&zeros, high)));
    }
    format!("(?:{})", branches.join("|"))
}

fn any(num_digits: usize) -> String {
    match num_digits {
        0 => String::new(),
        1 => "[0-9]".to_owned(),
        _ => format!("[0-9]{{{num_digits}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::RegexBuilder;

    #[test]
    fn a_range_has_its_numbers_and_no_others() {
        for (first, last) in [(0, 0), (0, 9), (3, 3), (7, 13), (0, 105), (98, 101), (10, 99), (128, 255), (999, 1000)] {
            let pattern = pattern(first, last);
            let mut builder = RegexBuilder::new();
            let expression = builder.mk_regex(&pattern).expect("a pattern");
            let mut regex = builder.to_regex(expression);
            for number in 0..1100u64 {
                let is_within = (first..=last).contains(&number);
                assert_eq!(regex.is_match(&number.to_string()), is_within, "{pattern} {number}");
            }
        }
    }
}
