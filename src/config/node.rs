//! A value in a configuration tree with the path to it, and what is wrong with it.

use std::{fmt, path::PathBuf};

use serde_yaml::{Mapping, Value};

use super::{layers::Layers, schema::Kind};

/// Most faults that are told at once; further ones wait until these are mended.
pub const MAX_FAULTS: usize = 50;

/// One step of a path into a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A key of a map.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// Where something stands: `listen.sip[1].address`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The path of keys joined by dots. (No key of ours holds a dot or a bracket.)
    pub fn of_keys(keys: &str) -> Self {
        Self(keys.split('.').filter(|key| !key.is_empty()).map(|key| Step::Key(key.to_owned())).collect())
    }

    /// The path one key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The path one place further.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path without its last step; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// True if `self` is `other` or lies above it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => write!(f, "{}", key.escape_debug())?,
                Step::Key(key) => write!(f, ".{}", key.escape_debug())?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Path,
    /// What is wrong, and what to do.
    pub what: String,
}

/// The faults found so far, [`MAX_FAULTS`] of them at most.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, at: &Path, what: impl Into<String>) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault { at: at.clone(), what: what.into() });
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// A value that stands in a configuration.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    /// Where it stands.
    pub at: Path,
    /// The layers that it is from.
    pub layers: &'a Layers,
}

/// A type that a configuration's value becomes.
pub trait Setting: Sized {
    /// What it looks like, for the reference and for errors.
    fn kind() -> Kind;

    /// Reads it. On a fault, which is noted, there is none.
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self>;

    /// The value that would be read as this.
    fn show(&self) -> Value;
}

impl<'a> Node<'a> {
    /// The text of a scalar: numbers and booleans as they print. Notes a fault for anything else.
    pub fn scalar(&self, form: &str, faults: &mut Faults) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null => {
                faults.add(&self.at, format!("has no value; expected {form}"));
                None
            }
            Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
                faults.add(&self.at, format!("is {}; expected {form}", noun(self.value)));
                None
            }
        }
    }

    /// The map; nothing written is an empty one.
    pub fn map(&self, faults: &mut Faults) -> Option<Option<&'a Mapping>> {
        match self.value {
            Value::Mapping(map) => Some(Some(map)),
            Value::Null => Some(None),
            other => {
                faults.add(&self.at, format!("is {}; expected keys with values", noun(other)));
                None
            }
        }
    }

    /// A text that parses, or a fault that says why not.
    pub fn parse<T: std::str::FromStr<Err: fmt::Display>>(&self, form: &str, faults: &mut Faults) -> Option<T> {
        let text = self.scalar(form, faults)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(why) => {
                faults.add(&self.at, format!("\"{}\" is not {form}: {why}", shown(&text)));
                None
            }
        }
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a map",
        Value::Tagged(_) => "a tagged value",
    }
}

/// A text as it may stand in a message.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

impl Setting for bool {
    fn kind() -> Kind {
        Kind::value("yes or no")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.scalar("yes or no", faults)?.as_str() {
            "yes" | "true" | "on" => Some(true),
            "no" | "false" | "off" => Some(false),
            other => {
                faults.add(&node.at, format!("\"{}\" is not yes or no", shown(other)));
                None
            }
        }
    }

    fn show(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Setting for PathBuf {
    fn kind() -> Kind {
        Kind::value("a path")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.scalar("a path", faults)?;
        if text.is_empty() {
            faults.add(&node.at, "is an empty path");
        } else if text.starts_with("~") {
            faults.add(&node.at, "begins with ~, which only a shell expands; write the whole path");
        } else {
            // From a file, a relative path is meant from the file's folder; from anywhere else, from the working directory.
            return Some(node.layers.folder(&node.at).map_or_else(|| Self::from(&text), |folder| folder.join(&text)));
        }
        None
    }

    fn show(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

impl<T: Setting> Setting for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.value.is_null() { Some(None) } else { T::read(node, faults).map(Some) }
    }

    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, Setting::show)
    }
}

/// A list; one value alone is a list of one, and a text with commas (as the environment has it) is split.
impl<T: Setting> Setting for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let split: Vec<Value>;
        let items = match node.value {
            Value::Sequence(items) => items,
            Value::String(text) => {
                split = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| Value::String(t.to_owned())).collect();
                &split
            }
            Value::Null => return Some(Self::new()),
            other => {
                split = vec![other.clone()];
                &split
            }
        };
        let mut read = Self::new();
        let mut whole = true;
        for (index, value) in items.iter().enumerate() {
            match T::read(&Node { value, at: node.at.index(index), layers: node.layers }, faults) {
                Some(item) => read.push(item),
                None => whole = false,
            }
        }
        whole.then_some(read)
    }

    fn show(&self) -> Value {
        Value::Sequence(self.iter().map(Setting::show).collect())
    }
}
