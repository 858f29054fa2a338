//! Profile on the wire, both ways, without its secret values: those go from the request straight to the seal.

use underlay_core::{
    FieldError, Object,
    profile::{Content, Declaration, File, Profile, Spec, Type},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object, values};

/// The longest file, in bytes.
const FILE: usize = 64 << 10;

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::ProfileSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let mut spec = Spec {
        values: values::values(&mut faults, "values", message.values),
        secret_values: message.secret_values.map(|secrets| values::secret_values(&mut faults, secrets)),
        ..Spec::default()
    };
    for (name, declared) in faults.map("schema", message.schema) {
        let declared = declaration(&mut faults, &format!("schema.{name}"), declared);
        spec.schema.insert(name, declared);
    }
    for (path, given) in faults.map("files", message.files) {
        if let Some(file) = file(&mut faults, &path, given) {
            spec.files.insert(path, file);
        }
    }
    faults.into_result(Some(spec))
}

/// Reads a declaration that stands at `at`.
pub(crate) fn declaration(faults: &mut Faults, at: &str, message: pb::Declaration) -> Declaration {
    Declaration {
        ty: faults.parse(at, &message.r#type).unwrap_or(Type::String),
        required: message.required,
        secret: message.secret,
        description: faults.text(at, message.description, 1024),
    }
}

fn file(faults: &mut Faults, path: &str, message: pb::ProfileFile) -> Option<File> {
    let at = format!("files.{path}");
    let content = match (message.content, message.template) {
        (Some(content), None) => Content::Plain(content),
        (None, Some(template)) => Content::Template(template),
        (Some(_), Some(_)) => {
            faults.add(at, "has both content and template; leave one out");
            return None;
        }
        (None, None) => {
            faults.add(at, "has neither content nor template; write one");
            return None;
        }
    };
    let (Content::Plain(text) | Content::Template(text)) = &content;
    if text.len() > FILE {
        faults.add(at, format!("has {} bytes, {FILE} are allowed", text.len()));
        return None;
    }
    Some(File {
        content,
        mode: faults.optional(&at, message.mode).unwrap_or_else(|| "0644".to_owned()),
        owner: faults.optional(&at, message.owner).unwrap_or_else(|| "root:root".to_owned()),
    })
}

/// Spells a declaration.
pub(crate) fn declaration_message(declared: &Declaration) -> pb::Declaration {
    pb::Declaration {
        r#type: declared.ty.to_string(),
        required: declared.required,
        secret: declared.secret,
        description: declared.description.clone(),
    }
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::ProfileSpec {
    let schema = spec.schema.iter().map(|(name, declared)| (name.clone(), declaration_message(declared)));
    let files = spec.files.iter().map(|(path, file)| {
        let (content, template) = match file.content.clone() {
            Content::Plain(text) => (Some(text), None),
            Content::Template(text) => (None, Some(text)),
        };
        let (mode, owner) = (file.mode.clone(), file.owner.clone());
        (path.clone(), pb::ProfileFile { content, template, mode, owner })
    });
    pb::ProfileSpec {
        schema: schema.collect(),
        values: values::message(&spec.values),
        secret_values: spec.secret_values.as_ref().map(values::secret_message),
        files: files.collect(),
    }
}

/// Spells a profile.
pub(crate) fn message(profile: &Object<Profile>) -> pb::Profile {
    pb::Profile {
        meta: Some(object::meta(&profile.meta)),
        spec: Some(spec_message(&profile.spec)),
        status: Some(pb::ProfileStatus {}),
        standing: Some(object::standing(profile)),
    }
}
