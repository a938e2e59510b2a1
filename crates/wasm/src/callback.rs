//! A function of JavaScript that is told something now and then.

use std::marker::PhantomData;

use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{FromJs, ToJs};

/// Called at once, on the one thread that there is; what it throws is its own affair.
pub struct ThreadsafeFunction<T, R, A, S, const CALLEE_HANDLED: bool, const WEAK: bool> {
    function: Function,
    kinds: PhantomData<fn(T, A) -> (R, S)>,
}

/// How long a call may wait, where there are threads.
pub enum ThreadsafeFunctionCallMode {
    NonBlocking,
}

impl<T: ToJs, R, A, S, const C: bool, const W: bool> ThreadsafeFunction<T, R, A, S, C, W> {
    pub fn call(&self, value: T, _mode: ThreadsafeFunctionCallMode) {
        let _ = self.function.call1(&JsValue::UNDEFINED, &value.to_js());
    }
}

impl<T, R, A, S, const C: bool, const W: bool> FromJs for ThreadsafeFunction<T, R, A, S, C, W> {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        Ok(Self { function: value.dyn_into()?, kinds: PhantomData })
    }
}
