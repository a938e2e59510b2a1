//! The keywords of all drafts: which say nothing about validity, which are for one type of value, which are made of others.

/// What a keyword is to the rewriter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// Says nothing about whether a value is valid, or has been dealt with elsewhere.
    Annotation,
    /// Its value is a number of characters, items or properties.
    Count,
    /// Has rules of its own in the rewriter.
    Rule,
    /// Where it has an effect, it is said in other words, or refused.
    Derived,
}

/// A keyword that no draft has is an annotation, as the specification says.
pub(super) fn of(name: &str) -> Keyword {
    match name {
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => Keyword::Count,
        "$ref"
        | "type"
        | "enum"
        | "const"
        | "allOf"
        | "anyOf"
        | "oneOf"
        | "properties"
        | "patternProperties"
        | "additionalProperties"
        | "required"
        | "items"
        | "prefixItems"
        | "additionalItems"
        | "pattern"
        | "format"
        | "minimum"
        | "maximum"
        | "exclusiveMinimum"
        | "exclusiveMaximum"
        | "multipleOf" => Keyword::Rule,
        "not"
        | "if"
        | "contains"
        | "uniqueItems"
        | "propertyNames"
        | "dependencies"
        | "dependentRequired"
        | "dependentSchemas"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "$dynamicRef"
        | "$recursiveRef" => Keyword::Derived,
        _ => Keyword::Annotation,
    }
}

/// The one type of value that a keyword is about; about other values it says nothing.
pub(super) fn type_of(name: &str) -> Option<&'static str> {
    match name {
        "properties"
        | "patternProperties"
        | "additionalProperties"
        | "required"
        | "minProperties"
        | "maxProperties"
        | "propertyNames"
        | "dependencies"
        | "dependentRequired"
        | "dependentSchemas"
        | "unevaluatedProperties" => Some("object"),
        "items" | "prefixItems" | "additionalItems" | "minItems" | "maxItems" | "contains" | "uniqueItems"
        | "unevaluatedItems" => Some("array"),
        "minLength" | "maxLength" | "pattern" => Some("string"),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => Some("number"),
        _ => None,
    }
}
