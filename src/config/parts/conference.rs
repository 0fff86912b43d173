//! Conferences.

use crate::{
    account::{GuestPolicy, Preset},
    config::{
        schema::section,
        value::{Count, Span},
    },
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

section! {
    /// Conferences, for the role as. What confctl create says of one conference wins over this.
    pub struct Conference {
        /// Calling a name that nobody uses brings a conference into being.
        auto_create: bool = true,
        /// Callers without an account: auto lets them in while the daemon listens on loopback only.
        guests: GuestPolicy = GuestPolicy::Auto,
        /// Most participants of one conference.
        max_participants: Count<1, 10_000> = Count::of(1000),
        /// Most conferences at once.
        max_conferences: Count<1, 100_000> = Count::of(1000),
        /// A conference that was born of a call ends when the last participant leaves.
        end_when_empty: bool = true,
        /// How long somebody who is invited may let it ring.
        ring_timeout: Span<SECOND, { 10 * MINUTE }> = Span::of_millis(MINUTE),
        /// Wrong PINs after which a caller is hung up on.
        pin_attempts: Count<1, 20> = Count::of(3),
        /// A media server that has not answered for this long is believed dead: its participants get BYE with a Reason. The shares of
        /// a file server wait for it from then on, for files.resume_window.
        media_server_timeout: Span<SECOND, { 5 * MINUTE }> = Span::of_millis(10 * SECOND),
        /// Who may share files: all with an account, the chair, or only those named by confctl grant. Guests share only what they are granted.
        share: Preset = Preset::All,
        /// Who receives what is shared: all, the chair, or only those named by confctl grant.
        receive: Preset = Preset::All,
        /// How often a media or file server is asked by OPTIONS whether it lives.
        media_server_probe: Span<100, MINUTE> = Span::of_millis(2 * SECOND),
    }
}
