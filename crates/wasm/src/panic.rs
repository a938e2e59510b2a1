//! What a panic says. The trap that follows it leaves the module half changed, and nothing of it may be called any more but
//! this.

use std::sync::{Mutex, PoisonError};

use napi_derive::napi;
use wasm_bindgen::prelude::wasm_bindgen;

static MESSAGE: Mutex<Option<String>> = Mutex::new(None);

/// Keeps the message of a panic before the module traps.
#[wasm_bindgen(start)]
pub fn keep_panic_message() {
    std::panic::set_hook(Box::new(|panic| {
        // The first: with several threads, others follow it.
        MESSAGE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| panic.to_string());
    }));
}

/// The message of the panic that ended the module, if it was one: running out of memory or stack leaves none.
#[napi]
pub fn panic_message() -> Option<String> {
    MESSAGE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
