//! JSON as we print it: one line, and safe for a terminal, since JSON alone escapes only the C0 controls.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::safe::is_unsafe;
use crate::cli::{ExitCode, Failure};

/// A value as one line.
pub fn line(value: &impl Serialize) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(256);
    let made = value.serialize(&mut Serializer::with_formatter(&mut bytes, Safe(CompactFormatter)));
    let text = made.map_err(anyhow::Error::new).and_then(|()| String::from_utf8(bytes).map_err(anyhow::Error::new));
    let mut text = text.map_err(|error| Failure::new(ExitCode::Failed, format!("failed to print JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// `{"error": {"code", "kind", "message", "hint"?, "details"?, "transfer"?, "retry"?}}`
pub fn failure(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        code: u8,
        kind: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        details: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        transfer: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<u32>,
    }
    let Failure { code, message, hint, details, transfer, retry } = failure;
    let (hint, transfer, retry) = (hint.as_deref(), transfer.as_deref(), *retry);
    let body = Body { code: code.number(), kind: code.name(), message, hint, details, transfer, retry };
    line(&Document { error: body }).unwrap_or_default()
}

/// `{"note": "…"}` or `{"warning": "…"}`.
pub fn remark(kind: &'static str, text: &str) -> String {
    line(&std::collections::BTreeMap::from([(kind, text)])).unwrap_or_default()
}

/// Compact, with what [`is_unsafe`] escaped as `\uXXXX`.
struct Safe(CompactFormatter);

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_unsafe(*c)) {
            self.0.write_string_fragment(writer, fragment.get(plain..at).unwrap_or_default())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, fragment.get(plain..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_line_that_reads_back_as_it_was() {
        let text = "name \u{1b}[31m \u{9b}2J \u{202e} \u{e0041} 张伟 \"quoted\"\n";
        let line = line(&text).expect("text prints");
        assert_eq!(line, "\"name \\u001b[31m \\u009b2J \\u202e \\udb40\\udc41 张伟 \\\"quoted\\\"\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).expect("it is JSON"), text);
    }

    #[test]
    fn an_error_says_its_code_and_what_to_do() {
        let told = Failure::new(ExitCode::NotFound, "no conference is named \"x\"").hint("confctl list");
        assert_eq!(
            failure(&told),
            "{\"error\":{\"code\":4,\"kind\":\"not_found\",\"message\":\"no conference is named \\\"x\\\"\",\"hint\":\"confctl list\"}}\n"
        );
        let twice = Failure::ambiguous("bob", vec!["p1".into(), "p2".into()]);
        assert!(failure(&twice).contains("\"details\":[\"p1\",\"p2\"]"));
    }
}
