//! confkit: conferencing and transfer utilities on one library.

pub mod clock;
pub mod id;
pub mod sip;
