//! Programs that run on beside a test, and tell what happens.

use std::{
    io::BufRead,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// Starts a program that runs on: what it tells and says waits to be read. What it is given to read is for the caller to say.
pub fn begin(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The next event of this name; others are passed over. None at the end.
pub fn next_event(events: &mut impl BufRead, name: &str) -> Option<Value> {
    loop {
        let mut line = String::new();
        if events.read_line(&mut line).expect("text") == 0 {
            return None;
        }
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        if told["event"] == name {
            return Some(told);
        }
    }
}
