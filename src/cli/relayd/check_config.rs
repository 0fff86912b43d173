//! `relayd check-config`: checks a configuration file.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    cli::{
        Failure,
        output::{Page, Report, Text},
        relayd::{Context, args::CheckArgs},
    },
    config::{self, Sources},
};

/// What is said of a file that can be used.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The file.
    pub file: PathBuf,
    /// Always true: what is wrong is an error.
    pub valid: bool,
}

impl Report for Checked {
    fn page(&self, page: &mut Page) {
        page.line([Text::from(self.file.display().to_string()), Text::from(": "), Text::good("can be used")]);
    }
}

/// Runs it. The file alone is checked, without the environment that it may be started in.
///
/// # Errors
/// The file cannot be read, or every problem that was found: exit code 2.
pub fn run(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    config::load(&Sources { file: Some(args.file.clone()), ..Sources::default() })?;
    context.output.result(&Checked { file: args.file.clone(), valid: true })
}
