use std::sync::{Arc, Mutex};

use super::*;

const PIPE: Look = Look { json: false, quiet: false, terminal: false, colour: false, colour_errors: false, lively: false };

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Roster {
    users: Vec<(&'static str, u32)>,
}

impl Report for Roster {
    fn page(&self, page: &mut Page) {
        page.field("room", ["standup"]).field("participants", [self.users.len().to_string()]);
        let mut table = Table::new(["NAME", "#LEVEL"]);
        for (name, level) in &self.users {
            table.row([Text::strong(name), level.to_string().into()]);
        }
        page.table(table);
    }
}

fn printed(look: Look, report: &impl Report) -> String {
    let paper = Paper::default();
    Output::on(look, Box::new(paper.clone()), Box::new(io::sink())).result(report).unwrap();
    paper.text()
}

#[test]
fn a_pipe_gets_plain_aligned_columns() {
    let roster = Roster { users: vec![("alice", 7), ("", 1200)] };
    assert_eq!(printed(PIPE, &roster), "room          standup\nparticipants  2\nNAME   LEVEL\nalice      7\n-       1200\n");
}

#[test]
fn a_terminal_gets_a_ruled_table_in_colour() {
    let text = printed(Look { terminal: true, colour: true, ..PIPE }, &Roster { users: vec![("alice", 7)] });
    assert!(text.contains("───"), "{text}");
    assert!(text.contains("\u{1b}[1m"), "{text:?}");
}

#[test]
fn json_is_what_the_value_serializes_to() {
    assert_eq!(printed(Look { json: true, ..PIPE }, &Roster { users: vec![("alice", 7)] }), "{\"users\":[[\"alice\",7]]}\n");
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let text = printed(PIPE, &Roster { users: vec![("\u{1b}]0;owned\u{7}eve\nmallory", 0)] });
    assert!(text.contains("\\u{1b}]0;owned\\u{7}eve\\nmallory"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
    let to = |kind| Output::on(PIPE, Box::new(Refusing(kind)), Box::new(io::sink())).verbatim(b"x").unwrap_err();
    assert_eq!(to(io::ErrorKind::BrokenPipe), Failure::silent(ExitCode::Done));
    let full = to(io::ErrorKind::StorageFull);
    assert_eq!(full.code, ExitCode::Failed);
    assert!(full.message.starts_with("failed to write to standard output"), "{full}");
}

#[test]
fn quiet_hides_notes_and_warnings_but_no_error() {
    let told = |look: Look| {
        let paper = Paper::default();
        let output = Output::on(look, Box::new(io::sink()), Box::new(paper.clone()));
        output.note("n");
        output.warn("w");
        output.failure(&Failure::usage("e").hint("h"));
        paper.text()
    };
    assert_eq!(told(PIPE), "note: n\nwarning: w\nerror: e\nhint: h\n");
    assert_eq!(told(Look { quiet: true, ..PIPE }), "error: e\nhint: h\n");
    assert_eq!(
        told(Look { json: true, ..PIPE }),
        "{\"note\":\"n\"}\n{\"warning\":\"w\"}\n{\"error\":{\"code\":2,\"kind\":\"usage\",\"message\":\"e\",\"hint\":\"h\"}}\n"
    );
}

#[test]
fn a_log_line_is_written_whole() {
    let paper = Paper::default();
    let output = Output::on(PIPE, Box::new(io::sink()), Box::new(paper.clone()));
    let mut line = output.log_writer()();
    line.write_all(b"half").unwrap();
    assert_eq!(paper.text(), "");
    line.write_all(b" and half\n").unwrap();
    drop(line);
    assert_eq!(paper.text(), "half and half\n");
}
