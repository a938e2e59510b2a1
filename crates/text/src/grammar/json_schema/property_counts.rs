//! `minProperties` and `maxProperties` of objects with optional properties: alternatives that say of each property whether it
//! is there, up to where the count is settled. Knows nothing of the properties' schemas.

use serde_json::{Map, Value, json};

/// Alternatives that are written out.
const MAX_BRANCHES: usize = 256;

/// Counts of the properties that are not required.
#[derive(Clone, Copy, Debug)]
struct Counts {
    least: u64,
    most: Option<u64>,
}

struct Branches<'a> {
    optional: &'a [&'a str],
    num_required: u64,
    is_open: bool,
    branches: Vec<Value>,
    /// Whether each optional property so far is there.
    present: Vec<bool>,
}

/// The properties of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties<'a> {
    pub(super) optional: &'a [&'a str],
    pub(super) num_required: u64,
    /// Whether there may be others.
    pub(super) is_open: bool,
}

/// Schemas of which one holds where an object has at least `least` and at most `most` properties. Properties that are not
/// named may come twice, and then count once: no more than one of them is counted on. `None` if there are too many.
pub(super) fn branches(properties: Properties<'_>, least: u64, most: Option<u64>) -> Option<Vec<Value>> {
    let Properties { optional, num_required, is_open } = properties;
    let mut branches = Branches { optional, num_required, is_open, branches: Vec::new(), present: Vec::new() };
    let most = match most {
        Some(most) if most < num_required => return Some(Vec::new()),
        most => most.map(|most| most - num_required),
    };
    branches.add(Counts { least: least.saturating_sub(num_required), most })?;
    Some(branches.branches)
}

impl Branches<'_> {
    fn add(&mut self, counts: Counts) -> Option<()> {
        let num_left = (self.optional.len() - self.present.len()) as u64;
        let never_exceeds = |most: u64| !self.is_open && most >= num_left;
        if counts.least > num_left + u64::from(self.is_open) {
            return Some(());
        }
        if num_left == 0 || (counts.least == 0 && counts.most.is_none_or(never_exceeds)) {
            self.branches.push(self.branch(counts));
            return (self.branches.len() <= MAX_BRANCHES).then_some(());
        }
        if counts.most != Some(0) {
            self.present.push(true);
            let most = counts.most.map(|most| most - 1);
            self.add(Counts { least: counts.least.saturating_sub(1), most })?;
            self.present.pop();
        }
        self.present.push(false);
        self.add(counts)?;
        self.present.pop();
        Some(())
    }

    fn branch(&self, counts: Counts) -> Value {
        let settled = self.optional.iter().zip(&self.present);
        let absent: Map<String, Value> = settled
            .clone()
            .filter(|(_, is_there)| !**is_there)
            .map(|(name, _)| ((*name).to_owned(), json!(false)))
            .collect();
        let required: Vec<&str> = settled.filter(|(_, is_there)| **is_there).map(|(name, _)| *name).collect();
        let mut branch = json!({ "properties": absent, "additionalProperties": true, "required": required });
        // Those that are required count too.
        if self.present.len() == self.optional.len() && self.is_open {
            let num_required = self.num_required + required.len() as u64;
            branch["minProperties"] = json!(counts.least + num_required);
            if let Some(most) = counts.most {
                branch["maxProperties"] = json!(most + num_required);
            }
        }
        branch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_exclude_each_other_and_end_where_the_count_is_settled() {
        let count = |optional: &[&str], is_open, least, most| {
            branches(Properties { optional, num_required: 0, is_open }, least, most).map(|all| all.len())
        };
        let names = ["a", "b", "c"];
        // A, or B without A, or C without both; or another one without all.
        assert_eq!(count(&names, false, 1, None), Some(3));
        assert_eq!(count(&names, true, 1, None), Some(4));
        assert_eq!(count(&names, false, 3, None), Some(1));
        assert_eq!(count(&names, false, 4, None), Some(0));
        assert_eq!(count(&names, false, 0, Some(3)), Some(1));
        assert_eq!(count(&names, false, 1, Some(1)), Some(3));
        assert_eq!(count(&[], true, 2, None), Some(0));
        let many: Vec<String> = (0..30).map(|index| index.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(count(&many, true, 1, None), Some(31));
        assert_eq!(count(&many, true, 15, None), None);
    }
}
