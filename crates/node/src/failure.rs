//! What a call returns instead of throwing, and the guard that keeps panics on this side of the door.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::Either;
use napi_derive::napi;

/// A tagged failure. `code` is one of the stable codes of `errors.ts`.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// Always false.
    pub ok: bool,
    /// A stable code.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What was given and what is allowed, as plain data.
    #[napi(ts_type = "Record<string, unknown>")]
    pub details: Option<serde_json::Value>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl ToString, details: serde_json::Value) -> Self {
        Self { ok: false, code, message: message.to_string(), details: Some(details) }
    }

    /// A broken invariant on either side of the door.
    pub(crate) fn bug(message: impl ToString) -> Self {
        let message = format!("{} (this is a bug)", message.to_string());
        Self { ok: false, code: "ERR_INTERNAL", message, details: None }
    }

    fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Self::bug(format!("A panic in the native module: {text}"))
    }
}

/// The value or the tagged failure.
pub(crate) type Outcome<T> = Either<T, Failure>;

/// Runs `call`; a failure and a panic become values. After a panic the object that was called may be half changed: the
/// engine that owns it closes on `ERR_INTERNAL`.
pub(crate) fn outcome<T, E: Into<Failure>>(call: impl FnOnce() -> Result<T, E>) -> Outcome<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Either::A(value),
        Ok(Err(error)) => Either::B(error.into()),
        Err(payload) => Either::B(Failure::of_panic(payload.as_ref())),
    }
}
