//! Writes the implementation of `Schema` for a struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::{
    field::{self, Field},
    options::Options,
};

pub fn schema(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => named,
            Fields::Unit => return implement(input, &[]),
            Fields::Unnamed(_) => {
                return Err(Error::new(ident.span(), "a schema is a struct with named fields"));
            }
        },
        _ => return Err(Error::new(ident.span(), "a schema is a struct with named fields")),
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(ident.span(), "a schema has no type parameters: its attributes are fixed"));
    }
    // All broken fields are reported at once.
    let mut fields = Vec::new();
    let mut errors: Option<Error> = None;
    for field in &named.named {
        match (Field::read(field), &mut errors) {
            (Ok(field), _) => fields.push(field),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    errors.map_or_else(|| implement(input, &fields), Err)
}

fn implement(input: &DeriveInput, fields: &[Field<'_>]) -> Result<TokenStream> {
    let ident = &input.ident;
    let description = field::docs(&input.attrs);
    let attributes = fields.iter().map(attribute);
    let names = fields.iter().map(|field| &field.name).collect::<Vec<_>>();
    let idents = fields.iter().map(|field| field.ident).collect::<Vec<_>>();
    let build = if matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Unit)) {
        quote!(Self)
    } else {
        quote!(Self { #( #idents: fields.read(#names)?, )* })
    };
    Ok(quote! {
        #[automatically_derived]
        impl ::tfplugin::schema::Schema for #ident {
            fn description() -> &'static str {
                #description
            }

            fn attributes() -> ::std::vec::Vec<::tfplugin::schema::Attribute> {
                ::std::vec![ #( #attributes ),* ]
            }

            fn from_fields(
                fields: &::std::collections::BTreeMap<::std::string::String, ::tfplugin::cty::Value>,
                at: &::tfplugin::cty::Path,
            ) -> ::std::result::Result<Self, ::tfplugin::cty::Error> {
                let fields = ::tfplugin::schema::Fields::new(fields, at);
                let _ = &fields;
                ::std::result::Result::Ok(#build)
            }

            fn to_fields(&self) -> ::std::collections::BTreeMap<::std::string::String, ::tfplugin::cty::Value> {
                ::tfplugin::schema::into_fields([
                    #( (#names, ::tfplugin::schema::AttrType::to_value(&self.#idents)) ),*
                ])
            }
        }
    })
}

fn attribute(field: &Field<'_>) -> TokenStream {
    let Field { name, docs, inner, options, .. } = field;
    let presence = presence(options);
    let mut tokens = quote! {
        ::tfplugin::schema::Attribute::new::<#inner>(#name, #docs, ::tfplugin::schema::Presence::#presence)
    };
    let flags = [
        (options.sensitive, quote!(Sensitive)),
        (options.write_only, quote!(WriteOnly)),
        (options.requires_replace, quote!(RequiresReplace)),
        (options.keep, quote!(Keep)),
        (options.variadic, quote!(Variadic)),
    ];
    for (_, flag) in flags.iter().filter(|(set, _)| *set) {
        tokens.extend(quote!(.with(::tfplugin::schema::Flag::#flag)));
    }
    if let Some(instead) = &options.deprecated {
        tokens.extend(quote!(.deprecated(#instead)));
    }
    if let Some(default) = &options.default {
        tokens.extend(quote! {
            .default_value(::tfplugin::schema::AttrType::to_value(&<#inner as ::std::convert::From<_>>::from(#default)))
        });
    }
    for validator in &options.validate {
        tokens.extend(quote!(.check::<#inner>(#validator)));
    }
    for modifier in &options.modify {
        tokens.extend(quote!(.modify(::std::sync::Arc::new(#modifier))));
    }
    tokens
}

fn presence(options: &Options) -> TokenStream {
    if options.required {
        quote!(Required)
    } else if options.default.is_some() || options.optional && options.computed {
        quote!(OptionalComputed)
    } else if options.computed {
        quote!(Computed)
    } else {
        quote!(Optional)
    }
}
