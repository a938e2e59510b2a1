//! An object of one of the module's classes, in a list of them.

use std::marker::PhantomData;
use std::ops::Deref;

use wasm_bindgen::JsValue;
use wasm_bindgen::convert::TryFromJsValue;

use crate::convert::{FromJs, shared};

/// A handle of its own, so that JavaScript keeps the one that it has.
pub struct ClassInstance<'env, T> {
    object: T,
    env: PhantomData<&'env ()>,
}

impl<T> Deref for ClassInstance<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: TryFromJsValue> FromJs for ClassInstance<'_, T> {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        Ok(Self { object: shared(&value)?, env: PhantomData })
    }
}
