//! Conferences.

use crate::{
    account::GuestPolicy,
    config::{
        schema::section,
        value::{AutoCreate, Count, Span, Until},
    },
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

section! {
    /// Conferences, for the role as. What confctl create says of one conference wins over this.
    pub struct Conference {
        /// Who brings a conference into being by calling a name that nobody uses.
        auto_create: AutoCreate = AutoCreate::Users,
        /// Callers without an account: auto lets them in while the daemon listens on loopback only.
        guests: GuestPolicy = GuestPolicy::Auto,
        /// Most participants of one conference.
        max_participants: Count<1, 10_000> = Count::of(1000),
        /// Most conferences at once.
        max_conferences: Count<1, 100_000> = Count::of(1000),
        /// A conference that was born of a call ends this long after the last participant has left.
        empty_timeout: Span<0, DAY> = Span::of_millis(0),
        /// A conference ends when its chair leaves.
        end_with_chair: bool = false,
        /// A conference ends this long after it began.
        ttl: Until<{ 10 * SECOND }, { 365 * DAY }> = Until::NEVER,
        /// How long somebody who is invited may let it ring.
        ring_timeout: Span<SECOND, { 10 * MINUTE }> = Span::of_millis(MINUTE),
        /// Wrong PINs after which a caller is hung up on.
        pin_attempts: Count<1, 20> = Count::of(3),
        /// A media server that has not answered for this long is believed dead: its participants get BYE with a Reason.
        media_server_timeout: Span<SECOND, { 5 * MINUTE }> = Span::of_millis(10 * SECOND),
        /// How often a media server is asked by OPTIONS whether it lives.
        media_server_probe: Span<100, MINUTE> = Span::of_millis(2 * SECOND),
    }
}
