//! Golden ladders of the relay's machine (CN101150595A, steps 2 to 6 and 8 of both embodiments), on virtual time. Rewrite them with
//! `BLESS=1 cargo test --test channel_ladders`, and read what changed.

#[path = "support/relay.rs"]
mod relay;

#[test]
fn the_relay_does_what_its_ladders_say() {
    relay::check("channel");
}
