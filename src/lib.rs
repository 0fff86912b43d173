//! confkit: conferencing and transfer utilities on one library.

pub mod account;
pub mod channel;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod conference;
pub mod config;
pub mod daemon;
pub mod fileshare;
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod media;
pub mod sdp;
pub mod sip;
pub mod store;
pub mod transfer;
