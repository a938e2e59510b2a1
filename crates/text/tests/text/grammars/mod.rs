//! Grammars over tiny tokenizers: what a source allows, what it refuses and by which name, and that nothing takes long.

mod forced;
mod free_text;
mod hostile;
mod schemas;

use quire_text::{GrammarCompiler, GrammarError, GrammarKind, GrammarSource, JsonOptions, Tokenizer};

use crate::fixtures;

pub(crate) const BYTE_LEVEL_EOS: i32 = 263;

pub(crate) fn byte_level() -> (Tokenizer, GrammarCompiler) {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    let compiler = GrammarCompiler::new(&tokenizer, tokenizer.vocab_size(), &[BYTE_LEVEL_EOS]).expect("a compiler");
    (tokenizer, compiler)
}

pub(crate) fn source(kind: GrammarKind, text: impl Into<String>) -> GrammarSource {
    GrammarSource { kind, text: text.into(), json: JsonOptions::default() }
}

/// Whether `text`, as the tokenizer writes it, may be the whole output.
pub(crate) fn allows(
    tokenizer: &Tokenizer,
    compiler: &GrammarCompiler,
    source: &GrammarSource,
    text: &str,
) -> Result<bool, GrammarError> {
    let mut matcher = compiler.compile(source)?.matcher();
    let mut mask = vec![0; compiler.vocab_size().div_ceil(32)];
    for id in tokenizer.encode(text, false).expect("ids") {
        if matcher.is_complete() {
            return Ok(false);
        }
        matcher.fill_mask(&mut mask)?;
        if mask[id as usize / 32] >> (id % 32) & 1 == 0 {
            return Ok(false);
        }
        matcher.accept(&[id])?;
    }
    Ok(matcher.may_end())
}

/// Checks rows of a source, texts that it allows, and texts that it does not.
pub(crate) fn check(kind: GrammarKind, rows: &[(&str, &[&str], &[&str])]) {
    let (tokenizer, compiler) = byte_level();
    for (text, good, bad) in rows {
        let source = source(kind, *text);
        for (wanted, texts) in [(true, good), (false, bad)] {
            for output in *texts {
                let found = allows(&tokenizer, &compiler, &source, output);
                assert_eq!(found, Ok(wanted), "{text}\n{output:?}");
            }
        }
    }
}
