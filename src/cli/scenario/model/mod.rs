//! A scenario file as types.
//!
//! It is read by the configuration's machinery: an unknown key is told with its line and the nearest known one, and all faults are told at once.

mod args;
mod check;
mod expect;
mod server;
mod step;
#[cfg(test)]
mod tests;
mod value;
mod variables;

use std::path::Path;

pub use args::{
    Create, Download, Dtmf, Invite, Join, Kick, Members, Message, OfConference, OfTerminal, Pin, Send, Share, Unshare, Volume, Wait,
};
pub use expect::{Event, Expect, Expected, File, Heard, OF_FILES, Packets, Participant, Roster, Run, Sound, State, Talker};
pub use server::{Ephemeral, Server};
pub use step::{Action, Step};
pub use value::{Applying, Decibel, Exit, FileName, Given, Hertz, Level, Name, Sha256, Via};
pub use variables::Variables;

use crate::{
    cli::values::{Assignment, Microphone},
    config::{Bandwidth, CodecName, ConfigError, Fault, Kind, Layers, Origin, Setting, Size, Span, Text, schema::item},
    id::{ConferenceName, UserName},
};

/// Longest scenario file, in bytes; a longer one is refused.
pub const MAX_FILE: u64 = 1 << 20;
/// Most terminals of a scenario; more belong into a load generator.
pub const MAX_TERMINALS: usize = 64;
/// Most steps of a scenario, those of parallel groups included.
pub const MAX_STEPS: usize = 1000;
/// Most bytes of all files that are made for a scenario, together; they lie in a temporary folder.
pub const MAX_MADE: u64 = 4 << 30;

item! {
    /// A scenario.
    pub struct Scenario {
        /// What it shows.
        title: Option<Text> = None,
        /// The server: a URI, or `ephemeral` for one that lives as long as the scenario.
        server: Server = Server::default(),
        /// Variables: `${name}` in any value stands for the variable's.
        vars: Variables = Variables::default(),
        /// The conference that steps mean that name none.
        conference: Option<ConferenceName> = None,
        /// Files that are made at the start, for steps to share by their names.
        files: Vec<Made> = Vec::new(),
        /// Terminals.
        terminals: Vec<Terminal> = Vec::new(),
        /// Steps, in order.
        steps: Vec<Step>,
    }
}

item! {
    /// A file that is made for the scenario, of bytes that do not repeat; the same each time.
    pub struct Made {
        /// Its name.
        name: FileName,
        /// How large it is.
        size: Size,
    }
}

item! {
    /// A terminal: somebody who takes part.
    pub struct Terminal {
        /// What steps call it; others see it as this.
        name: Name,
        /// Account that it has; without one it is a guest.
        account: Option<UserName> = None,
        /// What it says: tone:HZ, silence, or a WAV file.
        microphone: Microphone = Microphone::Silence,
        /// Where what it hears is recorded; without it, in a temporary folder.
        record: Option<std::path::PathBuf> = None,
        /// Name that others see, where it is not the terminal's.
        display_name: Option<Text> = None,
        /// Codecs, best first; without any, all that we have.
        codecs: Vec<CodecName> = Vec::new(),
        /// Registers its account at the start, so that it can be invited by it.
        register: bool = false,
        /// Answers calls; else it is busy.
        answer: bool = true,
        /// Rings this long before it answers.
        ring: Span<0, 60_000> = Span::of_millis(0),
        /// Receives what is shared in its conference; else it declines.
        receive: bool = false,
        /// Most bytes a second of each of its uploads and downloads.
        limit: Bandwidth = Bandwidth(None),
    }
}

impl Scenario {
    /// Reads a scenario: `path` is what faults are told with and where relative paths are meant from, `given` the variables of the command line.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn parse(path: &Path, text: &str, given: &[Assignment]) -> Result<Self, ConfigError> {
        Self::read_from(path, text, given).map_err(|error| match error {
            ConfigError::Problems { mut problems } => {
                // What is missing stands on no line; it is missing in this file all the same.
                for problem in problems.iter_mut().filter(|problem| problem.origin == Origin::Default) {
                    problem.origin = Origin::File { path: path.to_owned(), line: None };
                }
                ConfigError::Problems { problems }
            }
            error => error,
        })
    }

    fn read_from(path: &Path, text: &str, given: &[Assignment]) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.text(path, text.to_owned())?;
        let mut faults = variables::substitute(&mut layers, text, given);
        if faults.is_empty() {
            let mut scenario: Self = layers.read()?;
            faults = check::check(&scenario);
            if faults.is_empty() {
                scenario.name_conferences();
                return Ok(scenario);
            }
        }
        Err(layers.problems(faults, &Self::kind()))
    }

    /// Puts the conference that all steps mean where none is named, so that each step tells its own.
    fn name_conferences(&mut self) {
        let Some(all) = &self.conference else { return };
        for step in &mut self.steps {
            step.name_conference(all);
        }
    }

    /// The conference that a step means; checked when the file was read.
    pub fn room<'a>(&'a self, named: &'a Option<ConferenceName>) -> Option<&'a ConferenceName> {
        named.as_ref().or(self.conference.as_ref())
    }

    /// The terminal of a name.
    pub fn terminal(&self, name: &str) -> Option<&Terminal> {
        self.terminals.iter().find(|terminal| terminal.name.as_str() == name)
    }

    /// The accounts that its terminals and steps act as, by name.
    pub fn accounts(&self) -> std::collections::BTreeSet<UserName> {
        let of_terminals = self.terminals.iter().filter_map(|terminal| terminal.account.clone());
        let of_steps = self.steps.iter().flat_map(Step::each).filter_map(|step| step.actor.clone());
        of_terminals.chain(of_steps).collect()
    }

    /// The tone that each terminal says, in hertz, for those that say one.
    pub fn tones(&self) -> impl Iterator<Item = (&Name, f32)> {
        self.terminals.iter().filter_map(|terminal| match terminal.microphone {
            Microphone::Tone(hz) => Some((&terminal.name, hz)),
            Microphone::File(_) | Microphone::Silence => None,
        })
    }
}

impl Terminal {
    /// What others see it as.
    pub fn shown(&self) -> &str {
        self.display_name.as_ref().map_or(self.name.as_str(), |name| name.0.as_str())
    }
}

/// Every word that a scenario file may hold as a key: those of the top, of terminals, of steps and expectations, and their events. `docs/scenarios.md` tells all.
pub fn words() -> std::collections::BTreeSet<String> {
    let keys = [Scenario::kind(), Made::kind(), Terminal::kind()].into_iter().chain(args::kinds()).chain(expect::kinds());
    let keys = keys.flat_map(|kind| match kind {
        Kind::Section { keys, .. } => keys.into_iter().map(|key| key.name.to_owned()).collect(),
        Kind::Value(_) | Kind::List(_) => Vec::new(),
    });
    let others = step::VERBS.iter().chain(&expect::KINDS).chain(&expect::OF_TERMINALS).chain(&OF_FILES).chain(&expect::OF_CONFERENCES);
    keys.chain(others.map(|word| (*word).to_owned())).collect()
}

/// A fault of something that has been read.
fn fault(at: &crate::config::Path, what: impl Into<String>) -> Fault {
    Fault { at: at.clone(), what: what.into() }
}
