//! Who gives a machine which value: the machine itself, else the first of its profiles that gives one, else its pool, else
//! its site. Only what a profile of the machine declares is given at all.
//!
//! A pure function: the API asks it at plan time, the controller when it deploys, and `explain --values` for people.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::{Content, SecretValues, Spec, Template, Type, Values};
use crate::{FieldError, ObjectId, machine};

/// What the files of one machine may have together, in bytes.
pub const FILES: usize = 512 << 10;

/// A profile, with the object that it is.
#[derive(Clone, Debug)]
pub struct Lender {
    /// The object; its secrets are sealed under it.
    pub id: ObjectId,
    /// The name by which the machine knows it.
    pub name: String,
    /// What it says.
    pub spec: Spec,
}

/// All that a machine may inherit from.
#[derive(Clone, Debug, Default)]
pub struct Inheritance {
    /// Its profiles, in the machine's order.
    pub profiles: Vec<Lender>,
    /// Those that are not there, with their places in the machine's order.
    pub missing: Vec<(usize, String)>,
    /// Its pool's name and values.
    pub pool: Option<(String, Values)>,
    /// Its site's name and values.
    pub site: Option<(String, Values)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The machine itself.
    Machine,
    /// One of its profiles.
    Profile(ObjectId, String),
    /// Its pool.
    Pool(String),
    /// Its site.
    Site(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Machine => f.write_str("machine"),
            Origin::Profile(_, name) => write!(f, "profile/{name}"),
            Origin::Pool(name) => write!(f, "pool/{name}"),
            Origin::Site(name) => write!(f, "site/{name}"),
        }
    }
}

/// An attribute of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its type.
    pub ty: Type,
    /// Is it sealed?
    pub secret: bool,
    /// The profile that declares it first.
    pub declared_by: String,
    /// Who gives it; `None` where nobody does.
    pub from: Option<Origin>,
    /// The value; `None` where nobody gives one, or it is secret.
    pub value: Option<Value>,
    /// The version of a secret.
    pub version: Option<i64>,
}

/// The attributes of a machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved(pub BTreeMap<String, Given>);

/// A place where values stand, from the machine outwards.
struct Layer<'a> {
    origin: Origin,
    values: &'a Values,
    secrets: Option<&'a SecretValues>,
    /// The attribute that faults are reported at, and how they begin.
    blame: (&'static str, String),
}

impl Inheritance {
    /// The attributes of `machine`, with the faults that keep it from being deployed.
    pub fn resolve(&self, machine: &machine::Spec) -> (Resolved, Vec<FieldError>) {
        let mut faults = Vec::new();
        let mut resolved = self.declared(&mut faults);
        let layers = self.layers(machine);
        for layer in layers.iter().rev() {
            fill(&mut resolved, layer, &mut faults);
        }
        for (at, name) in &self.missing {
            faults.push(FieldError::new(format!("profiles.{at}"), format!("there is no profile {name:?}")));
        }
        self.demand(&resolved, &mut faults);
        (resolved, faults)
    }

    fn declared(&self, faults: &mut Vec<FieldError>) -> Resolved {
        let mut resolved = Resolved::default();
        for (at, profile) in self.profiles.iter().enumerate() {
            for (name, declared) in &profile.spec.schema {
                let fresh = Given {
                    ty: declared.ty.clone(),
                    secret: declared.secret,
                    declared_by: profile.name.clone(),
                    from: None,
                    value: None,
                    version: None,
                };
                let known = resolved.0.entry(name.clone()).or_insert_with(|| fresh.clone());
                if (&known.ty, known.secret) != (&fresh.ty, fresh.secret) {
                    let word =
                        |given: &Given| format!("{}{}", if given.secret { "secret " } else { "" }, given.ty);
                    faults.push(FieldError::new(
                        format!("profiles.{at}"),
                        format!(
                            "profile {} declares {name:?} as {}, and profile {} as {}; let both say the same",
                            fresh.declared_by,
                            word(&fresh),
                            known.declared_by,
                            word(known)
                        ),
                    ));
                }
            }
        }
        resolved
    }

    /// From the machine outwards.
    fn layers<'a>(&'a self, machine: &'a machine::Spec) -> Vec<Layer<'a>> {
        let own = Layer {
            origin: Origin::Machine,
            values: &machine.values,
            secrets: machine.secret_values.as_ref(),
            blame: ("values", String::new()),
        };
        let profiles = self.profiles.iter().map(|profile| Layer {
            origin: Origin::Profile(profile.id, profile.name.clone()),
            values: &profile.spec.values,
            secrets: profile.spec.secret_values.as_ref(),
            blame: ("profiles", format!("profile {}: ", profile.name)),
        });
        let outer = |name: &str, kind: &str| ("profiles", format!("{kind} {name}: "));
        let pool = self.pool.iter().map(|(name, values)| Layer {
            origin: Origin::Pool(name.clone()),
            values,
            secrets: None,
            blame: outer(name, "pool"),
        });
        let site = self.site.iter().map(|(name, values)| Layer {
            origin: Origin::Site(name.clone()),
            values,
            secrets: None,
            blame: outer(name, "site"),
        });
        [own].into_iter().chain(profiles).chain(pool).chain(site).collect()
    }

    fn demand(&self, resolved: &Resolved, faults: &mut Vec<FieldError>) {
        for profile in &self.profiles {
            for (name, declared) in profile.spec.schema.iter().filter(|(_, declared)| declared.required) {
                let given = resolved.0.get(name);
                if given.is_some_and(|given| given.from.is_none()) {
                    let (attribute, place) = match declared.secret {
                        true => ("secret_values_wo", "secret_values_wo"),
                        false => ("values", "values"),
                    };
                    faults.push(FieldError::new(
                        attribute,
                        format!(
                            "profile {} requires {name:?} ({}), and neither the machine nor its profiles, pool or site \
                             give it; write {place} = {{ {name:?} = ... }}",
                            profile.name, declared.ty
                        ),
                    ));
                }
            }
        }
        // Whether a secret can stand there is decided by its type, which is known.
        let stand_in = |name: &str| resolved.0.get(name).and_then(Given::stand_in);
        let mut size = 0;
        for (path, profile, file) in self.files() {
            let text = match &file.content {
                Content::Plain(text) => Ok(text.clone()),
                Content::Template(text) => {
                    Template::parse(text).and_then(|template| template.render(&stand_in))
                }
            };
            match text {
                Ok(text) => size += text.len(),
                Err(error) => {
                    let message = format!("profile {profile}, file {path:?}: {error}");
                    faults.push(FieldError::new("profiles", message));
                }
            }
        }
        if size > FILES {
            let message = format!("their files have {size} bytes together, {FILES} are allowed");
            faults.push(FieldError::new("profiles", message));
        }
    }

    /// The files that are written, each with its path and profile; of one path the first profile's.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str, &super::File)> {
        let mut files = BTreeMap::new();
        for profile in &self.profiles {
            for (path, file) in &profile.spec.files {
                files.entry(path.as_str()).or_insert((profile.name.as_str(), file));
            }
        }
        files.into_iter().map(|(path, (profile, file))| (path, profile, file))
    }

    /// Digest of all that the machine does not say itself, BLAKE3 in hex; `None` where it has no profiles.
    pub fn digest(&self, machine: &machine::Spec) -> Option<String> {
        if self.profiles.is_empty() {
            return None;
        }
        let (resolved, _) = self.resolve(machine);
        let inherited: BTreeMap<_, _> = resolved
            .0
            .iter()
            .filter(|(_, given)| !matches!(given.from, None | Some(Origin::Machine)))
            .map(|(name, given)| {
                let sealed_by = match &given.from {
                    Some(Origin::Profile(id, _)) if given.secret => Some(id.to_string()),
                    _ => None,
                };
                (name, (&given.value, given.version, sealed_by))
            })
            .collect();
        let files: Vec<_> = self.files().map(|(path, _, file)| (path, file)).collect();
        let text = serde_json::json!([inherited, files]).to_string();
        Some(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

fn fill(resolved: &mut Resolved, layer: &Layer<'_>, faults: &mut Vec<FieldError>) {
    let (attribute, ref whose) = layer.blame;
    for (name, value) in layer.values {
        let Some(given) = resolved.0.get_mut(name) else {
            // What a pool or a site says beyond a machine's profiles is for other machines.
            if layer.origin == Origin::Machine {
                faults.push(undeclared(attribute, name));
            }
            continue;
        };
        if given.secret {
            let place =
                "is secret and stands in values; write it in secret_values_wo, with secret_values_version";
            faults.push(FieldError::new(attribute, format!("{whose}{name:?} {place}")));
        } else if let Err(why) = given.ty.check(value) {
            faults.push(FieldError::new(attribute, format!("{whose}{name:?} {why}")));
        } else {
            given.from = Some(layer.origin.clone());
            given.value = Some(value.clone());
        }
    }
    for (name, ty) in layer.secrets.iter().flat_map(|secrets| &secrets.types) {
        let attribute = if layer.origin == Origin::Machine { "secret_values_wo" } else { attribute };
        let Some(given) = resolved.0.get_mut(name) else {
            faults.push(undeclared(attribute, name));
            continue;
        };
        if !given.secret {
            faults.push(FieldError::new(
                attribute,
                format!("{whose}{name:?} is not secret; write it in values, or secret = true in its profile"),
            ));
        } else if given.ty != *ty {
            faults.push(FieldError::new(
                attribute,
                format!("{whose}{name:?} is {ty} and must be {}", given.ty),
            ));
        } else {
            given.from = Some(layer.origin.clone());
            given.version = layer.secrets.map(|secrets| secrets.version);
        }
    }
}

fn undeclared(attribute: &str, name: &str) -> FieldError {
    FieldError::new(
        attribute,
        format!(
            "no profile of this machine declares {name:?}; declare it in the schema of one, or leave it out"
        ),
    )
}

impl Given {
    /// Something of its type, for what is sealed: enough to see whether a template can be filled in.
    fn stand_in(&self) -> Option<Value> {
        self.from.as_ref()?;
        Some(match (&self.value, &self.ty) {
            (Some(value), _) => value.clone(),
            (None, Type::List(_)) => Value::Array(Vec::new()),
            (None, Type::Map(_)) => Value::Object(serde_json::Map::new()),
            (None, Type::String | Type::Number | Type::Bool) => Value::String(String::new()),
        })
    }
}

#[cfg(test)]
mod tests;
