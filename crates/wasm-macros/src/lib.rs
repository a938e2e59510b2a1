//! What `#[napi]` means in the WebAssembly door: the sources of the native doors become the same classes, objects and
//! functions by wasm-bindgen. Knows the part of napi-rs that those sources use; anything else does not compile.

mod class;
mod function;
mod names;
mod object;

use proc_macro::TokenStream;
use syn::{Item, parse_macro_input};

/// A class, its methods, a plain object, an enumeration of strings, or a function, as the native door has it.
#[proc_macro_attribute]
pub fn napi(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = arguments.to_string();
    let item = parse_macro_input!(item as Item);
    let expanded = match item {
        Item::Struct(item) if arguments.contains("object") => {
            object::object(item, !arguments.contains("object_from_js = false"))
        }
        Item::Struct(item) => class::class(item),
        Item::Enum(item) => object::string_enum(item),
        Item::Impl(item) => class::methods(item),
        Item::Fn(item) => function::exported(item),
        other => Err(syn::Error::new_spanned(other, "the WebAssembly door has no such item")),
    };
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
