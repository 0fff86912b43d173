//! The layers of a configuration: defaults, a file, the environment, flags, each over the one before, and for every value where it is from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde_yaml::{Mapping, Value};

use super::{
    locate::line_of,
    node::{Fault, Faults, Node, Path, Setting, Step},
    schema::{Kind, nearest},
};

/// Longest configuration file, in bytes; a longer one is refused.
pub const MAX_FILE: u64 = 1 << 20;

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// A file, and the line from 1 where it is known.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Something wrong in a configuration, and where that is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file and line, variable or flag.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Why there is no configuration. The user's fault; exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is larger than [`MAX_FILE`].
    #[error("the configuration file {} is larger than {MAX_FILE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not YAML.
    #[error("{}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        why: String,
    },
    /// What it says cannot be used.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems {
        /// Each with its place.
        problems: Vec<Problem>,
    },
}

/// A variable of the environment that looks like one of ours and is none. Not an error: others name variables, too (Kubernetes makes
/// `RELAYD_PORT` of a service called relayd).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The nearest that is known.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} is not a setting", self.name)?;
        self.nearest.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean {near}?"))
    }
}

/// The layers laid so far.
#[derive(Debug, Default)]
pub struct Layers {
    root: Mapping,
    origins: BTreeMap<Path, Origin>,
    file: Option<(PathBuf, String)>,
    unknown: Vec<UnknownVariable>,
}

/// A value that holds, its key, and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// Key, such as `media.ports`.
    pub key: Path,
    /// Value.
    pub value: Value,
    /// Where it is from.
    pub origin: Origin,
}

impl Layers {
    /// Lays the text of a file over what there is.
    ///
    /// # Errors
    /// It is not YAML, or not a map.
    pub fn text(&mut self, path: &std::path::Path, text: String) -> Result<(), ConfigError> {
        let syntax = |why: String| ConfigError::Syntax { path: path.to_owned(), why };
        let value: Value = serde_yaml::from_str(&text).map_err(|error| syntax(error.to_string()))?;
        let map = match value {
            Value::Mapping(map) => map,
            Value::Null => Mapping::new(),
            _ => return Err(syntax("expected keys with values".into())),
        };
        let origin = Origin::File { path: path.to_owned(), line: None };
        lay(&mut self.root, map, &Path::default(), &origin, &mut self.origins);
        self.file = Some((path.to_owned(), text));
        Ok(())
    }

    /// Lays the variables of the environment whose names are `prefix` and a key of `C` in upper case, dots as underscores, over what there
    /// is. Values are YAML; what is not, is text.
    pub fn environment<C: Setting>(&mut self, prefix: &str, variables: impl IntoIterator<Item = (String, String)>) {
        let known: BTreeMap<String, Path> = leaves(&C::kind()).into_iter().map(|key| (variable(prefix, &key), key)).collect();
        for (name, text) in variables {
            if let Some(key) = known.get(&name) {
                self.set(key, parse(text), Origin::Environment(name));
            } else if name.starts_with(prefix) {
                let nearest =
                    nearest(&name.to_lowercase(), known.keys().map(|k| k.to_lowercase()).collect::<Vec<_>>().iter().map(String::as_str))
                        .map(str::to_uppercase);
                self.unknown.push(UnknownVariable { name, nearest });
            }
        }
    }

    /// Lays one value over what there is. Its text is YAML; what is not, is text.
    pub fn flag(&mut self, flag: &str, key: &str, text: impl Into<String>) {
        self.set(&Path::of_keys(key), parse(text.into()), Origin::Flag(flag.to_owned()));
    }

    /// Lays a value over what there is.
    pub fn set(&mut self, key: &Path, value: Value, origin: Origin) {
        let Some((last, above)) = key.steps().split_last() else { return };
        let mut map = &mut self.root;
        for step in above {
            let entry = map.entry(step_key(step)).or_insert(Value::Null);
            if !entry.is_mapping() {
                *entry = Value::Mapping(Mapping::new());
            }
            let Value::Mapping(next) = entry else { return };
            map = next;
        }
        map.insert(step_key(last), value);
        self.origins.retain(|known, _| !key.covers(known));
        self.origins.insert(key.clone(), origin);
    }

    /// Replaces texts among the values, such as variables of a scenario; what `replace` has nothing for stays. Where a value is from stays, too.
    pub fn map_texts(&mut self, mut replace: impl FnMut(&Path, &str) -> Option<String>) {
        for (key, value) in &mut self.root {
            map_texts(value, &Path::default().key(&key_text(key)), &mut replace);
        }
    }

    /// Variables that look like ours and are none.
    pub fn unknown_variables(&self) -> &[UnknownVariable] {
        &self.unknown
    }

    /// Reads the layers as a configuration.
    ///
    /// # Errors
    /// Every problem found, with its place.
    pub fn read<C: Setting>(&self) -> Result<C, ConfigError> {
        let mut faults = Faults::default();
        let value = Value::Mapping(self.root.clone());
        let read = C::read(&Node { value: &value, at: Path::default(), layers: self }, &mut faults);
        match read {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(self.problems(faults.into_vec(), &C::kind())),
        }
    }

    /// The faults, each with its place, and for a key that stands in the wrong section with the right one.
    pub fn problems(&self, faults: Vec<Fault>, kind: &Kind) -> ConfigError {
        let known = leaves(kind);
        let problems = faults.into_iter().map(|fault| {
            let mut what = fault.what;
            // A misplaced key: known somewhere else under this very name.
            if what.starts_with("unknown key; known here")
                && let Some(Step::Key(name)) = fault.at.steps().last()
                && let Some(place) = known.iter().find(|key| key.steps().last() == Some(&Step::Key(name.clone())))
            {
                what = format!("unknown key; did you mean \"{place}\"?");
            } else if what.starts_with("unknown key; known here")
                && let Some(place) = elsewhere(&fault.at, &known)
            {
                what = format!("unknown key; did you mean \"{place}\"?");
            }
            Problem { origin: self.origin(&fault.at), key: fault.at.to_string(), what }
        });
        ConfigError::Problems { problems: problems.collect() }
    }

    /// Where the value at a path is from.
    pub fn origin(&self, at: &Path) -> Origin {
        let mut path = Some(at.clone());
        while let Some(here) = path {
            match self.origins.get(&here) {
                Some(Origin::File { path, .. }) => return Origin::File { path: path.clone(), line: self.line(at) },
                Some(origin) => return origin.clone(),
                None => path = here.parent(),
            }
        }
        // A section of which only some keys were given is from where the first of them is.
        match self.origins.iter().find(|(key, _)| at.covers(key)) {
            Some((_, Origin::File { path, .. })) => Origin::File { path: path.clone(), line: self.line(at) },
            Some((_, origin)) => origin.clone(),
            None => Origin::Default,
        }
    }

    /// Every value of a configuration that was read from these layers, in the order of its keys.
    pub fn effective<C: Setting>(&self, config: &C) -> Vec<Effective> {
        let shown = config.show();
        let value_at = |key: &Path| {
            key.steps().iter().try_fold(&shown, |value, step| match step {
                Step::Key(name) => value.get(name.as_str()),
                Step::Index(index) => value.get(index),
            })
        };
        let keys = leaves(&C::kind()).into_iter();
        keys.filter_map(|key| value_at(&key).cloned().map(|value| Effective { origin: self.origin(&key), key, value })).collect()
    }

    /// The folder of the file that a value is from: a relative path in a file is meant from there.
    pub fn folder(&self, at: &Path) -> Option<&std::path::Path> {
        let mut path = Some(at.clone());
        while let Some(here) = path {
            match self.origins.get(&here) {
                Some(Origin::File { path, .. }) => return path.parent(),
                Some(Origin::Default | Origin::Environment(_) | Origin::Flag(_)) => return None,
                None => path = here.parent(),
            }
        }
        None
    }

    fn line(&self, at: &Path) -> Option<usize> {
        let (_, text) = self.file.as_ref()?;
        let mut path = Some(at.clone());
        while let Some(here) = path {
            if let Some(line) = line_of(text, &here) {
                return Some(line);
            }
            path = here.parent();
        }
        None
    }
}

/// A key with a slip that resembles one of another section: that one; where section and key changed places (`sip.lisen`), as it should be
/// (`listen.sip`).
fn elsewhere(at: &Path, known: &[Path]) -> Option<Path> {
    let (Step::Key(name), above) = at.steps().split_last()? else { return None };
    let with_parents = |key: &Path| std::iter::successors(Some(key.clone()), Path::parent).collect::<Vec<_>>();
    let places: Vec<Path> = known.iter().flat_map(with_parents).filter(|key| !key.steps().is_empty()).collect();
    let last = |key: &Path| match key.steps().last() {
        Some(Step::Key(name)) => Some(name.clone()),
        Some(Step::Index(_)) | None => None,
    };
    let names: Vec<String> = places.iter().filter_map(last).collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    let place = places.iter().find(|key| last(key).as_deref() == Some(near))?;
    let turned = above.last().and_then(|step| match step {
        Step::Key(section) => Some(place.key(section)),
        Step::Index(_) => None,
    });
    Some(turned.filter(|turned| places.contains(turned)).unwrap_or_else(|| place.clone()))
}

/// The keys that have a value of their own: not sections, not what is inside lists.
pub fn leaves(kind: &Kind) -> Vec<Path> {
    fn walk(kind: &Kind, at: &Path, into: &mut Vec<Path>) {
        match kind {
            Kind::Section { keys, .. } => keys.iter().for_each(|key| walk(&key.kind, &at.key(key.name), into)),
            Kind::Value(_) | Kind::List(_) => into.push(at.clone()),
        }
    }
    let mut into = Vec::new();
    walk(kind, &Path::default(), &mut into);
    into
}

/// The environment variable of a key.
pub fn variable(prefix: &str, key: &Path) -> String {
    format!("{prefix}{}", key.to_string().replace('.', "_").to_uppercase())
}

/// Lays a map over another: maps are merged, everything else replaces.
fn lay(under: &mut Mapping, over: Mapping, at: &Path, origin: &Origin, origins: &mut BTreeMap<Path, Origin>) {
    for (key, value) in over {
        let here = at.key(&key_text(&key));
        match (under.get_mut(&key), value) {
            (Some(Value::Mapping(below)), Value::Mapping(above)) => lay(below, above, &here, origin, origins),
            (_, Value::Mapping(above)) => {
                origins.retain(|known, _| !here.covers(known));
                let mut fresh = Mapping::new();
                if above.is_empty() {
                    origins.insert(here.clone(), origin.clone());
                }
                lay(&mut fresh, above, &here, origin, origins);
                under.insert(key, Value::Mapping(fresh));
            }
            (_, value) => {
                origins.retain(|known, _| !here.covers(known));
                origins.insert(here, origin.clone());
                under.insert(key, value);
            }
        }
    }
}

fn map_texts(value: &mut Value, at: &Path, replace: &mut impl FnMut(&Path, &str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(other) = replace(at, text) {
                *text = other;
            }
        }
        Value::Sequence(items) => items.iter_mut().enumerate().for_each(|(index, item)| map_texts(item, &at.index(index), replace)),
        Value::Mapping(map) => map.iter_mut().for_each(|(key, value)| map_texts(value, &at.key(&key_text(key)), replace)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => String::new(),
    }
}

fn step_key(step: &Step) -> Value {
    match step {
        Step::Key(key) => Value::String(key.clone()),
        Step::Index(index) => Value::Number((*index as u64).into()),
    }
}

/// A text as YAML; one that is no YAML is itself (`[::1]:5060`).
fn parse(text: String) -> Value {
    serde_yaml::from_str(&text).unwrap_or(Value::String(text))
}
