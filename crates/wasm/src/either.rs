//! One of two values.

use wasm_bindgen::JsValue;

use crate::convert::ToJs;

/// The one or the other, which JavaScript tells apart.
pub enum Either<A, B> {
    A(A),
    B(B),
}

impl<A: ToJs, B: ToJs> ToJs for Either<A, B> {
    fn to_js(self) -> JsValue {
        match self {
            Self::A(value) => value.to_js(),
            Self::B(value) => value.to_js(),
        }
    }
}
