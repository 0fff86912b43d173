//! confkit: conferencing and transfer utilities on one library.

pub mod account;
pub mod clock;
pub mod conference;
pub mod id;
pub mod media;
pub mod sdp;
pub mod sip;
pub mod store;
