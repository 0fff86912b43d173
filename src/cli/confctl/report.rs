//! The server's replies for people: tables and fields. Their JSON is the reply itself ([`Data`]).

use std::collections::BTreeMap;

use crate::{
    cli::{
        ExitCode, Failure,
        output::{Page, Report, Table, Text},
    },
    conference::wire::control::{
        self, CallState, Data, Details, ErrorCode, Given, Invitee, MediaServer, Participant, Preset, Role, Status, Summary,
    },
};

impl Report for Data {
    fn page(&self, page: &mut Page) {
        match self {
            Self::Done {} => {}
            Self::Created(summary) => {
                page.line([Text::from("created "), Text::strong(&summary.name), Text::from(format!(", {}", summary.uri))]);
            }
            Self::Conferences { conferences } => list(page, conferences),
            Self::Conference(details) => show(page, details),
            Self::Invited { invited } => invitations(page, invited),
            Self::Participants { participants } => roster(page, participants),
            Self::Status(status) => state_of_server(page, status),
            // Nobody asks for one to read it.
            Self::Ticket(issued) => {
                page.line([Text::from(format!("a ticket for {}, good until {}", issued.audience, issued.expires))]);
            }
        }
    }
}

/// The server's kinds of failure are the exit table.
impl From<control::Failure> for Failure {
    fn from(failure: control::Failure) -> Self {
        let code = match failure.code {
            ErrorCode::Failed => ExitCode::Failed,
            ErrorCode::Usage => ExitCode::Usage,
            ErrorCode::Forbidden => ExitCode::Denied,
            ErrorCode::NotFound => ExitCode::NotFound,
            ErrorCode::Conflict => ExitCode::Conflict,
            ErrorCode::Declined => ExitCode::Declined,
            ErrorCode::Unreachable => ExitCode::Unreachable,
        };
        Self { details: failure.candidates, ..Self::new(code, failure.text) }
    }
}

fn list(page: &mut Page, conferences: &[Summary]) {
    let mut table = Table::new(["NAME", "TITLE", "#PEOPLE", "DOOR", "OWNER", "CREATED"]);
    for conference in conferences {
        table.row([
            Text::strong(&conference.name),
            opt(conference.title.as_ref()),
            people(conference),
            door(conference),
            opt(conference.owner.as_ref()),
            conference.created.to_string().into(),
        ]);
    }
    page.table(table);
}

fn show(page: &mut Page, Details { summary, given, roster: participants }: &Details) {
    page.field("conference", [Text::strong(&summary.name)]);
    if let Some(title) = &summary.title {
        page.field("title", [title]);
    }
    page.field("address", [&summary.uri]).field("people", [people(summary)]).field("door", [door(summary)]);
    rights(page, &summary.rights, given);
    page.field("created", [summary.created.to_string()]);
    for (name, value) in
        [("ends", summary.ends.map(|at| at.to_string())), ("owner", summary.owner.clone()), ("media server", summary.media_server.clone())]
    {
        if let Some(value) = value {
            page.field(name, [value]);
        }
    }
    if !participants.is_empty() {
        page.gap();
        roster(page, participants);
    }
}

/// Who has which right: everybody of the preset, and who is named beside it.
pub fn rights(page: &mut Page, rights: &BTreeMap<String, Preset>, given: &[Given]) {
    if rights.is_empty() {
        return;
    }
    let of = |right: &str, on: bool| -> Vec<&str> {
        given.iter().filter(|given| given.right == right && given.on == on).map(|given| given.who.as_str()).collect()
    };
    let rights = rights.iter().map(|(right, preset)| {
        let (with, without) = (of(right, true), of(right, false));
        let with = if with.is_empty() { String::new() } else { format!(" and {}", with.join(" ")) };
        let without = if without.is_empty() { String::new() } else { format!(" but not {}", without.join(" ")) };
        format!("{right} {preset}{with}{without}")
    });
    page.field("rights", [rights.collect::<Vec<_>>().join(", ")]);
}

/// Participants, a line each.
pub fn roster(page: &mut Page, participants: &[Participant]) {
    let mut table = Table::new(["ID", "NAME", "WHO", "ROLE", "STATE", "AUDIO", "CODEC"]);
    for participant in participants {
        table.row([
            participant.id.as_str().into(),
            participant.name.as_ref().map_or_else(Text::default, Text::strong),
            participant.user.as_ref().unwrap_or(&participant.uri).into(),
            role(participant.role),
            state(participant.state),
            audio(participant),
            opt(participant.codec.as_ref()),
        ]);
    }
    page.table(table);
}

fn invitations(page: &mut Page, invited: &[Invitee]) {
    let mut table = Table::new(["URI", "PARTICIPANT", "RESULT"]);
    for Invitee { uri, participant, failure } in invited {
        let result = failure.as_ref().map_or_else(|| Text::good("joined"), |failure| Text::bad(&failure.text));
        table.row([uri.into(), opt(participant.as_ref()), result]);
    }
    page.table(table);
}

fn state_of_server(page: &mut Page, status: &Status) {
    let up = std::time::Duration::from_secs(status.uptime_seconds);
    page.field("version", [&status.version]).field("up", [humantime::format_duration(up).to_string()]);
    page.field("roles", [status.roles.join(", ")]);
    page.field("takes calls", [if status.draining { Text::odd("no: draining") } else { Text::good("yes") }]);
    page.field("conferences", [status.conferences.to_string()]).field("participants", [status.participants.to_string()]);
    page.field("contacts", [status.contacts.to_string()]);
    if status.media_servers.is_empty() {
        return;
    }
    page.gap();
    let mut table = Table::new(["MEDIA SERVER", "STATE", "#LEGS", "#CAPACITY", "#LOAD"]);
    for MediaServer { uri, reachable, legs, capacity, load } in &status.media_servers {
        let answers = if *reachable { Text::good("answers") } else { Text::bad("silent") };
        // Thousandths of a core, as per cent.
        let load = format!("{}.{} %", load / 10, load % 10);
        table.row([uri.into(), answers, legs.to_string().into(), capacity.to_string().into(), load.into()]);
    }
    page.table(table);
}

fn opt(text: Option<&String>) -> Text {
    text.map_or_else(Text::default, Text::from)
}

fn people(conference: &Summary) -> Text {
    let most = conference.max.map_or_else(String::new, |max| format!("/{max}"));
    Text::from(format!("{}{most}", conference.participants))
}

/// What somebody meets who wants to come in.
fn door(conference: &Summary) -> Text {
    let words = [(conference.locked, "locked"), (conference.pin, "PIN"), (!conference.guests, "no guests")];
    let shut: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    match shut.join(", ") {
        words if words.is_empty() => Text::from("open"),
        words if conference.locked => Text::odd(words),
        words => Text::from(words),
    }
}

fn role(role: Role) -> Text {
    match role {
        Role::Chair => Text::strong("chair"),
        Role::Member => Text::from("member"),
        Role::Guest => Text::dim("guest"),
    }
}

fn state(state: CallState) -> Text {
    match state {
        CallState::Connected => Text::good("connected"),
        CallState::OnHold => Text::odd("on hold"),
        CallState::Pending => Text::dim("pending"),
        CallState::DialingOut => Text::from("dialing out"),
        CallState::Alerting => Text::from("ringing"),
        CallState::DialingIn => Text::from("dialing in"),
        CallState::Disconnecting => Text::dim("leaving"),
        CallState::Disconnected => Text::dim("gone"),
    }
}

/// What is unusual about a participant's audio, and whether it talks.
fn audio(participant: &Participant) -> Text {
    let gain = |name: &str, db: i8| (db != 0).then(|| format!("{name} {db:+} dB"));
    let words: Vec<String> = [
        participant.muted.then(|| "muted".to_owned()),
        participant.deaf.then(|| "deaf".to_owned()),
        participant.talking.then(|| "talking".to_owned()),
        gain("in", participant.gain_in_db),
        gain("out", participant.gain_out_db),
    ]
    .into_iter()
    .flatten()
    .collect();
    match words.join(", ") {
        _ if !participant.audio => Text::dim("none"),
        words if participant.muted || participant.deaf => Text::odd(words),
        words if participant.talking => Text::good(words),
        words => Text::from(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{Output, output::Look},
        conference::wire::Timestamp,
    };

    fn printed(data: &Data) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = Look { json: false, quiet: false, terminal: false, colour: false, colour_errors: false, lively: false };
        Output::on(look, Box::new(file.reopen().unwrap()), Box::new(std::io::sink())).result(data).unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    }

    fn summary() -> Summary {
        Summary {
            name: "standup".into(),
            title: None,
            uri: "sip:standup@127.0.0.1".into(),
            participants: 1,
            max: Some(20),
            locked: true,
            pin: true,
            guests: true,
            rights: [("share".to_owned(), Preset::Chair)].into(),
            created: Timestamp::from_unix(0),
            ends: None,
            owner: Some("alice".into()),
            media_server: None,
        }
    }

    #[test]
    fn who_was_given_a_right_and_who_had_it_taken_stands_beside_its_preset() {
        let given = |right: &str, who: &str, on| Given { right: right.to_owned(), who: who.to_owned(), on };
        let given = vec![given("share", "bob", true), given("share", "carol", false), given("share", "p4", true)];
        let text = printed(&Data::Conference(Box::new(Details { summary: summary(), given, roster: Vec::new() })));
        let line = text.lines().find(|line| line.starts_with("rights")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), "rights share chair and bob p4 but not carol");
    }

    #[test]
    fn a_list_says_what_each_door_is_like() {
        let text = printed(&Data::Conferences { conferences: vec![summary()] });
        assert_eq!(
            text,
            "NAME     TITLE  PEOPLE  DOOR         OWNER  CREATED\nstandup  -        1/20  locked, PIN  alice  1970-01-01T00:00:00Z\n"
        );
    }

    #[test]
    fn a_roster_shows_a_name_from_elsewhere_safely() {
        let participant = Participant {
            id: "p1".into(),
            uri: "sip:mallory@example.com".into(),
            name: Some("\u{1b}[31mBoss".into()),
            user: None,
            role: Role::Guest,
            state: CallState::Connected,
            dialed_out: false,
            joined: None,
            audio: true,
            muted: true,
            deaf: false,
            talking: true,
            gain_in_db: -6,
            gain_out_db: 0,
            codec: Some("PCMU".into()),
            agent: None,
        };
        let text = printed(&Data::Conference(Box::new(Details { summary: summary(), given: Vec::new(), roster: vec![participant] })));
        let row = text.lines().last().unwrap();
        assert_eq!(row, "p1  \\u{1b}[31mBoss  sip:mallory@example.com  guest  connected  muted, talking, in -6 dB  PCMU");
    }

    #[test]
    fn what_the_server_refuses_keeps_its_kind_and_candidates() {
        let refused = control::Failure { candidates: vec!["p1".into(), "p2".into()], ..control::Failure::new(ErrorCode::Usage, "two fit") };
        let failure = Failure::from(refused);
        assert_eq!((failure.code, failure.details.len()), (ExitCode::Usage, 2));
        assert_eq!(Failure::from(control::Failure::new(ErrorCode::Conflict, "full")).code, ExitCode::Conflict);
    }
}
