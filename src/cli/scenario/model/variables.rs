//! Variables: `${name}` in a value stands for the text of `vars.name`, which the command line may replace.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use crate::{
    cli::values::Assignment,
    config::{Fault, Faults, Kind, Layers, Node, Origin, Path, Setting, nearest},
};

use super::fault;

/// Longest value of a variable, in bytes.
pub const MAX_VALUE: usize = 1024;

/// The variables of a scenario, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl Setting for Variables {
    fn kind() -> Kind {
        Kind::value("names with values")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let mut variables = Self::default();
        for (key, value) in node.map(faults)?.into_iter().flatten() {
            let name = key.as_str().unwrap_or_default();
            let here = node.at.key(name);
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                faults.add(&here, "a variable's name has letters, digits, - and _");
                continue;
            }
            let text = Node { value, at: here.clone(), layers: node.layers }.scalar("a text or a number", faults)?;
            if text.len() > MAX_VALUE {
                faults.add(&here, format!("is longer than {MAX_VALUE} bytes"));
            }
            variables.0.insert(name.to_owned(), text);
        }
        Some(variables)
    }

    fn show(&self) -> Value {
        Value::Mapping(self.0.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect::<Mapping>())
    }
}

/// Puts the variables' texts in the place of their names, those of the command line over those of the file.
pub fn substitute(layers: &mut Layers, text: &str, given: &[Assignment]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut variables = declared(text);
    for Assignment { key, value } in given {
        let at = Path::default().key("vars").key(key);
        layers.set(&at, value.as_str().into(), Origin::Flag("--var".to_owned()));
        if let Some(known) = variables.get_mut(key) {
            known.clone_from(value);
        } else {
            let advice = match nearest(key, variables.keys().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if variables.is_empty() => "the scenario has none".to_owned(),
                None => format!("there are {}", variables.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            faults.push(fault(&at, format!("no such variable; {advice}")));
        }
    }
    layers.map_texts(|at, text| match expand(text, &variables) {
        Ok(expanded) => expanded,
        Err(what) => {
            faults.push(fault(at, what));
            None
        }
    });
    faults
}

/// What the file says under `vars`; whatever is wrong with it is told when it is read.
fn declared(text: &str) -> BTreeMap<String, String> {
    let Ok(Value::Mapping(root)) = serde_yaml::from_str(text) else { return BTreeMap::new() };
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    };
    let entries = root.get("vars").and_then(Value::as_mapping).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), scalar(value)?))).collect()
}

/// The text with its variables replaced, once: what comes out is not looked at again. `None` if it names none. `$${` stands for `${`.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = rest.find("${") {
        changed = true;
        let (before, behind) = rest.split_at(at);
        let behind = &behind[2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = behind;
            continue;
        }
        out.push_str(before);
        let Some((name, after)) = behind.split_once('}') else { return Err("has ${ without }".to_owned()) };
        let Some(value) = variables.get(name) else {
            let advice = match nearest(name, variables.keys().map(String::as_str)) {
                Some(near) => format!("; did you mean ${{{near}}}?"),
                None => "; declare it under vars".to_owned(),
            };
            return Err(format!("${{{}}} is no variable{advice}", name.escape_debug()));
        };
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(changed.then_some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once_and_unknown_ones_are_named() {
        let variables = BTreeMap::from([("room".to_owned(), "standup".to_owned()), ("odd".to_owned(), "${room}".to_owned())]);
        assert_eq!(expand("plain $ {room}", &variables), Ok(None));
        assert_eq!(expand("<${room}-${room}>", &variables), Ok(Some("<standup-standup>".to_owned())));
        assert_eq!(expand("${odd}", &variables), Ok(Some("${room}".to_owned())), "what comes out is not looked at again");
        assert_eq!(expand("$${room} ${room}", &variables), Ok(Some("${room} standup".to_owned())));
        assert_eq!(expand("${roam}", &variables), Err("${roam} is no variable; did you mean ${room}?".to_owned()));
        assert_eq!(expand("${room", &variables), Err("has ${ without }".to_owned()));
    }
}
