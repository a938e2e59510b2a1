//! Lists of different values in a given order, any of them left out, as a pattern of their texts. Knows no schemas.

use serde_json::Value;

/// Most values: the pattern is quadratic in them.
const MAX_VALUES: usize = 60;
const WHITESPACE: &str = r"[ \t\n\r]*";

/// A pattern for JSON lists of some of `values`, or of at least one; with whitespace between tokens where it is `flexible`.
pub(super) fn pattern(values: &[Value], least: u64, spacing: Spacing) -> Option<String> {
    if values.is_empty() || values.len() > MAX_VALUES || least > 1 {
        return None;
    }
    let space = match spacing {
        Spacing::Dense => "",
        Spacing::Flexible => WHITESPACE,
    };
    let texts: Vec<String> = values.iter().map(|value| regex_syntax::escape(&value.to_string())).collect();
    let from_each = (0..texts.len()).map(|first| {
        let others: String = texts[first + 1..].iter().map(|text| format!("(?:,{space}{text}{space})?")).collect();
        format!("{}{space}{others}", texts[first])
    });
    let lists = from_each.collect::<Vec<_>>().join("|");
    let may_be_empty = if least == 0 { "?" } else { "" };
    Some(format!(r"\[{space}(?:{lists}){may_be_empty}\]"))
}

/// Whether whitespace may stand between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Dense,
    Flexible,
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::RegexBuilder;
    use serde_json::json;

    #[test]
    fn each_value_comes_once_and_in_order() {
        let values: Vec<Value> = ["a", "b.c", "\"", "d"].iter().map(|text| json!(text)).collect();
        let pattern = pattern(&values, 1, Spacing::Flexible).expect("few values");
        let mut builder = RegexBuilder::new();
        let expression = builder.mk_regex(&pattern).expect("a pattern");
        let mut regex = builder.to_regex(expression);
        for text in [r#"["a"]"#, r#"[ "a" , "d" ]"#, r#"["b.c","\""]"#, r#"["a","b.c","\"","d"]"#] {
            assert!(regex.is_match(text), "{text}");
        }
        for text in ["[]", r#"["a","a"]"#, r#"["d","a"]"#, r#"["bxc"]"#, r#"["a",]"#] {
            assert!(!regex.is_match(text), "{text}");
        }
        assert_eq!(super::pattern(&values, 2, Spacing::Dense), None);
    }
}
