//! JavaScript's typed arrays. They lie outside of the module's memory, so they are copied in, and out again if they were
//! written.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use wasm_bindgen::{JsCast, JsValue};

use crate::convert::{FromJs, ToJs, unexpected};

/// The bytes of a typed array, which may be written.
pub struct BufferSlice<'env> {
    array: js_sys::Uint8Array,
    /// Copied in when first looked at; words, so that numbers of any kind are aligned.
    words: OnceCell<Vec<u64>>,
    is_written: bool,
    env: PhantomData<&'env ()>,
}

/// The same for as long as a task runs.
pub type Buffer = BufferSlice<'static>;

impl BufferSlice<'_> {
    fn len(&self) -> usize {
        self.array.length() as usize
    }

    fn words(&self) -> &Vec<u64> {
        self.words.get_or_init(|| {
            let mut words = vec![0; self.len().div_ceil(size_of::<u64>())];
            self.array.copy_to(&mut bytemuck::cast_slice_mut(&mut words)[..self.len()]);
            words
        })
    }
}

impl Deref for BufferSlice<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(self.words())[..self.len()]
    }
}

impl DerefMut for BufferSlice<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.words();
        self.is_written = true;
        let len = self.len();
        let words = self.words.get_mut().expect("the words were copied in above");
        &mut bytemuck::cast_slice_mut(words)[..len]
    }
}

impl Drop for BufferSlice<'_> {
    fn drop(&mut self) {
        if self.is_written {
            self.array.copy_from(self);
        }
    }
}

impl FromJs for BufferSlice<'_> {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        let array = value.dyn_into()?;
        Ok(Self { array, words: OnceCell::new(), is_written: false, env: PhantomData })
    }
}

impl ToJs for BufferSlice<'_> {
    fn to_js(self) -> JsValue {
        self.array.clone().into()
    }
}

/// A copy of a typed array.
macro_rules! copied {
    ($name:ident, $element:ty) => {
        pub struct $name(Vec<$element>);

        impl Deref for $name {
            type Target = [$element];

            fn deref(&self) -> &[$element] {
                &self.0
            }
        }

        impl AsRef<[$element]> for $name {
            fn as_ref(&self) -> &[$element] {
                &self.0
            }
        }

        impl FromJs for $name {
            fn from_js(value: JsValue) -> Result<Self, JsValue> {
                Ok(Self(value.dyn_into::<js_sys::$name>()?.to_vec()))
            }
        }

        impl ToJs for $name {
            fn to_js(self) -> JsValue {
                js_sys::$name::from(&self.0[..]).into()
            }
        }
    };
}
copied!(Int32Array, i32);
copied!(Uint8Array, u8);

/// The low 64 bits of an integer.
pub struct BigInt(i64);

impl BigInt {
    /// The bits, and whether they are all.
    pub fn get_i64(&self) -> (i64, bool) {
        (self.0, true)
    }
}

impl FromJs for BigInt {
    fn from_js(value: JsValue) -> Result<Self, JsValue> {
        let value: js_sys::BigInt = value.dyn_into()?;
        let bits = js_sys::BigInt::as_int_n(64.0, &value);
        i64::try_from(bits).map(Self).map_err(|bits| unexpected("an integer of 64 bits", &bits))
    }
}

impl ToJs for BigInt {
    fn to_js(self) -> JsValue {
        self.0.into()
    }
}
