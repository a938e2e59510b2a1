//! Names of the parts of a split file: `<name>-00001-of-00003.gguf`.

/// Most parts: five digits are all there is room for, and no real model has near as many.
const MAX_PARTS: usize = 9_999;

/// A file name of a part, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitName {
    stem: String,
    /// Which part it is, from 0.
    pub part: usize,
    /// How many parts there are.
    pub count: usize,
}

impl SplitName {
    /// Takes the name of a part apart; `None` for any other name.
    pub fn parse(file_name: &str) -> Option<SplitName> {
        let rest = file_name.strip_suffix(".gguf")?;
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, part) = rest.rsplit_once('-')?;
        let number = |digits: &str| {
            (digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
        };
        let (part, count): (usize, usize) = (number(part)?, number(count)?);
        if part == 0 || part > count || count > MAX_PARTS {
            return None;
        }
        Some(SplitName { stem: stem.to_string(), part: part - 1, count })
    }

    /// The file name of another part.
    pub fn of_part(&self, part: usize) -> String {
        format!("{}-{:05}-of-{:05}.gguf", self.stem, part + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::SplitName;

    #[test]
    fn names_of_parts_are_taken_apart_and_put_together() {
        let name = SplitName::parse("a-model-00002-of-00003.gguf").expect("a part");
        assert_eq!((name.part, name.count), (1, 3));
        assert_eq!(name.of_part(1), "a-model-00002-of-00003.gguf");
        assert_eq!(name.of_part(0), "a-model-00001-of-00003.gguf");
        let others =
            ["model.gguf", "a-00000-of-00003.gguf", "a-00004-of-00003.gguf", "a-1-of-3.gguf", "a-+0001-of-00003.gguf"];
        for name in others {
            assert_eq!(SplitName::parse(name), None, "{name}");
        }
    }
}
