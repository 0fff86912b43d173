//! `relayd print-config`: prints the effective configuration, each value with where it is from.

use serde::Serialize;

use crate::{
    cli::{
        Failure,
        output::{Page, Report},
        relayd::{Context, args::Overrides},
    },
    config::{self, Effective},
};

/// The configuration that holds.
#[derive(Debug, Serialize)]
pub struct Printed {
    /// Every value, in the order of the reference.
    pub settings: Vec<Setting>,
    /// The same as a configuration file.
    #[serde(skip)]
    yaml: String,
}

/// One value.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Key, such as `media.ports`.
    pub key: String,
    /// Value.
    pub value: serde_yaml::Value,
    /// `default`, a file with a line, a variable (`$RELAYD_ROLES`), or a flag.
    pub origin: String,
}

impl Report for Printed {
    fn page(&self, page: &mut Page) {
        page.lines(&self.yaml);
    }
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used: exit code 2.
pub fn run(args: &Overrides, context: &Context) -> Result<(), Failure> {
    let loaded = config::load(&context.sources(args))?;
    loaded.unknown_variables().iter().for_each(|unknown| context.output.warn(unknown));
    let effective = loaded.layers.effective(&loaded.config);
    let yaml = config::print(&effective);
    let told = |Effective { key, value, origin }| Setting { key: key.to_string(), value, origin: origin.to_string() };
    context.output.result(&Printed { settings: effective.into_iter().map(told).collect(), yaml })
}
