use std::{collections::BTreeMap, time::SystemTime};

use super::Ladder;

const TRACE: &str = "\
2026-11-20T06:28:00.000000Z  127.0.0.1:4000 -> as  INVITE sip:control@127.0.0.1:5060 SIP/2.0  [udp 512 bytes, 1 INVITE, call c1]
2026-11-20T06:28:00.010000Z  127.0.0.1:4002 -> as  INVITE sip:demo@127.0.0.1:5060 SIP/2.0  [udp 812 bytes, 1 INVITE, call a1]
2026-11-20T06:28:00.010500Z  as -> 127.0.0.1:4002  SIP/2.0 100 Trying  [udp 300 bytes, 1 INVITE, call a1]
2026-11-20T06:28:00.011000Z  as -> ms  INVITE sip:conf=demo@ms.invalid;transport=tcp SIP/2.0  [local 912 bytes, 1 INVITE, call m1]
2026-11-20T06:28:00.012000Z  ms -> as  SIP/2.0 200 OK  [local 700 bytes, 1 INVITE, call m1]
# 3 messages are left out here: they came faster than they could be written
2026-11-20T06:28:00.013250Z  as -> 127.0.0.1:4002  SIP/2.0 200 OK  [udp 700 bytes, 1 INVITE, call a1]
2026-11-20T06:28:00.014000Z  127.0.0.1:4004 -> as  SUBSCRIBE sip:demo@127.0.0.1:5060 SIP/2.0  [udp 400 bytes, 1 SUBSCRIBE, call w1]
2026-11-20T06:28:00.015000Z  192.0.2.9:5060 -> as  OPTIONS sip:127.0.0.1:5060 SIP/2.0  [udp 400 bytes, 1 OPTIONS, call o1]
";

fn ladder() -> Ladder {
    let start = humantime::parse_rfc3339("2026-11-20T06:28:00Z").unwrap();
    let names = BTreeMap::from([("127.0.0.1:4002".to_owned(), "alice".to_owned())]);
    Ladder::read(TRACE, start, &names, &["alice".to_owned(), "bob".to_owned()])
}

#[test]
fn a_trace_becomes_columns() {
    let expected = "   time s  alice      192.0.2.9: control    watch      as         ms
    0.000  |          |          |-------------------->|          |  INVITE control
    0.010  |------------------------------------------>|          |  INVITE demo
    0.011  |<------------------------------------------|          |  100 Trying (INVITE)
    0.011  |          |          |          |          |--------->|  INVITE conf=demo
    0.012  |          |          |          |          |<---------|  200 OK (INVITE)
    0.013  |<------------------------------------------|          |  200 OK (INVITE)
    0.014  |          |          |          |--------->|          |  SUBSCRIBE demo
    0.015  |          |------------------------------->|          |  OPTIONS 127.0.0.1:5060
… and 3 messages that were not kept
";
    let drawn = ladder().to_string();
    assert_eq!(drawn, expected, "\n{drawn}");
    let lanes: Vec<usize> = drawn.lines().nth(4).unwrap().match_indices('|').map(|(at, _)| at).collect();
    assert_eq!(lanes, [11, 22, 33, 44, 55, 66]);
}

#[test]
fn the_compact_ladder_has_neither_trying_nor_watchers() {
    let compact = ladder().compact();
    assert_eq!(compact.lanes, ["alice", "192.0.2.9:5060", "control", "as", "ms"]);
    assert_eq!(compact.rows.len(), 6);
}

#[test]
fn whoever_changes_to_a_stream_keeps_its_column() {
    let trace = format!(
        "{TRACE}2026-11-20T06:28:00.020000Z  127.0.0.1:5777 -> as  INVITE sip:demo@127.0.0.1:5060 SIP/2.0  [tcp 1500 bytes, 2 INVITE, call a1]\n\
         2026-11-20T06:28:00.021000Z  as -> 127.0.0.1:5777  SIP/2.0 200 OK  [tcp 900 bytes, 2 INVITE, call a1]\n"
    );
    let names = BTreeMap::from([("127.0.0.1:4002".to_owned(), "alice".to_owned())]);
    let ladder = Ladder::read(&trace, SystemTime::UNIX_EPOCH, &names, &[]);
    assert_eq!(ladder.lanes, ["alice", "192.0.2.9:5060", "control", "watch", "as", "ms"]);
    assert_eq!(ladder.rows.iter().filter(|row| row.from == "alice" && row.transport == "tcp").count(), 1);
}

#[test]
fn what_is_no_trace_gives_an_empty_ladder() {
    for text in ["", "nonsense\n", "2026  a -> b\n", "2026-11-20T06:28:00Z  a -> b  INVITE\n"] {
        let ladder = Ladder::read(text, SystemTime::UNIX_EPOCH, &BTreeMap::new(), &[]);
        assert!(ladder.rows.is_empty() && ladder.lanes.is_empty(), "{text:?}");
    }
}
