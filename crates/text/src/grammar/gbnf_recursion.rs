//! Which rules of GBNF refer to themselves, and those that do so at their end only, as repetitions: `text ::= "" | [a-z] text`
//! is `text ::= [a-z]*`. People and programs write the characters of strings like that, and a repetition costs a small part
//! of what the recursion does.

use super::gbnf::{Expression, Rule};

/// The rule `number` without the recursion, where that is all the recursion there is; as it stands otherwise.
pub(super) fn without_recursion(number: usize, body: Expression) -> Expression {
    if !is_right_linear(number, &body) {
        return body;
    }
    let (mut again, mut last) = (Vec::new(), Vec::new());
    split(number, body, &mut again, &mut last);
    let again = Expression::Repeated(Box::new(Expression::Choice(again)), 0, None);
    Expression::Sequence(vec![again, Expression::Choice(last)])
}

/// Whether the rule refers to itself, and each alternative does so at its end, if at all, behind something.
fn is_right_linear(number: usize, body: &Expression) -> bool {
    let (mut num_again, mut num_last) = (0, 0);
    let mut left = vec![body];
    while let Some(expression) = left.pop() {
        match expression {
            Expression::Choice(parts) => left.extend(parts),
            Expression::Repeated(inner, 0, Some(1)) => {
                num_last += 1;
                left.push(inner);
            }
            Expression::Sequence(parts) if matches!(parts.last(), Some(Expression::Rule(last)) if *last == number) => {
                let before = &parts[..parts.len() - 1];
                if before.is_empty() || before.iter().any(|part| referenced(part).contains(&number)) {
                    return false;
                }
                num_again += 1;
            }
            other if referenced(other).contains(&number) => return false,
            _ => num_last += 1,
        }
    }
    num_again > 0 && num_last > 0
}

/// The alternatives that go on, without the reference, and those that do not.
fn split(number: usize, expression: Expression, again: &mut Vec<Expression>, last: &mut Vec<Expression>) {
    match expression {
        Expression::Choice(parts) => parts.into_iter().for_each(|part| split(number, part, again, last)),
        Expression::Repeated(inner, 0, Some(1)) => {
            last.push(Expression::Sequence(Vec::new()));
            split(number, *inner, again, last);
        }
        Expression::Sequence(mut parts) if matches!(parts.last(), Some(Expression::Rule(end)) if *end == number) => {
            parts.pop();
            again.push(Expression::Sequence(parts));
        }
        other => last.push(other),
    }
}

/// Which rules refer to themselves, or to one that does.
pub(super) fn recursive(rules: &[Rule]) -> Vec<bool> {
    // Rules whose references are all known to end; what is left at the end does not.
    let references: Vec<Vec<usize>> =
        rules.iter().map(|rule| rule.body.as_ref().map(referenced).unwrap_or_default()).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
    let mut num_left: Vec<usize> = references.iter().map(Vec::len).collect();
    for (rule, used) in references.iter().enumerate() {
        used.iter().for_each(|&other| users[other].push(rule));
    }
    let mut recursive = vec![true; rules.len()];
    let mut ready: Vec<usize> = (0..rules.len()).filter(|&rule| num_left[rule] == 0).collect();
    while let Some(rule) = ready.pop() {
        recursive[rule] = false;
        for &user in &users[rule] {
            num_left[user] -= 1;
            if num_left[user] == 0 {
                ready.push(user);
            }
        }
    }
    recursive
}

fn referenced(expression: &Expression) -> Vec<usize> {
    match expression {
        Expression::Literal(_) | Expression::Class(_) => Vec::new(),
        Expression::Rule(number) => vec![*number],
        Expression::Sequence(parts) | Expression::Choice(parts) => parts.iter().flat_map(referenced).collect(),
        Expression::Repeated(inner, ..) => referenced(inner),
    }
}
