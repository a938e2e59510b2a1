//! Values of JavaScript as values of Rust and back, for what the macros of the door expand to.

use std::collections::HashMap;

use js_sys::{Array, Float64Array, Function, Int32Array, JSON, Object, Reflect};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::{JsCast, JsError, JsValue};

/// A type that JavaScript hands in. What it hands in has been checked by the types of its declarations; anything else throws.
pub trait FromJs: Sized {
    /// The value.
    fn from_js(value: JsValue) -> Result<Self, JsValue>;

    /// A list of such values.
    fn list_from_js(value: JsValue) -> Result<Vec<Self>, JsValue> {
        Array::from(&value).iter().map(Self::from_js).collect()
    }
}

/// A type that JavaScript is given.
pub trait ToJs {
    /// The value.
    fn to_js(self) -> JsValue;
}

/// What is thrown at a value of another type.
pub fn unexpected(expected: &str, found: &JsValue) -> JsValue {
    JsError::new(&format!("expected {expected}, got {found:?} (this is a bug)")).into()
}

/// A field of an object.
pub fn field<T: FromJs>(object: &JsValue, key: &str) -> Result<T, JsValue> {
    T::from_js(Reflect::get(object, &key.into())?)
}

/// Sets a field of an object, unless there is nothing to set.
pub fn set_field(object: &Object, key: &str, value: impl ToJs) {
    let value = value.to_js();
    if !value.is_undefined() {
        Reflect::set(object, &key.into(), &value)
            .expect("a field of a plain object can be set; otherwise this is a bug");
    }
}

/// Another handle of what `object` is a handle of.
pub fn shared<T: TryFromJsValue>(object: &JsValue) -> Result<T, JsValue> {
    let share: Function = Reflect::get(object, &"shared".into())?.dyn_into()?;
    T::try_from_js_value(share.call0(object)?)
}

macro_rules! number {
    ($($kind:ty),*) => { $(
        impl ToJs for $kind {
            fn to_js(self) -> JsValue {
                (self as f64).into()
            }
        }
    )* };
}
number!(u32, i32, f64);

impl FromJs for f64 {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        value.as_f64().ok_or_else(|| unexpected("a number", &value))
    }

    fn list_from_js(value: JsValue) -> Result<Vec<Self>, JsValue> {
        match value.dyn_ref::<Float64Array>() {
            Some(array) => Ok(array.to_vec()),
            None => Array::from(&value).iter().map(Self::from_js).collect(),
        }
    }
}

impl FromJs for u32 {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        f64::from_js(value).map(|number| number as u32)
    }
}

impl FromJs for i64 {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        f64::from_js(value).map(|number| number as i64)
    }
}

impl FromJs for i32 {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        f64::from_js(value).map(|number| number as i32)
    }

    fn list_from_js(value: JsValue) -> Result<Vec<Self>, JsValue> {
        match value.dyn_ref::<Int32Array>() {
            Some(array) => Ok(array.to_vec()),
            None => Array::from(&value).iter().map(Self::from_js).collect(),
        }
    }
}

impl FromJs for bool {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        value.as_bool().ok_or_else(|| unexpected("a boolean", &value))
    }
}

impl ToJs for bool {
    fn to_js(self) -> JsValue {
        self.into()
    }
}

impl FromJs for String {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        value.as_string().ok_or_else(|| unexpected("a string", &value))
    }
}

impl ToJs for String {
    fn to_js(self) -> JsValue {
        self.into()
    }
}

impl ToJs for &str {
    fn to_js(self) -> JsValue {
        self.into()
    }
}

impl<T: FromJs> FromJs for Option<T> {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        if value.is_undefined() || value.is_null() { Ok(None) } else { T::from_js(value).map(Some) }
    }
}

impl<T: ToJs> ToJs for Option<T> {
    fn to_js(self) -> JsValue {
        self.map_or(JsValue::UNDEFINED, T::to_js)
    }
}

impl<T: FromJs> FromJs for Vec<T> {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        T::list_from_js(value)
    }
}

impl<T: ToJs> ToJs for Vec<T> {
    fn to_js(self) -> JsValue {
        self.into_iter().map(T::to_js).collect::<Array>().into()
    }
}

impl<T: ToJs> ToJs for HashMap<String, T> {
    fn to_js(self) -> JsValue {
        let object = Object::new();
        for (key, value) in self {
            set_field(&object, &key, value);
        }
        object.into()
    }
}

impl ToJs for serde_json::Value {
    fn to_js(self) -> JsValue {
        JSON::parse(&self.to_string()).unwrap_or(JsValue::UNDEFINED)
    }
}
