//! What a request asks its output to be, as text.

/// How the text of a source is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrammarKind {
    /// A JSON schema: the output is JSON that it accepts.
    JsonSchema,
    /// No text: the output is a JSON object.
    JsonObject,
    /// A regular expression in the syntax of ECMAScript; the whole output matches.
    Regex,
    /// A JSON array of strings: the output is one of them.
    Choice,
    /// A grammar in Lark, or in GBNF if it has `::=`.
    Grammar,
    /// A structural tag, as JSON.
    StructuralTag,
}

/// How JSON is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JsonOptions {
    /// No whitespace between tokens.
    pub disable_any_whitespace: bool,
    /// Objects take no properties beside those that they name, unless they say otherwise.
    pub disable_additional_properties: bool,
    /// A regular expression of the whitespace between tokens.
    pub whitespace_pattern: Option<String>,
}

/// A source. Equal sources give equal grammars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GrammarSource {
    /// How to read `text`.
    pub kind: GrammarKind,
    /// The source proper.
    pub text: String,
    /// For what writes JSON.
    pub json: JsonOptions,
}
