//! Plain objects, field by field, and enumerations of strings.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemEnum, ItemStruct, Result};

use crate::names::{camel_case, snake_case, take_napi};

/// A struct that crosses as an object with the names of its fields in camelCase; an absent field is one that is not set.
pub(crate) fn object(mut item: ItemStruct, from_js: bool) -> Result<TokenStream> {
    let mut fields = Vec::new();
    for field in &mut item.fields {
        take_napi(&mut field.attrs);
        let missing = syn::Error::new_spanned(&field, "an object's fields have names");
        let name = field.ident.clone().ok_or(missing)?;
        let key = camel_case(&name.to_string());
        fields.push((name, key));
    }
    let (names, keys): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let ident = &item.ident;
    let reader = from_js.then(|| {
        quote! {
            impl crate::convert::FromJs for #ident {
                fn from_js(value: ::wasm_bindgen::JsValue) -> ::std::result::Result<Self, ::wasm_bindgen::JsValue> {
                    Ok(Self { #(#names: crate::convert::field(&value, #keys)?),* })
                }
            }
        }
    });
    Ok(quote! {
        #item
        #reader
        impl crate::convert::ToJs for #ident {
            fn to_js(self) -> ::wasm_bindgen::JsValue {
                let object = ::js_sys::Object::new();
                #(crate::convert::set_field(&object, #keys, self.#names);)*
                object.into()
            }
        }
    })
}

/// An enum that crosses as the names of its variants in snake_case.
pub(crate) fn string_enum(mut item: ItemEnum) -> Result<TokenStream> {
    take_napi(&mut item.attrs);
    let ident = &item.ident;
    let variants: Vec<_> = item.variants.iter().map(|variant| variant.ident.clone()).collect();
    let names: Vec<_> = variants.iter().map(|variant| snake_case(&variant.to_string())).collect();
    Ok(quote! {
        #item
        impl crate::convert::FromJs for #ident {
            fn from_js(value: ::wasm_bindgen::JsValue) -> ::std::result::Result<Self, ::wasm_bindgen::JsValue> {
                match value.as_string().as_deref() {
                    #(Some(#names) => Ok(Self::#variants),)*
                    _ => Err(crate::convert::unexpected(stringify!(#ident), &value)),
                }
            }
        }
        impl crate::convert::ToJs for #ident {
            fn to_js(self) -> ::wasm_bindgen::JsValue {
                match self { #(Self::#variants => #names.into()),* }
            }
        }
    })
}
