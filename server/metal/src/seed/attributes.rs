//! The attributes of a machine as its system gets them: `/etc/underlay/values.json` for everybody, `/etc/underlay/secrets.json`
//! for root, and the files of its profiles.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::Value;
use underlay_core::{
    SecretString,
    profile::{self, Content, Template, Values},
};

/// Where the values are.
const VALUES: &str = "/etc/underlay/values.json";
/// Where the secret ones are.
const SECRETS: &str = "/etc/underlay/secrets.json";

/// What is injected.
#[derive(Debug, Default)]
pub struct Attributes {
    /// Values that anybody may see.
    pub values: Values,
    /// Secret values, each as JSON.
    pub secrets: BTreeMap<String, SecretString>,
    /// The files of the profiles.
    pub files: Vec<File>,
}

/// A file of the installed system.
#[derive(Debug)]
pub struct File {
    /// Absolute.
    pub path: String,
    /// It may hold secrets.
    pub content: SecretString,
    /// Octal.
    pub mode: String,
    /// `USER:GROUP`.
    pub owner: String,
}

impl Attributes {
    /// What is in a file of a profile, with the values filled in.
    ///
    /// # Errors
    /// Why it cannot be; no value is repeated.
    pub fn fill(&self, file: &profile::File) -> Result<SecretString, String> {
        match &file.content {
            Content::Plain(text) => Ok(text.clone().into()),
            Content::Template(text) => {
                let template = Template::parse(text).map_err(|error| error.to_string())?;
                let filled = template.render(&|name| self.value(name)).map_err(|error| error.to_string())?;
                Ok(filled.into())
            }
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        let secret = || serde_json::from_str(self.secrets.get(name)?.expose_secret()).ok();
        self.values.get(name).cloned().or_else(secret)
    }

    /// What all files have together, in bytes.
    pub(super) fn size(&self) -> usize {
        self.all_files().iter().map(|file| file.content.expose_secret().len()).sum()
    }

    /// Every file that is written; none for a machine without attributes.
    pub(crate) fn all_files(&self) -> Vec<File> {
        let root = |path: &str, content: String, mode: &str| File {
            path: path.to_owned(),
            content: content.into(),
            mode: mode.to_owned(),
            owner: "root:root".to_owned(),
        };
        let mut files = Vec::new();
        if !self.values.is_empty() {
            files.push(root(VALUES, format!("{:#}\n", serde_json::json!(self.values)), "0644"));
        }
        if !self.secrets.is_empty() {
            let secrets: BTreeMap<_, Value> = self
                .secrets
                .iter()
                .map(|(name, json)| (name, serde_json::from_str(json.expose_secret()).unwrap_or_default()))
                .collect();
            files.push(root(SECRETS, format!("{:#}\n", serde_json::json!(secrets)), "0600"));
        }
        files.extend(self.files.iter().map(|file| File {
            path: file.path.clone(),
            content: file.content.clone(),
            mode: file.mode.clone(),
            owner: file.owner.clone(),
        }));
        files
    }
}
