//! Functions and methods: each gets a twin that takes and gives JavaScript's values, and calls it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{FnArg, GenericArgument, ItemFn, PathArguments, Result, Signature, Type};

use crate::names::{camel_case, take_napi};

/// A function of the module.
pub(crate) fn exported(mut item: ItemFn) -> Result<TokenStream> {
    take_napi(&mut item.attrs);
    let name = &item.sig.ident;
    let twin = twin(&item.sig, quote!(#name), false)?;
    Ok(quote! { #item #twin })
}

/// The twin of a function that is called as `path`; of a constructor, `path` gives the object itself.
pub(crate) fn twin(signature: &Signature, path: TokenStream, is_constructor: bool) -> Result<TokenStream> {
    let twin = format_ident!("js_{}", signature.ident);
    let name = camel_case(&signature.ident.to_string());
    let (mut parameters, mut conversions, mut arguments) = (Vec::new(), Vec::new(), Vec::new());
    for (index, input) in signature.inputs.iter().enumerate() {
        let FnArg::Typed(input) = input else {
            parameters.push(quote!(#input));
            continue;
        };
        let value = format_ident!("value_{index}");
        let (parameter, conversion, argument) = match passed_as(&input.ty) {
            Passed::Class(class) => (quote!(#class), None, quote!(#value)),
            Passed::Slice(element) => {
                let held = quote!(let #value = <Vec<#element> as crate::convert::FromJs>::from_js(#value)?;);
                (quote!(::wasm_bindgen::JsValue), Some(held), quote!(&#value))
            }
            Passed::OptionalClass(class) => {
                let held = quote!(let #value = <Option<#class> as crate::convert::FromJs>::from_js(#value)?;);
                (quote!(::wasm_bindgen::JsValue), Some(held), quote!(#value.as_ref()))
            }
            Passed::Value(kind) => {
                let held = quote!(let #value = <#kind as crate::convert::FromJs>::from_js(#value)?;);
                (quote!(::wasm_bindgen::JsValue), Some(held), quote!(#value))
            }
        };
        parameters.push(quote!(#value: #parameter));
        conversions.extend(conversion);
        arguments.push(argument);
    }
    let has_self = signature.receiver().is_some();
    let call = if has_self { quote!(self.#path(#(#arguments),*)) } else { quote!(#path(#(#arguments),*)) };
    if is_constructor {
        return Ok(quote! {
            #[doc(hidden)]
            #[::wasm_bindgen::prelude::wasm_bindgen(constructor)]
            pub fn #twin(#(#parameters),*) -> ::std::result::Result<Self, ::wasm_bindgen::JsValue> {
                #(#conversions)*
                Ok(#call)
            }
        });
    }
    Ok(quote! {
        #[doc(hidden)]
        #[::wasm_bindgen::prelude::wasm_bindgen(js_name = #name)]
        pub fn #twin(#(#parameters),*) -> ::std::result::Result<::wasm_bindgen::JsValue, ::wasm_bindgen::JsValue> {
            #(#conversions)*
            Ok(crate::convert::ToJs::to_js(#call))
        }
    })
}

/// How a parameter of some type arrives.
enum Passed<'t> {
    /// `&Class`, which wasm-bindgen lends out.
    Class(&'t Type),
    /// `Option<&Class>`
    OptionalClass(&'t Type),
    /// `&[Element]`, copied.
    Slice(&'t Type),
    /// Anything else.
    Value(&'t Type),
}

fn passed_as(kind: &Type) -> Passed<'_> {
    if let Type::Reference(reference) = kind {
        return match reference.elem.as_ref() {
            Type::Slice(slice) => Passed::Slice(&slice.elem),
            _ => Passed::Class(kind),
        };
    }
    if let Type::Path(path) = kind
        && let Some(last) = path.path.segments.last()
        && last.ident == "Option"
        && let PathArguments::AngleBracketed(inner) = &last.arguments
        && let Some(GenericArgument::Type(Type::Reference(reference))) = inner.args.first()
    {
        return Passed::OptionalClass(&reference.elem);
    }
    Passed::Value(kind)
}
