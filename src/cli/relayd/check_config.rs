//! `relayd check-config`: checks a configuration file.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    cli::{
        Failure,
        output::{Page, Report, Text},
        relayd::{
            Context,
            args::{CheckArgs, Overrides},
        },
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

/// Runs it: the same check that a start in this environment makes.
///
/// # Errors
/// No file is named, it cannot be read, or every problem that was found: exit code 2.
pub fn run(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    let Some(file) = args.file.as_ref().or(context.global.config.as_ref()) else {
        return Err(Failure::usage("no configuration file was given").hint("relayd check-config FILE, or --config FILE"));
    };
    let sources = Sources { file: Some(file.clone()), ..context.sources(&Overrides::default()) };
    let loaded = config::load(&sources)?;
    loaded.unknown_variables().iter().for_each(|unknown| context.output.warn(unknown));
    context.output.result(&Checked { file: file.clone(), valid: true })
}
