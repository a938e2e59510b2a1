//! Grammars: compiled off the JavaScript thread and kept, followed by sequences, masked while the model runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_core::{InputBatchView, SequenceId};
use quire_sampler::ThreadPool;
use quire_text::{CompiledGrammar, GrammarCompiler, GrammarKind, GrammarSource, JsonOptions};

use crate::failure::{Failure, Outcome, outcome};
use crate::grammar_rows::GrammarRow;
pub(crate) use crate::grammar_rows::GrammarRows;
use crate::sequence_failure::SequenceFailure;
use crate::tokenizer::Tokenizer;
use crate::words::elements;

/// Compiled grammars that are kept; the one that was used longest ago goes first.
const NUM_KEPT: usize = 256;

/// What the output must be.
#[napi(object)]
pub struct NativeGrammarSource {
    /// How to read `text`.
    #[napi(ts_type = "'json' | 'regex' | 'choice' | 'grammar' | 'jsonObject' | 'structuralTag'")]
    pub kind: String,
    /// The schema, expression, grammar or tag; a JSON array of strings for a choice.
    pub text: String,
    pub disable_any_whitespace: bool,
    pub disable_additional_properties: bool,
    pub whitespace_pattern: Option<String>,
}

/// What a pool is made with.
#[napi(object)]
pub struct GrammarPoolOptions {
    /// Logits per row.
    pub vocab_size: u32,
    /// Ids that end a text.
    pub eos_ids: Vec<i32>,
    /// Threads that share the rows of a step.
    pub threads: u32,
}

/// How sequences follow a grammar.
#[napi(object)]
pub struct FollowOptions {
    /// Tokens that are certain are taken without being drawn.
    pub forces: bool,
    /// Said where nothing can follow; absent: the sequence ends without a token that says so.
    pub end_id: Option<i32>,
    /// `endId` is drawn like every other token, because its logprob is wanted.
    pub draws_end: bool,
    /// Ids at which the sequence ends by itself.
    pub stop_ids: Vec<i32>,
}

struct Kept {
    grammar: Arc<CompiledGrammar>,
    last_use: u64,
}

struct Inner {
    compiler: GrammarCompiler,
    kept: Mutex<(HashMap<GrammarSource, Kept>, u64)>,
}

/// One tokenizer's grammars and the sequences that follow them.
#[napi]
#[derive(Clone)]
pub struct GrammarPool {
    inner: Arc<Inner>,
    rows: Arc<GrammarRows>,
}

/// A grammar of a pool.
#[napi]
pub struct Grammar {
    grammar: Arc<CompiledGrammar>,
}

/// Makes a pool: a second or so for a large vocabulary, off the JavaScript thread.
#[napi(ts_return_type = "Promise<GrammarPool | Failure>")]
pub fn create_grammar_pool(tokenizer: &Tokenizer, options: GrammarPoolOptions) -> AsyncTask<CreatePool> {
    AsyncTask::new(CreatePool { tokenizer: tokenizer.inner.clone(), options })
}

impl GrammarPool {
    pub(crate) fn rows(&self) -> Arc<GrammarRows> {
        Arc::clone(&self.rows)
    }
}

#[napi]
impl GrammarPool {
    /// The grammar of a source, compiled off the JavaScript thread unless it is kept.
    #[napi(ts_return_type = "Promise<Grammar | Failure>")]
    pub fn compile(&self, source: NativeGrammarSource) -> AsyncTask<CompileGrammar> {
        AsyncTask::new(CompileGrammar { inner: Arc::clone(&self.inner), source: Some(source) })
    }

    /// Lets `count` sequences from `first` follow a grammar, before their first step.
    #[napi]
    pub fn add(&self, first: u32, count: u32, grammar: &Grammar, options: FollowOptions) -> Outcome<u32> {
        outcome(|| {
            for id in first..first + count {
                self.rows.add(SequenceId(id), GrammarRow::new(grammar.grammar.matcher(), &options));
            }
            Ok::<_, Failure>(count)
        })
    }

    /// Forgets a sequence; false if it follows no grammar.
    #[napi]
    pub fn remove(&self, sequence_id: u32) -> Outcome<bool> {
        outcome(|| Ok::<_, Failure>(self.rows.remove(SequenceId(sequence_id))))
    }

    /// Computes the masks of a step, while the model runs it. `words` (the bytes of its input batch) must not change until the
    /// promise settles. Gives the number of masks.
    #[napi(ts_return_type = "Promise<number | Failure>")]
    pub fn prepare(&self, words: Buffer) -> AsyncTask<PrepareMasks> {
        AsyncTask::new(PrepareMasks { rows: Arc::clone(&self.rows), words })
    }

    /// Sequences that failed since the last call. Their row of the step has the token -1.
    #[napi]
    pub fn take_failures(&self) -> Vec<SequenceFailure> {
        let failures = self.rows.take_failures().into_iter();
        failures.map(|(id, error)| SequenceFailure { sequence_id: id.0, failure: error.into() }).collect()
    }
}

pub struct CreatePool {
    tokenizer: quire_text::Tokenizer,
    options: GrammarPoolOptions,
}

impl Task for CreatePool {
    type Output = Outcome<GrammarPool>;
    type JsValue = Outcome<GrammarPool>;

    fn compute(&mut self) -> Result<Self::Output> {
        let GrammarPoolOptions { vocab_size, eos_ids, threads } = &self.options;
        Ok(outcome(|| {
            let compiler = GrammarCompiler::new(&self.tokenizer, *vocab_size as usize, eos_ids)?;
            let threads = ThreadPool::new(*threads as usize).map_err(Failure::bug)?;
            let inner = Arc::new(Inner { compiler, kept: Mutex::default() });
            Ok::<_, Failure>(GrammarPool { inner, rows: Arc::new(GrammarRows::new(*vocab_size as usize, threads)) })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

pub struct CompileGrammar {
    inner: Arc<Inner>,
    source: Option<NativeGrammarSource>,
}

impl Task for CompileGrammar {
    type Output = Outcome<Grammar>;
    type JsValue = Outcome<Grammar>;

    fn compute(&mut self) -> Result<Self::Output> {
        let source = self.source.take();
        Ok(outcome(|| {
            let source = source.ok_or_else(|| Failure::bug("A grammar was compiled twice"))?.into_source();
            Ok::<_, Failure>(Grammar { grammar: self.inner.compiled(source)? })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

impl Inner {
    fn compiled(&self, source: GrammarSource) -> std::result::Result<Arc<CompiledGrammar>, Failure> {
        if let Some(grammar) = self.find(&source) {
            return Ok(grammar);
        }
        // Not under the lock: one that takes long keeps no other waiting.
        let grammar = Arc::new(self.compiler.compile(&source)?);
        let (kept, uses) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *uses += 1;
        kept.insert(source, Kept { grammar: Arc::clone(&grammar), last_use: *uses });
        if kept.len() > NUM_KEPT
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.last_use).map(|(source, _)| source.clone())
        {
            kept.remove(&oldest);
        }
        Ok(grammar)
    }

    fn find(&self, source: &GrammarSource) -> Option<Arc<CompiledGrammar>> {
        let (kept, uses) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What a panic has left half done is made anew.
        if kept.get(source).is_some_and(|kept| !kept.grammar.is_sound()) {
            kept.remove(source);
        }
        let found = kept.get_mut(source)?;
        *uses += 1;
        found.last_use = *uses;
        Some(Arc::clone(&found.grammar))
    }
}

impl NativeGrammarSource {
    fn into_source(self) -> GrammarSource {
        GrammarSource {
            kind: match self.kind.as_str() {
                "json" => GrammarKind::JsonSchema,
                "regex" => GrammarKind::Regex,
                "choice" => GrammarKind::Choice,
                "jsonObject" => GrammarKind::JsonObject,
                "structuralTag" => GrammarKind::StructuralTag,
                _ => GrammarKind::Grammar,
            },
            text: self.text,
            json: JsonOptions {
                disable_any_whitespace: self.disable_any_whitespace,
                disable_additional_properties: self.disable_additional_properties,
                whitespace_pattern: self.whitespace_pattern,
            },
        }
    }
}

pub struct PrepareMasks {
    rows: Arc<GrammarRows>,
    words: Buffer,
}

impl Task for PrepareMasks {
    type Output = Outcome<u32>;
    type JsValue = Outcome<u32>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let batch = InputBatchView::new(elements(&self.words)?).map_err(Failure::bug)?;
            Ok::<_, Failure>(self.rows.prepare(&batch) as u32)
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
