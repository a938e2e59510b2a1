//! Classes and their methods.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ImplItem, ItemImpl, ItemStruct, Result};

use crate::function::twin;
use crate::names::take_napi;

/// A struct of which JavaScript holds an object. One that can be cloned can also be handed in where wasm-bindgen lends
/// nothing out: in lists, and where it may be absent.
pub(crate) fn class(item: ItemStruct) -> Result<TokenStream> {
    let ident = &item.ident;
    let is_clone = item.attrs.iter().any(|attribute| {
        let list = attribute.path().is_ident("derive").then(|| attribute.meta.require_list().ok()).flatten();
        list.is_some_and(|list| list.tokens.to_string().contains("Clone"))
    });
    let shared = is_clone.then(|| {
        quote! {
            #[::wasm_bindgen::prelude::wasm_bindgen]
            impl #ident {
                #[doc(hidden)]
                #[::wasm_bindgen::prelude::wasm_bindgen(js_name = "shared")]
                pub fn js_shared(&self) -> #ident {
                    self.clone()
                }
            }
            impl crate::convert::FromJs for #ident {
                fn from_js(value: ::wasm_bindgen::JsValue) -> ::std::result::Result<Self, ::wasm_bindgen::JsValue> {
                    crate::convert::shared(&value)
                }
            }
        }
    });
    Ok(quote! {
        #[::wasm_bindgen::prelude::wasm_bindgen]
        #item
        impl crate::convert::ToJs for #ident {
            fn to_js(self) -> ::wasm_bindgen::JsValue {
                self.into()
            }
        }
        #shared
    })
}

/// The methods of a class that have `#[napi]`; the others stay in Rust.
pub(crate) fn methods(mut item: ItemImpl) -> Result<TokenStream> {
    let mut twins = Vec::new();
    for member in &mut item.items {
        let ImplItem::Fn(method) = member else { continue };
        let Some(arguments) = take_napi(&mut method.attrs) else { continue };
        let (name, class) = (&method.sig.ident, &item.self_ty);
        let path = if method.sig.receiver().is_some() { quote!(#name) } else { quote!(<#class>::#name) };
        twins.push(twin(&method.sig, path, arguments == "constructor")?);
    }
    let class = &item.self_ty;
    Ok(quote! {
        #item
        #[::wasm_bindgen::prelude::wasm_bindgen]
        impl #class { #(#twins)* }
    })
}
