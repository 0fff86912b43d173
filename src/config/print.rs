//! `print-config`: the values that hold, each with where it is from. What is printed is itself a configuration file that says the same.

use std::fmt::Write as _;

use serde_yaml::Value;

use super::{Effective, Step};

/// The values as YAML, the origin of each in a comment.
pub fn print(effective: &[Effective]) -> String {
    let mut text = String::new();
    let mut section: Vec<&str> = Vec::new();
    for Effective { key, value, origin } in effective {
        let names: Vec<&str> = key
            .steps()
            .iter()
            .filter_map(|step| match step {
                Step::Key(name) => Some(name.as_str()),
                Step::Index(_) => None,
            })
            .collect();
        let Some((last, above)) = names.split_last() else { continue };
        let shared = section.iter().zip(above).take_while(|(a, b)| a == b).count();
        for (depth, name) in above.iter().enumerate().skip(shared) {
            let _ = writeln!(text, "{:indent$}{name}:", "", indent = 2 * depth);
        }
        section = above.to_vec();
        let indent = 2 * above.len();
        match value {
            Value::Sequence(items) if items.iter().any(Value::is_mapping) => {
                let _ = writeln!(text, "{:indent$}{last}: # {origin}", "");
                for item in items {
                    let _ = writeln!(text, "{:indent$}  - {}", "", flow(item));
                }
            }
            value => {
                let _ = writeln!(text, "{:indent$}{last}: {} # {origin}", "", flow(value));
            }
        }
    }
    text
}

/// A value on one line. JSON is YAML, but plain words need no quotes.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Null => "~".to_owned(),
        Value::Bool(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Mapping(map) => {
            let pairs = map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| format!("{}: {}", flow(key), flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Tagged(tagged) => flow(&tagged.value),
    }
}

fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '+')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_-+=:@ ".contains(&b))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.as_str() == Some(text));
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
