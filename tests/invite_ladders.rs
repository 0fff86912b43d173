//! Golden ladders of offers between accounts (CN101150595A, steps 1 to 4 of both embodiments), on virtual time. Rewrite them with
//! `BLESS=1 cargo test --test invite_ladders`, and read what changed.

#[path = "support/invite.rs"]
mod invite;

#[test]
fn two_users_come_to_a_channel_as_their_ladders_say() {
    invite::check();
}
