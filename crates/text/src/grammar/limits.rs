//! What a source may cost. Grammars come from whoever sends requests; each limit is far above what real ones need.

use llguidance::api::ParserLimits;

/// Bytes of a source.
pub(super) const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Schemas within a JSON schema, each counted once.
pub(super) const MAX_SCHEMAS: usize = 20_000;
/// Schemas between the outermost and the innermost one, through references.
pub(super) const MAX_SCHEMA_DEPTH: usize = 200;
/// Brackets within brackets of a regular expression or grammar.
pub(super) const MAX_NESTING: usize = 100;
/// `n` of `{n}`: in a regular expression each one is a state.
pub(super) const MAX_REPETITIONS: u32 = 20_000;
/// The product of repetitions that stand within each other.
pub(super) const MAX_NESTED_REPETITIONS: u64 = 100_000;
/// Rules of a grammar.
pub(super) const MAX_RULES: usize = 5_000;
/// Strings of a choice.
pub(super) const MAX_CHOICES: usize = 10_000;
/// Room for the recursion of parsers. Only what is touched is ever committed.
pub(super) const COMPILE_STACK_BYTES: usize = 64 << 20;

/// Work that llguidance may do.
pub(super) fn parser_limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_items_in_row: 2_000,
        max_lexer_states: 50_000,
        max_grammar_size: 300_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}
