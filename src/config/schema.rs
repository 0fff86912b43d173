//! Sections of a configuration: a struct whose fields are keys, with their documentation, type and default in one place. The reader, the
//! reference in `docs/operating.md`, `print-config` and the names of environment variables all come from here.

use std::borrow::Cow;

use serde_yaml::{Mapping, Value};

use super::node::{Faults, Node, Path};

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// One value; the words say which: "a duration such as 30s".
    Value(Cow<'static, str>),
    /// Keys with values.
    Section {
        /// What the section is for.
        doc: String,
        /// Its keys.
        keys: Vec<Key>,
    },
    /// Any number of a kind.
    List(Box<Self>),
}

impl Kind {
    /// A value of this form.
    pub fn value(form: &'static str) -> Self {
        Self::Value(Cow::Borrowed(form))
    }
}

/// A key of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: String,
    /// What its value looks like.
    pub kind: Kind,
    /// The value where none is given: `None` if one must be given.
    pub default: Option<Value>,
}

/// Defines a struct whose fields are the keys of a section. `section!` wants a default for each and makes a `Default` of them; in `item!`,
/// for the members of a list, a key without a default must be given.
macro_rules! section {
    ($(#[doc = $doc:literal])* pub struct $name:ident { $( $(#[doc = $fdoc:literal])* $field:ident : $ty:ty = $default:expr ),* $(,)? }) => {
        $crate::config::schema::item! {
            $(#[doc = $doc])* pub struct $name { $( $(#[doc = $fdoc])* $field : $ty = $default ),* }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default ),* }
            }
        }
    };
}

/// See [`section!`].
macro_rules! item {
    ($(#[doc = $doc:literal])* pub struct $name:ident { $( $(#[doc = $fdoc:literal])* $field:ident : $ty:ty $(= $default:expr)? ),* $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $( $(#[doc = $fdoc])* pub $field : $ty ),* }

        impl $crate::config::Setting for $name {
            fn kind() -> $crate::config::Kind {
                let keys = vec![ $( $crate::config::Key {
                    name: stringify!($field),
                    doc: $crate::config::schema::prose(&[$($fdoc),*]),
                    kind: <$ty as $crate::config::Setting>::kind(),
                    default: $crate::config::schema::optional!($($default)?)
                        .map(|default: $ty| $crate::config::Setting::show(&default)),
                } ),* ];
                $crate::config::Kind::Section { doc: $crate::config::schema::prose(&[$($doc),*]), keys }
            }

            fn read(node: &$crate::config::Node<'_>, faults: &mut $crate::config::Faults) -> Option<Self> {
                let map = node.map(faults)?;
                $crate::config::schema::refuse_unknown(map, &node.at, &[ $( stringify!($field) ),* ], faults);
                $(
                    let $field: Option<$ty> = match $crate::config::schema::child(map, node, stringify!($field)) {
                        Some(child) => $crate::config::Setting::read(&child, faults),
                        None => $crate::config::schema::optional!($($default)?)
                            .or_else(|| $crate::config::schema::missing(&node.at, stringify!($field), faults)),
                    };
                )*
                Some(Self { $( $field: $field? ),* })
            }

            fn show(&self) -> serde_yaml::Value {
                let mut map = serde_yaml::Mapping::new();
                $( map.insert(stringify!($field).into(), $crate::config::Setting::show(&self.$field)); )*
                serde_yaml::Value::Mapping(map)
            }
        }
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(crate) use {item, optional, section};

/// The lines of a documentation comment as one text.
pub(crate) fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// The value of a key, if it stands there.
pub(crate) fn child<'a>(map: Option<&'a Mapping>, node: &Node<'a>, name: &str) -> Option<Node<'a>> {
    map?.get(name).map(|value| Node { value, at: node.at.key(name), layers: node.layers })
}

/// Notes that a key must be given.
pub(crate) fn missing<T>(at: &Path, name: &str, faults: &mut Faults) -> Option<T> {
    faults.add(at, format!("has no \"{name}\", which must be given"));
    None
}

/// Notes each key that the section does not know, with the nearest that it does.
pub(crate) fn refuse_unknown(map: Option<&Mapping>, at: &Path, known: &[&str], faults: &mut Faults) {
    for key in map.into_iter().flat_map(Mapping::keys) {
        let name = match key {
            Value::String(name) if known.contains(&name.as_str()) => continue,
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
                faults.add(at, "has a key that is not a text");
                continue;
            }
        };
        let advice = nearest(&name, known.iter().copied())
            .map_or_else(|| format!("known here: {}", known.join(", ")), |near| format!("did you mean \"{near}\"?"));
        faults.add(&at.key(&name), format!("unknown key; {advice}"));
    }
}

/// The known name that a misspelt one most likely meant: at most a third of its letters are wrong (two of a short one).
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let bound = (name.chars().count() / 3).max(2);
    known
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= bound && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}
