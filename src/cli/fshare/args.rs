//! What `fshare` accepts. Its verbs are those that it will have; each says with which part of the system it arrives.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::cli::global::{Completions, Global, Server};

/// File transfers from the terminal
///
/// fshare moves files through a relay channel, inside a conference, to and from a media library, and in a swarm. None of these is built
/// yet: every verb below says with which part of the system it arrives, and ends with exit code 1. Only the completions work.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "fshare",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  fshare completions fish > ~/.config/fish/completions/fshare.fish"
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
    ($($(#[doc = $doc:literal])* $verb:ident $name:literal $with:literal;)*) => {
        /// The verbs.
        #[derive(Debug, Clone, Subcommand)]
        pub enum Command {
            $(
                $(#[doc = $doc])*
                #[command(about = concat!($($doc,)* " (not built yet)").trim_start(), after_help = concat!("Not built yet: arrives with ", $with, "."))]
                $verb(Unbuilt),
            )*
            /// Print the completion script of a shell
            #[command(after_help = "Examples:\n  fshare completions bash > /etc/bash_completion.d/fshare")]
            Completions(Completions),
        }

        impl Command {
            /// The verb and the part of the system that brings it, if it is not built yet.
            pub fn missing(&self) -> Option<(&'static str, &'static str)> {
                match self {
                    $(Self::$verb(_) => Some(($name, $with)),)*
                    Self::Completions(_) => None,
                }
            }

            /// The words behind the verb, if it is not built yet.
            pub fn unread(&self) -> &[OsString] {
                match self {
                    $(Self::$verb(unbuilt) => &unbuilt.words,)*
                    Self::Completions(_) => &[],
                }
            }
        }
    };
}

verbs! {
    /// Send files to somebody, in real time
    Send "send" "relay channels";
    /// Receive files that somebody sends
    Recv "recv" "relay channels";
    /// Share files in a conference
    Share "share" "file sharing inside conferences";
    /// Get files that are shared in a conference
    Get "get" "file sharing inside conferences";
    /// List what is shared in a conference
    Shares "shares" "file sharing inside conferences";
    /// Stop sharing in a conference
    Unshare "unshare" "file sharing inside conferences";
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
    /// Show transfers
    Status "status" "the first kind of transfer";
    /// Go on with a transfer that was broken off
    Resume "resume" "the first kind of transfer";
    /// Cancel a transfer
    Cancel "cancel" "the first kind of transfer";
}
