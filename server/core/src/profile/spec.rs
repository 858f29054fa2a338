//! What an operator says of a profile: which attributes there are, what they are where nobody says otherwise, and which
//! files are made of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Template, Type};
use crate::FieldError;

/// The name under which secret values are sealed: a JSON object, value by attribute.
pub const SECRET_VALUES: &str = "secret_values";

/// The most attributes of one profile, and the most files.
const ENTRIES: usize = 256;
/// The most that the values of one object may take as JSON, in bytes.
const VALUES: usize = 64 << 10;
/// The longest file, in bytes.
const CONTENT: usize = 64 << 10;

/// Values by attribute.
pub type Values = BTreeMap<String, Value>;

/// Desired state of a profile. Its secret values are sealed apart from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// The attributes there are.
    pub schema: BTreeMap<String, Declaration>,
    /// What they are where nobody closer to the machine says otherwise.
    pub values: Values,
    /// What is known of the values that are sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_values: Option<SecretValues>,
    /// The files that are written into the installed system, by path.
    pub files: BTreeMap<String, File>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// What its value must be.
    #[serde(rename = "type")]
    pub ty: Type,
    /// A machine without a value for it is refused.
    #[serde(default)]
    pub required: bool,
    /// Its value is sealed, and never shown.
    #[serde(default)]
    pub secret: bool,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What is known of values that are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValues {
    /// Raised by the user whenever one of them changes.
    pub version: i64,
    /// The type that each of them has.
    pub types: BTreeMap<String, Type>,
}

/// A file of the installed system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What is in it, as it is or with places for values.
    pub content: Content,
    /// Permissions, as `chmod` reads them in octal.
    pub mode: String,
    /// `USER:GROUP`, by name.
    pub owner: String,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// As it is.
    Plain(String),
    /// With places for values, see [`Template`].
    Template(String),
}

impl SecretValues {
    /// What may be known of `values`.
    ///
    /// # Errors
    /// A value has no type.
    pub fn of(version: i64, values: &Values) -> Result<Self, Vec<FieldError>> {
        let mut types = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in values {
            match Type::of(value) {
                Some(ty) => drop(types.insert(name.clone(), ty)),
                None => errors.push(FieldError::new(
                    "secret_values_wo",
                    format!("{name:?} is null, empty or a mixture; leave it out, or give values of one type"),
                )),
            }
        }
        if errors.is_empty() { Ok(Self { version, types }) } else { Err(errors) }
    }
}

impl File {
    /// The template, where it is one.
    pub fn template(&self) -> Option<&str> {
        match &self.content {
            Content::Template(text) => Some(text),
            Content::Plain(_) => None,
        }
    }
}

/// Adds what is wrong with `values` on their own.
pub(crate) fn validate_values(values: &Values, errors: &mut Vec<FieldError>) {
    if values.len() > ENTRIES {
        errors.push(FieldError::new("values", format!("has more than {ENTRIES} entries")));
    }
    let size: usize = values.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    if size > VALUES {
        errors.push(FieldError::new("values", format!("takes {size} bytes as JSON, {VALUES} are allowed")));
    }
    for name in values.keys().filter(|name| !is_name(name)) {
        errors.push(FieldError::new("values", bad_name(name)));
    }
}

/// Adds what is wrong with the names of what is declared.
pub(crate) fn check_names(
    attribute: &str,
    declared: &BTreeMap<String, Declaration>,
    errors: &mut Vec<FieldError>,
) {
    if declared.len() > ENTRIES {
        errors.push(FieldError::new(attribute, format!("has more than {ENTRIES} entries")));
    }
    errors.extend(
        declared.keys().filter(|name| !is_name(name)).map(|name| FieldError::new(attribute, bad_name(name))),
    );
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 128
        && name.chars().all(inner)
        && ends(name.chars().next())
        && ends(name.chars().next_back())
}

fn bad_name(name: &str) -> String {
    let shown: String = name.chars().take(40).collect();
    format!(
        "{shown:?} is not the name of an attribute: use letters, digits, '.', '-' and '_', as in \"ntp.servers\""
    )
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        check_names("schema", &self.schema, &mut errors);
        validate_values(&self.values, &mut errors);
        for (name, value) in &self.values {
            self.check_value(name, value, &mut errors);
        }
        for (name, ty) in self.secret_values.iter().flat_map(|secrets| &secrets.types) {
            self.check_secret(name, ty, &mut errors);
        }
        self.check_files(&mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Spec {
    fn check_value(&self, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
        let mut refuse = |message: String| errors.push(FieldError::new("values", message));
        match self.schema.get(name) {
            None => refuse(format!("{name:?} is not in schema")),
            Some(declared) if declared.secret => {
                refuse(format!(
                    "{name:?} is secret; write it in secret_values_wo, with secret_values_version"
                ));
            }
            Some(declared) => {
                if let Err(why) = declared.ty.check(value) {
                    refuse(format!("{name:?} {why}"));
                }
            }
        }
    }

    fn check_secret(&self, name: &str, ty: &Type, errors: &mut Vec<FieldError>) {
        let mut refuse = |message: String| errors.push(FieldError::new("secret_values_wo", message));
        match self.schema.get(name) {
            None => refuse(format!("{name:?} is not in schema")),
            Some(declared) if !declared.secret => {
                refuse(format!("{name:?} is not secret; write it in values, or secret = true in schema"));
            }
            Some(declared) if declared.ty != *ty => {
                refuse(format!("{name:?} is {ty} and must be {}", declared.ty));
            }
            Some(_) => {}
        }
    }

    fn check_files(&self, errors: &mut Vec<FieldError>) {
        let mut refuse = |message: String| errors.push(FieldError::new("files", message));
        if self.files.len() > ENTRIES {
            refuse(format!("has more than {ENTRIES} entries"));
        }
        for (path, file) in &self.files {
            let clean = path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
            if !path.starts_with('/') || !clean || path.len() > 512 || path.chars().any(char::is_control) {
                refuse(format!("{:?} is not an absolute path without '.' and '..'", shortened(path)));
            }
            let octal = file.mode.chars().all(|c| matches!(c, '0'..='7'));
            if !octal || !(3..=4).contains(&file.mode.len()) {
                refuse(format!("{path:?}: mode must be three or four octal digits, such as \"0644\""));
            }
            let (user, group) = file.owner.split_once(':').unwrap_or_default();
            let account = |name: &str| {
                let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
                (1..=32).contains(&name.len()) && !name.starts_with('-') && name.chars().all(inner)
            };
            if !account(user) || !account(group) {
                refuse(format!("{path:?}: owner must be \"USER:GROUP\", such as \"root:root\""));
            }
            let (Content::Plain(text) | Content::Template(text)) = &file.content;
            if text.len() > CONTENT {
                refuse(format!("{path:?} has {} bytes, {CONTENT} are allowed", text.len()));
            }
            if let Some(template) = file.template() {
                match Template::parse(template) {
                    Ok(template) => {
                        template
                            .faults(&self.schema)
                            .into_iter()
                            .for_each(|fault| refuse(format!("{path:?}: {fault}")));
                    }
                    Err(error) => refuse(format!("{path:?}: {error}")),
                }
            }
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
