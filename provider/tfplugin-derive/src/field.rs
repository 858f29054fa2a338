//! One field of a schema struct: its name, documentation, type and options.

use syn::{
    Error, Expr, ExprLit, GenericArgument, Ident, Lit, Meta, PathArguments, Result, Type, spanned::Spanned,
};

use crate::options::Options;

/// A field that is an attribute.
pub struct Field<'a> {
    pub ident: &'a Ident,
    /// The name in configurations.
    pub name: String,
    pub docs: String,
    /// The `T` of `Attr<T>`.
    pub inner: &'a Type,
    pub options: Options,
}

impl<'a> Field<'a> {
    pub fn read(field: &'a syn::Field) -> Result<Self> {
        let ident = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "attributes need names"))?;
        let options = Options::read(field)?;
        let docs = docs(&field.attrs);
        if docs.is_empty() {
            return Err(Error::new(
                ident.span(),
                "document this attribute with a doc comment: it is what users read",
            ));
        }
        let name = options.name.as_ref().map_or_else(|| ident.to_string(), syn::LitStr::value);
        let name = name.strip_prefix("r#").unwrap_or(&name).to_owned();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(allowed) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(Error::new(
                ident.span(),
                "attribute names are made of a-z, 0-9 and _, and start with a letter",
            ));
        }
        let inner = inner(&field.ty).ok_or_else(|| {
            Error::new(
                field.ty.span(),
                "the type of an attribute is `Attr<T>`: while planning, any value may be null or unknown",
            )
        })?;
        Ok(Self { ident, name, docs, inner, options })
    }
}

/// The `T` of `Attr<T>`.
fn inner(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Attr")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

/// The lines of a doc comment.
pub fn docs(attributes: &[syn::Attribute]) -> String {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
            let Meta::NameValue(pair) = &attribute.meta else { return None };
            let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value else { return None };
            let line = line.value();
            Some(line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
