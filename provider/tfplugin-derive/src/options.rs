//! Reads `#[tf(...)]` and refuses combinations that mean nothing.

use syn::{Attribute, Error, Expr, LitStr, Result, meta::ParseNestedMeta, spanned::Spanned};

/// What a field says about itself.
#[derive(Default)]
pub struct Options {
    pub required: bool,
    pub optional: bool,
    pub computed: bool,
    pub sensitive: bool,
    pub write_only: bool,
    pub requires_replace: bool,
    pub keep: bool,
    pub variadic: bool,
    pub default: Option<Expr>,
    pub validate: Vec<Expr>,
    pub modify: Vec<Expr>,
    pub deprecated: Option<LitStr>,
    pub name: Option<LitStr>,
}

impl Options {
    /// Reads all `#[tf(...)]` of a field.
    pub fn read(field: &syn::Field) -> Result<Self> {
        let mut options = Self::default();
        for attribute in &field.attrs {
            if attribute.path().is_ident("tf") {
                options.read_one(attribute)?;
            }
        }
        options.check(field)?;
        Ok(options)
    }

    fn read_one(&mut self, attribute: &Attribute) -> Result<()> {
        attribute.parse_nested_meta(|meta| {
            let Some(word) = meta.path.get_ident().map(ToString::to_string) else {
                return Err(unknown(&meta));
            };
            match word.as_str() {
                "required" => self.required = true,
                "optional" => self.optional = true,
                "computed" => self.computed = true,
                "sensitive" => self.sensitive = true,
                "write_only" => self.write_only = true,
                "requires_replace" => self.requires_replace = true,
                "keep" => self.keep = true,
                "variadic" => self.variadic = true,
                "default" => self.default = Some(meta.value()?.parse()?),
                "validate" => self.validate.push(meta.value()?.parse()?),
                "modify" => self.modify.push(meta.value()?.parse()?),
                "deprecated" => self.deprecated = Some(meta.value()?.parse()?),
                "name" => self.name = Some(meta.value()?.parse()?),
                _ => return Err(unknown(&meta)),
            }
            Ok(())
        })
    }

    fn check(&self, field: &syn::Field) -> Result<()> {
        let span = field.ident.as_ref().map_or_else(|| field.span(), Spanned::span);
        let refuse = |text: &str| Err(Error::new(span, text));
        if !self.required && !self.optional && !self.computed && self.default.is_none() {
            return refuse(
                "say who sets this attribute: #[tf(required)], #[tf(optional)], #[tf(computed)] or #[tf(default = ...)]",
            );
        }
        if self.required && (self.optional || self.computed) {
            return refuse(
                "a required attribute is neither optional nor computed: the configuration always sets it",
            );
        }
        if self.required && self.default.is_some() {
            return refuse("a required attribute never uses its default: drop `required` or the default");
        }
        if self.write_only && (self.computed || self.default.is_some()) {
            return refuse(
                "a write-only attribute is never stored, so the provider cannot compute it or give it a default",
            );
        }
        if self.keep && !self.computed {
            return refuse("only a computed attribute can keep its prior value: add `computed`");
        }
        Ok(())
    }
}

fn unknown(meta: &ParseNestedMeta<'_>) -> Error {
    meta.error(
        "not an option of #[tf(...)]; there are: required, optional, computed, sensitive, write_only, requires_replace, keep, \
         variadic, default, validate, modify, deprecated, name",
    )
}
