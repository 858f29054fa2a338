//! A path into a value: which attribute of which object, which element of which collection.
//!
//! Elements of sets have no name that survives a change, so on the wire a path ends at the set.

use std::fmt;

use super::Value;
use crate::proto::tfplugin6 as pb;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// An attribute of an object.
    Attribute(String),
    /// An element of a map.
    Key(String),
    /// An element of a list or tuple.
    Index(i64),
    /// An element of a set, named by its own value.
    Element(Box<Value>),
}

/// A place in a value, from its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    /// The value itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path and one more step.
    #[must_use]
    pub fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// An attribute of the object here.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Self {
        self.step(Step::Attribute(name.to_owned()))
    }

    /// An element of the map here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An element of the list here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    /// The wire form; it ends before the first step into a set.
    pub fn to_proto(&self) -> pb::AttributePath {
        use pb::attribute_path::{Step as Wire, step::Selector};
        let steps = self
            .0
            .iter()
            .map_while(|step| {
                let selector = match step {
                    Step::Attribute(name) => Selector::AttributeName(name.clone()),
                    Step::Key(key) => Selector::ElementKeyString(key.clone()),
                    Step::Index(index) => Selector::ElementKeyInt(*index),
                    Step::Element(_) => return None,
                };
                Some(Wire { selector: Some(selector) })
            })
            .collect();
        pb::AttributePath { steps }
    }

    /// The path a host or a provider sent.
    pub fn from_proto(path: &pb::AttributePath) -> Self {
        use pb::attribute_path::step::Selector;
        let steps = path.steps.iter().filter_map(|step| step.selector.as_ref());
        Self(
            steps
                .map(|selector| match selector {
                    Selector::AttributeName(name) => Step::Attribute(name.clone()),
                    Selector::ElementKeyString(key) => Step::Key(key.clone()),
                    Selector::ElementKeyInt(index) => Step::Index(*index),
                })
                .collect(),
        )
    }
}

/// `"root.size"` is the attribute `size` of the attribute `root`.
impl From<&str> for Path {
    fn from(dotted: &str) -> Self {
        let names = dotted.split('.').filter(|name| !name.is_empty());
        Self(names.map(|name| Step::Attribute(name.to_owned())).collect())
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(root)");
        }
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => f.write_str(name)?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Element(_) => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_name_is_a_path_of_attributes() {
        let path = Path::from("disk.size");
        assert_eq!(path, Path::root().attribute("disk").attribute("size"));
        assert_eq!(path.key("a").index(2).to_string(), "disk.size[\"a\"][2]");
    }

    #[test]
    fn a_path_into_a_set_ends_at_the_set_on_the_wire() {
        let path = Path::from("tags").step(Step::Element(Box::new(Value::Null))).attribute("x");
        assert_eq!(Path::from_proto(&path.to_proto()), Path::from("tags"));
    }
}
