//! Golden ladders of files in conferences (CN101272266A, S401–S412, S601–S605, S701–S705, S801–S812): application server, media server, file
//! server and terminals, all real, on virtual time. Rewrite them with `BLESS=1 cargo test --test fileshare_ladders`, and read what changed.

#[path = "support/conference/mod.rs"]
mod conference;
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/scripted.rs"]
mod scripted;

#[test]
fn shares_open_by_re_invite() {
    ladder::check("fileshare/reinvite", conference::columns);
}

#[test]
fn shares_open_by_info() {
    ladder::check("fileshare/info", conference::columns);
}

#[test]
fn shares_end() {
    ladder::check("fileshare/ending", conference::columns);
}

#[test]
fn shares_belong_to_the_sharers_account() {
    ladder::check("fileshare/owner", conference::columns);
}

#[test]
fn rights_decide() {
    ladder::check("fileshare/rights", conference::columns);
}
