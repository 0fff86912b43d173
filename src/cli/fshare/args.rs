//! What `fshare` accepts. Verbs that are not built yet say with which part of the system they arrive.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::{channel, get, records, resume, share, shares, unshare};
use crate::cli::global::{Completions, Global, Server};

/// File transfers from the terminal
///
/// fshare sends files to anyone you give a code, or to another user of your server: end-to-end encrypted, directly or through a relay that
/// cannot read them. It also shares files inside a conference: everybody in the call who may receive them gets them, verified, while the
/// conversation continues. The media library and the swarm are not built yet; each of their verbs says so.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "fshare",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        fshare send slides.pdf                 show a code, and send to whoever enters it\n  \
        fshare recv 7-crystal-window           receive what is sent with that code\n  \
        fshare share standup slides.pdf        share a file with everybody in the conference standup\n  \
        fshare get standup --output received   receive what is shared there"
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

/// The words behind a verb that is not built yet; whatever they are, the answer is the same.
#[derive(Debug, Clone, clap::Args)]
pub struct Unbuilt {
    /// Not read yet
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

macro_rules! verbs {
    (
        $($(#[doc = $doc:literal])* $verb:ident $name:literal $with:literal;)*
    ) => {
        /// The verbs.
        #[derive(Debug, Clone, Subcommand)]
        pub enum Command {
            /// Send files to whoever knows the code
            ///
            /// Shows a code, and sends once somebody enters it on the other side with fshare recv. The relay stores nothing and cannot read what
            /// passes through it; a wrong guess uses up the code. After a break the transfer reconnects and continues by itself; fshare resume
            /// continues one that was stopped.
            #[command(after_help = channel::send::EXAMPLES)]
            Send(channel::send::Args),
            /// Receive what somebody sends
            ///
            /// Shows what is offered and asks whether to accept it. Files appear under their names only after verification. With the code of a
            /// transfer that broke off, it resumes that transfer, into the folder where it began.
            #[command(after_help = channel::recv::EXAMPLES)]
            Recv(channel::recv::Args),
            /// Share files and folders in a conference
            ///
            /// Stays in the conference until everybody who was offered the files has them; those who join meanwhile are offered them, too. Ctrl-C
            /// stops the upload, and fshare resume continues it for as long as the server waits; once everything is uploaded, Ctrl-C ends the share.
            #[command(after_help = share::EXAMPLES)]
            Share(share::Args),
            /// Receive what is shared in a conference
            ///
            /// Without names, receives everything that is shared at the moment; if nothing is, waits for the next share.
            #[command(after_help = get::EXAMPLES)]
            Get(get::Args),
            /// List what is shared in a conference
            #[command(after_help = shares::EXAMPLES)]
            Shares(shares::Args),
            /// Stop sharing in a conference
            ///
            /// Ends a share of your account, whichever terminal or process began it. Members who do not have all of it by then do not get it.
            #[command(after_help = unshare::EXAMPLES)]
            Unshare(unshare::Args),
            $(
                $(#[doc = $doc])*
                #[command(about = concat!($($doc,)* " (not built yet)").trim_start(), after_help = concat!("Not built yet: arrives with ", $with, "."))]
                $verb(Unbuilt),
            )*
            /// List transfers that can be resumed
            ///
            /// Transfers that nobody resumed for 30 days (keep_transfers in client.yaml) are removed, with their partial files.
            #[command(after_help = records::STATUS_EXAMPLES)]
            Status(records::StatusArgs),
            /// Resume a transfer that broke off
            ///
            /// Works for shares in a conference and for transfers by code or to a user. For the latter both sides run it, in either order; they
            /// look for each other for as long as --patience says. Without a name, lists what can be resumed, as fshare status does.
            #[command(after_help = resume::EXAMPLES)]
            Resume(resume::Args),
            /// Give up a transfer that broke off
            ///
            /// Removes the partial files of a download or of fshare recv; ends the share of an upload to a conference.
            #[command(after_help = records::CANCEL_EXAMPLES)]
            Cancel(records::CancelArgs),
            /// Print how a code may continue, for completion scripts
            #[command(hide = true, after_help = channel::words::EXAMPLES)]
            Words(channel::words::Args),
            /// Print the completion script of a shell
            #[command(after_help = "Examples:\n  fshare completions bash > /etc/bash_completion.d/fshare")]
            Completions(Completions),
        }

        impl Command {
            /// The verb and the part of the system that brings it, if it is not built yet.
            pub fn missing(&self) -> Option<(&'static str, &'static str)> {
                match self {
                    $(Self::$verb(_) => Some(($name, $with)),)*
                    _ => None,
                }
            }

            /// The words behind the verb, if it is not built yet.
            pub fn unread(&self) -> &[OsString] {
                match self {
                    $(Self::$verb(unbuilt) => &unbuilt.words,)*
                    _ => &[],
                }
            }
        }
    };
}

verbs! {
    /// Upload files to the library
    Upload "upload" "the media library";
    /// Download an item of the library
    Download "download" "the media library";
    /// List the items of the library
    Ls "ls" "the media library";
    /// Delete an item of the library
    Rm "rm" "the media library";
    /// Move or rename an item of the library
    Mv "mv" "the media library";
    /// Create a link to an item of the library
    Link "link" "the media library";
    /// Search the library
    Search "search" "the media library";
    /// Show or change a personal page
    Page "page" "the media library";
    /// Record into the library
    Record "record" "the media library";
    /// Offer files to the swarm
    Seed "seed" "the swarm";
    /// Fetch a file from the swarm
    Fetch "fetch" "the swarm";
    /// Play a file while fetching it
    Play "play" "the swarm";
    /// Show what is known about a file in the swarm
    Info "info" "the swarm";
    /// List the files of the swarm
    List "list" "the swarm";
    /// Keep a list of favourite files in the swarm
    Fav "fav" "the swarm";
}
