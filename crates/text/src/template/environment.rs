//! The minijinja environment that transformers' templates expect, one for each template.

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::limits::{self, Cause};
use super::{bounded, filters, json_text, methods, operators, python_text, rewrite, string_methods};
use crate::error::TextError;

const NAME: &str = "chat_template";

/// Compiles a template.
///
/// # Errors
/// `TemplateSyntax`.
pub(crate) fn compile(source: &str) -> Result<Environment<'static>, TextError> {
    let rewritten = rewrite::rewrite(source)
        .map_err(|error| TextError::TemplateSyntax { line: error.line, reason: error.reason })?;
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(false);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(limits::FUEL));
    environment.set_recursion_limit(limits::MAX_RECURSION);
    environment.set_formatter(print);
    environment.set_unknown_method_callback(methods::call);
    environment.add_function(operators::MATH, operators::math);
    environment.add_function(operators::CONCAT, operators::concat);
    environment.add_function(bounded::BOUNDED, bounded::variable);
    environment.add_function(bounded::BOUNDED_ATTRIBUTE, bounded::attribute);
    environment.add_function(operators::ITERABLE, operators::iterable);
    environment.add_function(operators::TUPLE, operators::tuple);
    environment.add_function(operators::SLICE, operators::slice);
    environment.add_filter(operators::GENERATOR, operators::generator);
    environment.add_function("raise_exception", |message: Value| -> Result<Value, Error> {
        Err(limits::error(Cause::Raised(message.to_string())))
    });
    filters::add(&mut environment);
    environment.add_filter("tojson", json_text::tojson);
    environment.add_filter("format", methods::format_filter);
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| python_text::str(state, value));
    environment.add_filter(
        "replace",
        |state: &State<'_, '_>, text: &Value, old: &str, new: &str, count: Option<i64>| {
            methods::replace(state, &python_text::str(state, text)?, old, new, count)
        },
    );
    environment.add_filter("join", join_filter);
    environment.add_filter("indent", indent);
    environment.add_filter("center", |state: &State<'_, '_>, text: &Value, width: Option<usize>| {
        let text = Value::from(python_text::str(state, text)?);
        methods::call(state, &text, "center", &[Value::from(width.unwrap_or(80))])
    });
    let is_container = |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Iterable)
            || value.is_undefined()
    };
    environment.add_test("sequence", move |value: &Value| is_container(value));
    environment.add_test("iterable", move |value: &Value| is_container(value));
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
    environment.add_template_owned(NAME, rewritten).map_err(syntax_error)?;
    Ok(environment)
}

/// Renders the template with the names that `context` defines.
///
/// # Errors
/// `TemplateRaised`, `TemplateLimit`, `TemplateRender`.
pub(crate) fn render(environment: &Environment<'static>, context: Value) -> Result<String, TextError> {
    let template = environment.get_template(NAME).map_err(syntax_error)?;
    template.render(context).map_err(render_error)
}

fn print(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match value.as_str() {
        Some(text) => {
            limits::text(state, Some(text.len()))?;
            out.write_str(text)
        }
        None => out.write_str(&python_text::str(state, value)?),
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the text could not be written"))
}

fn join_filter(
    state: &State<'_, '_>,
    items: &Value,
    separator: Option<&str>,
    options: Kwargs,
) -> Result<String, Error> {
    let attribute: Option<Value> = options.get("attribute")?;
    let named: Option<&str> = options.get("d")?;
    options.assert_all_used()?;
    let separator = separator.or(named).unwrap_or("");
    match attribute {
        None => methods::join(state, separator, items, false),
        Some(attribute) => {
            let picked =
                items.try_iter()?.map(|item| item.get_item(&attribute)).collect::<Result<Vec<Value>, Error>>()?;
            methods::join(state, separator, &Value::from(picked), false)
        }
    }
}

/// `indent(width=4, first=False, blank=False)`; the width may be a text.
fn indent(state: &State<'_, '_>, text: &str, arguments: Rest<Value>) -> Result<String, Error> {
    type Arguments = (Option<Value>, Option<bool>, Option<bool>, Kwargs);
    let (width, first, blank, options): Arguments = from_args(&arguments.0)?;
    let width = options.get::<Option<Value>>("width")?.or(width).unwrap_or_else(|| Value::from(4));
    let first = options.get::<Option<bool>>("first")?.or(first).unwrap_or(false);
    let blank = options.get::<Option<bool>>("blank")?.or(blank).unwrap_or(false);
    options.assert_all_used()?;
    let padding = match (width.as_str(), width.as_usize()) {
        (Some(padding), _) => padding.to_owned(),
        (None, Some(width)) if width <= 1024 => " ".repeat(width),
        _ => return Err(operators::too_long("an indent")),
    };
    let text = [text, "\n"].concat();
    let lines = string_methods::lines(&text, false);
    limits::text(state, lines.len().checked_mul(padding.len()).and_then(|added| added.checked_add(text.len())))?;
    let indented = lines.iter().enumerate().map(|(index, line)| {
        let wanted = if index == 0 { first } else { blank || !line.is_empty() };
        if wanted { format!("{padding}{line}") } else { (*line).to_owned() }
    });
    Ok(indented.collect::<Vec<String>>().join("\n"))
}

fn syntax_error(error: Error) -> TextError {
    let line = error.line().unwrap_or(1);
    TextError::TemplateSyntax { line, reason: error.detail().unwrap_or("it is not a template").to_owned() }
}

fn render_error(error: Error) -> TextError {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        match inner.downcast_ref::<Cause>() {
            Some(Cause::Raised(message)) => return TextError::TemplateRaised { message: message.clone() },
            Some(Cause::Limit(limit)) => return TextError::TemplateLimit { limit: limit.clone() },
            None => source = inner.source(),
        }
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return TextError::TemplateLimit { limit: format!("more than {} steps", limits::FUEL) };
    }
    if error.to_string().contains("recursion limit") {
        return TextError::TemplateLimit { limit: format!("more than {} nested calls", limits::MAX_RECURSION) };
    }
    TextError::TemplateRender { reason: error.to_string() }
}
