//! What the sources of the native doors use of napi-rs, by wasm-bindgen. There is one thread: a task runs when it is made, and
//! its promise is settled when JavaScript gets it.

use js_sys::Promise;
use wasm_bindgen::{JsError, JsValue};

use crate::convert::ToJs;

pub(crate) mod bindgen_prelude {
    pub(crate) use super::AsyncTask;
    pub(crate) use crate::arrays::{BigInt, Buffer, BufferSlice, Int32Array, Uint8Array};
    pub(crate) use crate::class_instance::ClassInstance;
    pub(crate) use crate::either::Either;
}

pub(crate) mod threadsafe_function {
    pub(crate) use crate::callback::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
}

/// The JavaScript around the module; nothing asks it for anything.
pub struct Env;

/// Why a task has no outcome at all.
#[derive(Debug)]
pub struct Error;

pub type Result<T> = std::result::Result<T, Error>;

/// A part of the type of callbacks.
pub enum Status {}

/// Work that takes a while.
pub trait Task {
    type Output;
    type JsValue;
    fn compute(&mut self) -> Result<Self::Output>;
    fn resolve(&mut self, env: Env, output: Self::Output) -> Result<Self::JsValue>;
}

/// A task that JavaScript gets the promise of.
pub struct AsyncTask<T: Task>(T);

impl<T: Task> AsyncTask<T> {
    pub fn new(task: T) -> Self {
        Self(task)
    }
}

impl<T: Task<JsValue: ToJs>> ToJs for AsyncTask<T> {
    fn to_js(self) -> JsValue {
        let Self(mut task) = self;
        let value = task.compute().and_then(|output| task.resolve(Env, output));
        drop(task); // writes what it changed back into JavaScript's arrays
        match value {
            Ok(value) => Promise::resolve(&value.to_js()).into(),
            Err(Error) => Promise::reject(&JsError::new("a task has no outcome (this is a bug)").into()).into(),
        }
    }
}
