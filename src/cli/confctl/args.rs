//! What `confctl` accepts.

use clap::{Parser, Subcommand};

use crate::{
    cli::{
        confctl::{
            create, deaf, demo, end, grant, invite, join, kick, list, lock, message, mute, pin, run, show, status, ua, volume, watch,
        },
        global::{Completions, Global, Server},
        values::Who,
    },
    conference::wire::control,
    id::ConferenceName,
};

/// Conference control from the shell
///
/// confctl creates and controls conferences on relayd, or on any server that understands its control messages: every command is a SIP
/// call with an INVITE, INFO requests and a BYE. It joins conferences as a real participant with real audio, watches what happens in
/// them, and runs scenario files that say what must hold.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "confctl",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        confctl demo                                  a server, three terminals, and what each of them heard and received\n  \
        confctl create standup --title 'Daily standup'\n  \
        confctl invite standup sip:bob@192.0.2.7\n  \
        confctl join standup --mic talk.wav --record heard.wav --for 1m\n  \
        confctl --json list"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Flags of all programs.
    #[command(flatten)]
    pub global: Global,

    /// Where the server is and who we are.
    #[command(flatten)]
    pub server: Server,
}

/// The commands, each in a file of its name.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Create a conference
    #[command(after_help = create::EXAMPLES)]
    Create(create::Args),
    /// List the conferences
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Show a conference and who is in it
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// End a conference: everybody gets a BYE
    #[command(after_help = end::EXAMPLES)]
    End(end::Args),
    /// Call somebody into a conference
    #[command(after_help = invite::EXAMPLES)]
    Invite(invite::Args),
    /// Remove somebody from a conference
    #[command(after_help = kick::EXAMPLES)]
    Kick(kick::Args),
    /// Mute a participant: nobody hears it
    #[command(after_help = mute::EXAMPLES, override_usage = "confctl mute [OPTIONS] <NAME> <WHO|--all>")]
    Mute(Members),
    /// Unmute a participant: it is heard again
    #[command(after_help = mute::UNDO_EXAMPLES, override_usage = "confctl unmute [OPTIONS] <NAME> <WHO|--all>")]
    Unmute(Members),
    /// Deafen a participant: it hears nobody
    #[command(after_help = deaf::EXAMPLES, override_usage = "confctl deaf [OPTIONS] <NAME> <WHO|--all>")]
    Deaf(Members),
    /// Undeafen a participant: it hears the others again
    #[command(after_help = deaf::UNDO_EXAMPLES, override_usage = "confctl undeaf [OPTIONS] <NAME> <WHO|--all>")]
    Undeaf(Members),
    /// Make a participant louder or quieter
    #[command(after_help = volume::EXAMPLES)]
    Volume(volume::Args),
    /// Lock a conference: nobody else can join
    #[command(after_help = lock::EXAMPLES)]
    Lock(lock::Args),
    /// Unlock a conference: people can join again
    #[command(after_help = lock::UNDO_EXAMPLES)]
    Unlock(lock::Args),
    /// Set or clear the PIN of a conference
    #[command(after_help = pin::EXAMPLES)]
    Pin(pin::Args),
    /// Grant a right to somebody
    #[command(after_help = grant::EXAMPLES)]
    Grant(grant::Args),
    /// Revoke a right from somebody
    #[command(after_help = grant::UNDO_EXAMPLES)]
    Revoke(grant::Args),
    /// Print events as they happen
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Args),
    /// Join a conference, with audio and files
    #[command(after_help = join::EXAMPLES)]
    Join(join::Args),
    /// Run named terminals in the background, and control them
    #[command(after_help = ua::EXAMPLES, override_usage = "confctl ua <start|stop> <NAME>\n       confctl ua list\n       confctl ua <NAME> <COMMAND>")]
    Ua(ua::Args),
    /// Send an instant message
    #[command(after_help = message::EXAMPLES)]
    Message(message::Args),
    /// Show the state of the server
    #[command(after_help = status::EXAMPLES)]
    Status(status::Args),
    /// Run a scenario file: several terminals, steps, expectations
    #[command(after_help = run::EXAMPLES)]
    Run(run::Args),
    /// Run a demonstration: a server, three terminals with real audio, a shared file, and what each terminal heard and received
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Args),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  confctl completions bash > /etc/bash_completion.d/confctl")]
    Completions(Completions),
}

/// Some or all of the people in a conference.
#[derive(Debug, Clone, clap::Args)]
pub struct Members {
    /// Conference
    pub name: ConferenceName,

    /// Whom
    #[command(flatten)]
    pub whom: Whom,
}

/// One participant, or all of them.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// Participant: a user, a participant id or a URI
    pub who: Option<Who>,

    /// Everybody
    #[arg(long)]
    pub all: bool,
}

impl Whom {
    /// Whom it means, as the server is told.
    pub fn meant(&self) -> control::Who {
        self.who.as_ref().map_or(control::Who::All, |who| control::Who::One(who.to_string()))
    }
}

/// Which way a pair of commands turns something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `mute`, `deaf`, `lock`.
    On,
    /// `unmute`, `undeaf`, `unlock`.
    Off,
}
