//! What `fshare` accepts. Verbs that are not built yet say with which part of the system they arrive.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::{channel, get, records, resume, share, shares, unshare};
use crate::cli::global::{Completions, Global, Server};

/// File transfers from the terminal
///
/// fshare sends files to whoever is told a code, or to another user, through a relay that can read nothing of them, and shares files inside a
/// conference: everybody in the call who has the right receives them, verified, while the voices go on. What moves files otherwise (a media
/// library, a swarm) is not built yet: each such verb says with which part of the system it arrives.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "fshare",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        fshare send slides.pdf                 show a code, and send to whoever types it\n  \
        fshare recv 7-crystal-window           receive what is sent by that code\n  \
        fshare share standup slides.pdf        hand a file to everybody in the conference standup\n  \
        fshare get standup --output received   take what is shared there"
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
            /// It shows a code, waits until somebody on the other side has typed it into fshare recv, and sends while it reads. The relay between the two
            /// keeps nothing and can read nothing; a wrong guess spends the code. Over breaks it goes on by itself, and fshare resume goes on with
            /// what was stopped.
            #[command(after_help = channel::send::EXAMPLES)]
            Send(channel::send::Args),
            /// Receive what somebody sends
            ///
            /// It shows what is offered and asks; what was verified gets its name, and nothing else does. With the code of what was broken off it goes on
            /// with that, into the folder where it was begun.
            #[command(after_help = channel::recv::EXAMPLES)]
            Recv(channel::recv::Args),
            /// Share files and folders in a conference
            ///
            /// It stays in the conference until all who were asked have the files; whoever comes meanwhile is asked, too. Ctrl-C breaks the
            /// upload off, and fshare resume goes on with it for as long as the server waits; once all is uploaded, Ctrl-C ends the share.
            #[command(after_help = share::EXAMPLES)]
            Share(share::Args),
            /// Get what is shared in a conference
            ///
            /// Without names it takes everything that is shared at the moment, or waits for the next share where nothing is.
            #[command(after_help = get::EXAMPLES)]
            Get(get::Args),
            /// List what is shared in a conference
            #[command(after_help = shares::EXAMPLES)]
            Shares(shares::Args),
            /// Stop sharing in a conference
            ///
            /// Whoever began it: another terminal, another process of ours. Whoever has not got it all by then does not get it.
            #[command(after_help = unshare::EXAMPLES)]
            Unshare(unshare::Args),
            $(
                $(#[doc = $doc])*
                #[command(about = concat!($($doc,)* " (not built yet)").trim_start(), after_help = concat!("Not built yet: arrives with ", $with, "."))]
                $verb(Unbuilt),
            )*
            /// Show transfers that can be gone on with
            ///
            /// What nobody went on with for 30 days (keep_transfers in client.yaml) is removed, with its partial files.
            #[command(after_help = records::STATUS_EXAMPLES)]
            Status(records::StatusArgs),
            /// Go on with a transfer that was broken off
            ///
            /// In a conference, or through a relay: there both sides do, in any order, and look for each other for --patience.
            /// Without a name it lists what can be gone on with, as fshare status does.
            #[command(after_help = resume::EXAMPLES)]
            Resume(resume::Args),
            /// Give up a transfer that was broken off
            ///
            /// Of what came in, what there is of it is removed; of an upload to a conference, the share is ended.
            #[command(after_help = records::CANCEL_EXAMPLES)]
            Cancel(records::CancelArgs),
            /// Print how a code may go on, for completion scripts
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
    /// Make a link to an item of the library
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
    /// Play a file while it is fetched
    Play "play" "the swarm";
    /// Show what is known of a file in the swarm
    Info "info" "the swarm";
    /// List the files of the swarm
    List "list" "the swarm";
    /// Remember files of the swarm
    Fav "fav" "the swarm";
}
