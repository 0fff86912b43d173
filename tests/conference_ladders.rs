//! Golden ladders of whole conferences (CN101272266A, S301–S313): application server, media server, terminals, shells and watchers, all real,
//! on virtual time. Rewrite them with `BLESS=1 cargo test --test conference_ladders`, and read what changed.

#[path = "support/conference.rs"]
mod conference;
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/scripted.rs"]
mod scripted;

#[test]
fn conferences_do_what_their_ladders_say() {
    ladder::check("conference", conference::columns);
}
