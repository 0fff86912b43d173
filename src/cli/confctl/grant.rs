//! `confctl grant` and `revoke`: who may share files, and who receives them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        ExitCode, Failure,
        confctl::{args::Switch, dialog, report},
        output::{Page, Report},
        settings::Context,
        values::Who,
    },
    conference::wire::control::{self, Command, Data, Details, Given, Participant, Preset},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl grant standup bob share\n  \
    confctl grant standup guest-1 receive";
/// Shown under the help of the command that undoes it.
pub const UNDO_EXAMPLES: &str = "Examples:\n  confctl revoke standup bob share";

/// A conference, somebody in it, and a right.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Whom: a user (present or not), a participant id or a URI
    pub who: Who,

    /// Right: share (share files) or receive (receive what others share)
    #[arg(value_name = "share|receive", value_enum, hide_possible_values = true)]
    pub right: Right,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Right {
    /// Share files.
    Share,
    /// Receive what others share.
    Receive,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Receive => "receive",
        }
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, switch: Switch, context: &Context) -> Result<(), Failure> {
    let (conference, who) = (args.name.to_string(), control::Who::One(args.who.to_string()));
    let show = Command::Show { conference: conference.clone() };
    let grant = Command::Grant { conference, who, right: args.right.word().to_owned(), on: switch == Switch::On };
    let participants = match dialog::ask(context, grant, None).await? {
        Data::Participants { participants } => participants,
        _ => Vec::new(),
    };
    // Whom it is for need not be there: what is in force now is told beside those who are.
    let Data::Conference(details) = dialog::ask(context, show, None).await? else {
        return Err(Failure::new(ExitCode::Failed, "the server does not say what is in force now"));
    };
    let Details { summary, given, .. } = *details;
    context.output.result(&Granted { participants, rights: summary.rights, given })
}

/// What is in force now.
#[derive(Debug, Clone, Serialize)]
pub struct Granted {
    /// Whom it is for, of those who are there.
    pub participants: Vec<Participant>,
    /// Who has which right without a grant.
    pub rights: BTreeMap<String, Preset>,
    /// Who was given a right, or had it taken.
    pub given: Vec<Given>,
}

impl Report for Granted {
    fn page(&self, page: &mut Page) {
        report::rights(page, &self.rights, &self.given);
        if !self.participants.is_empty() {
            page.gap();
            report::roster(page, &self.participants);
        }
    }
}
