//! Which experts a router picks for each token, and how much they weigh: a function from numbers to numbers.

/// What the router's numbers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Probabilities of the experts.
    Softmax,
    /// The logistic function of each.
    Logistic,
}

/// What a group of experts is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupScore {
    /// Its best expert.
    Best,
    /// The sum of its two best.
    TwoBest,
}

/// Experts are picked from the best groups alone. <https://arxiv.org/abs/2405.04434>, section 2.2.2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups {
    /// Of equally many neighbours; divides the number of experts.
    pub(crate) count: usize,
    /// Groups that are picked.
    pub(crate) picked: usize,
    /// By what.
    pub(crate) score: GroupScore,
}

/// The router's rule.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    /// Experts of each token; at most those of the picked groups.
    pub(crate) experts_per_token: usize,
    /// What scores are.
    pub(crate) scores: Scores,
    /// Added to scores when experts and groups are picked, but not to weights; one for each expert, or none.
    pub(crate) bias: Option<Vec<f32>>,
    /// Where experts are picked from; `None` = from all.
    pub(crate) groups: Option<Groups>,
    /// Whether weights are divided by their sum.
    pub(crate) normalised: bool,
    /// What they are multiplied by then.
    pub(crate) scale: f32,
}

/// A token that an expert was picked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) expert: usize,
    pub(crate) token: i32,
    pub(crate) weight: f32,
}

/// Keeps a sum of scores that all vanish from dividing by zero.
const SMALLEST_TOTAL: f32 = 1e-20;

impl Routing {
    /// Turns the router's numbers `[tokens, experts]` into scores and picks the best of each token, the first of equal ones;
    /// sorted by expert, then token.
    pub(crate) fn assign(&self, scores: &mut [f32], num_experts: usize) -> Vec<Assignment> {
        let mut assignments = Vec::with_capacity(scores.len() / num_experts * self.experts_per_token);
        let mut order: Vec<usize> = Vec::with_capacity(num_experts);
        let mut worth: Vec<f32> = Vec::with_capacity(num_experts);
        for (token, scores) in scores.chunks_exact_mut(num_experts).enumerate() {
            match self.scores {
                Scores::Softmax => softmax(scores),
                Scores::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            }
            worth.clear();
            worth.extend_from_slice(scores);
            if let Some(bias) = &self.bias {
                worth.iter_mut().zip(bias).for_each(|(worth, bias)| *worth += bias);
            }
            order.clear();
            match self.groups {
                None => order.extend(0..num_experts),
                Some(groups) => groups.experts(&worth, &mut order),
            }
            order.sort_unstable_by(|&one, &other| best_first(&worth, one, other));
            let picked = &order[..self.experts_per_token];
            let total = match self.normalised {
                true => picked.iter().map(|&expert| scores[expert]).sum::<f32>() + SMALLEST_TOTAL,
                false => 1.0,
            };
            assignments.extend(picked.iter().map(|&expert| Assignment {
                expert,
                token: token as i32,
                weight: scores[expert] / total * self.scale,
            }));
        }
        assignments.sort_by_key(|one| one.expert); // stable: tokens stay in order
        assignments
    }
}

impl Groups {
    /// The experts of the picked groups, by what each expert is worth.
    fn experts(&self, worth: &[f32], experts: &mut Vec<usize>) {
        let size = worth.len() / self.count;
        let of_group = |members: &[f32]| {
            let mut members = members.to_vec();
            members.sort_unstable_by(|one, other| other.total_cmp(one));
            match self.score {
                GroupScore::Best => members[0],
                GroupScore::TwoBest => members.iter().take(2).sum(),
            }
        };
        let totals: Vec<f32> = worth.chunks_exact(size).map(of_group).collect();
        let mut order: Vec<usize> = (0..self.count).collect();
        order.sort_unstable_by(|&one, &other| best_first(&totals, one, other));
        experts.extend(order[..self.picked].iter().flat_map(|group| group * size..(group + 1) * size));
    }
}

fn best_first(worth: &[f32], one: usize, other: usize) -> std::cmp::Ordering {
    worth[other].total_cmp(&worth[one]).then(one.cmp(&other))
}

/// `1 / (1 + e^-x)`.
pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

#[cfg(test)]
mod tests {
    use super::{Assignment, GroupScore, Groups, Routing, Scores};

    const PLAIN: Routing = Routing {
        experts_per_token: 2,
        scores: Scores::Softmax,
        bias: None,
        groups: None,
        normalised: true,
        scale: 1.0,
    };

    fn places(list: &[Assignment]) -> Vec<(usize, i32)> {
        list.iter().map(|one| (one.expert, one.token)).collect()
    }

    fn assert_weights(list: &[Assignment], expected: &[f32]) {
        let found: Vec<f32> = list.iter().map(|one| one.weight).collect();
        let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(close && found.len() == expected.len(), "{found:?} is not {expected:?}");
    }

    #[test]
    fn tokens_are_sorted_by_expert_and_weights_are_normalised_if_asked_for() {
        let half = 0.5_f32.ln();
        // Token 0: expert 2 twice as likely as 0, 1 nearly impossible. Token 1: all alike, so the first two.
        let scores = vec![half, -100.0, 0.0, 1.0, 1.0, 1.0];
        let picked = |normalised, scale| Routing { normalised, scale, ..PLAIN }.assign(&mut scores.clone(), 3);
        assert_eq!(places(&picked(true, 1.0)), [(0, 0), (0, 1), (1, 1), (2, 0)]);
        assert_weights(&picked(true, 1.0), &[1.0 / 3.0, 0.5, 0.5, 2.0 / 3.0]);
        assert_weights(&picked(false, 1.0), &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0]);
        assert_weights(&picked(true, 3.0), &[1.0, 1.5, 1.5, 2.0]);
    }

    #[test]
    fn the_best_groups_alone_are_picked_from() {
        let scores = [0.5, 0.1, 0.4, 0.4, 0.3, 0.3].map(f32::ln);
        let picked = |score| {
            let groups = Some(Groups { count: 3, picked: 1, score });
            places(&Routing { groups, ..PLAIN }.assign(&mut scores.clone(), 6))
        };
        assert_eq!(picked(GroupScore::Best), [(0, 0), (1, 0)]);
        assert_eq!(picked(GroupScore::TwoBest), [(2, 0), (3, 0)]);
    }

    #[test]
    fn a_bias_picks_and_does_not_weigh() {
        let bias = Some(vec![0.0, 0.0, 1.0]);
        let routing = Routing { scores: Scores::Logistic, bias, experts_per_token: 1, normalised: false, ..PLAIN };
        let assigned = routing.assign(&mut [3.0, 0.0, 0.0], 3);
        assert_eq!(places(&assigned), [(2, 0)]);
        assert_weights(&assigned, &[0.5]);
    }

    #[test]
    fn scores_that_are_no_numbers_pick_somebody() {
        let scores = [f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
        for groups in [None, Some(Groups { count: 2, picked: 1, score: GroupScore::TwoBest })] {
            assert_eq!(Routing { groups, ..PLAIN }.assign(&mut scores.clone(), 4).len(), 2);
        }
    }
}
