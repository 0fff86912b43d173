//! Golden ladders of whole conferences (CN101272266A, S301–S313): application server, media server, terminals, shells and watchers, all real,
//! on virtual time. Rewrite them with `BLESS=1 cargo test --test conference_ladders`, and read what changed.

#[path = "support/conference/mod.rs"]
mod conference;
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/scripted.rs"]
mod scripted;

#[test]
fn who_dials_in_comes_in_or_hears_why_not() {
    ladder::check("conference/dial_in", conference::columns);
}

#[test]
fn who_is_called_comes_in_or_the_caller_hears_why_not() {
    ladder::check("conference/dial_out", conference::columns);
}

#[test]
fn media_servers_may_refuse_fail_and_die() {
    ladder::check("conference/media_server", conference::columns);
}

#[test]
fn sessions_change_in_the_middle_of_calls() {
    ladder::check("conference/change", conference::columns);
}

#[test]
fn shells_control_conferences() {
    ladder::check("conference/control", conference::columns);
}

#[test]
fn watchers_see_what_happens() {
    ladder::check("conference/watch", conference::columns);
}

#[test]
fn conferences_and_calls_end() {
    ladder::check("conference/end", conference::columns);
}

#[test]
fn refer_invites_and_removes() {
    ladder::check("conference/refer", conference::columns);
}

#[test]
fn users_register_and_write_to_each_other() {
    ladder::check("conference/users", conference::columns);
}
