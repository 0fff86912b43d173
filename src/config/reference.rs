//! The reference of a configuration in Markdown, made of its schema, so that it cannot say anything but what the program does.

use std::fmt::Write as _;

use serde_yaml::Value;

use super::{
    Setting,
    node::Path,
    print::flow,
    schema::{Key, Kind},
};

/// The reference of a configuration: a table per section.
pub fn reference<C: Setting>() -> String {
    let mut text = String::new();
    let Kind::Section { keys, .. } = C::kind() else { return text };
    section(&keys, &Path::default(), &mut text);
    text.trim_end().to_owned() + "\n"
}

fn section(keys: &[Key], at: &Path, text: &mut String) {
    let (sections, values): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| matches!(key.kind, Kind::Section { .. }));
    table(&values, text);
    for key in values.iter().chain(&sections) {
        let here = at.key(key.name);
        match &key.kind {
            Kind::Value(_) => {}
            Kind::Section { doc, keys } => {
                let _ = writeln!(text, "### `{here}`\n\n{doc}\n");
                section(keys, &here, text);
            }
            Kind::List(of) => {
                if let Kind::Section { doc, keys } = of.as_ref() {
                    let _ = writeln!(text, "### Each of `{here}`\n\n{doc}\n");
                    section(keys, &here, text);
                }
            }
        }
    }
}

fn table(keys: &[&Key], text: &mut String) {
    if keys.is_empty() {
        return;
    }
    text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let default = match &key.default {
            None => "must be given".to_owned(),
            Some(Value::Null) => "none".to_owned(),
            Some(Value::Sequence(items)) if items.is_empty() => "none".to_owned(),
            Some(Value::Sequence(items)) => items.iter().map(|item| format!("`{}`", flow(item))).collect::<Vec<_>>().join("<br>"),
            Some(value) => format!("`{}`", flow(value)),
        };
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name, form(&key.kind), key.doc);
    }
    text.push('\n');
}

fn form(kind: &Kind) -> String {
    match kind {
        Kind::Value(form) => form.to_string(),
        Kind::Section { .. } => "keys".to_owned(),
        Kind::List(of) => match of.as_ref() {
            Kind::Value(form) => format!("list: {form}"),
            Kind::Section { .. } | Kind::List(_) => "list (below)".to_owned(),
        },
    }
}
