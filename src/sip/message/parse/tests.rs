use super::*;
use crate::sip::message::UriError;

const HEAD: &str = "Via: SIP/2.0/UDP pc.example;branch=z9hG4bK77\r\nFrom: <sip:ann@a.example>;tag=1\r\nTo: <sip:ben@b.example>\r\n\
    Call-ID: 7@pc.example\r\nCSeq: 5 OPTIONS\r\n";

fn datagram(text: impl Into<Vec<u8>>) -> Result<Message, Fault> {
    parse(&Bytes::from(text.into()), Framing::Datagram)
}

fn request(text: &str) -> Request {
    match datagram(text) {
        Ok(Message::Request(request)) => request,
        other => panic!("{text}\n{other:?}"),
    }
}

/// A request with these lines behind the usual ones.
fn with(lines: &str) -> String {
    format!("OPTIONS sip:ben@b.example SIP/2.0\r\n{HEAD}{lines}\r\n")
}

/// A request with one of its usual lines changed.
fn but(old: &str, new: &str) -> String {
    let text = with("");
    assert!(text.contains(old), "{old}");
    text.replacen(old, new, 1)
}

fn answered(text: impl Into<Vec<u8>>) -> (u16, Malformed) {
    match datagram(text) {
        Err(Fault::Answer { response, why }) => (response.status, why),
        other => panic!("{other:?}"),
    }
}

fn dropped(text: impl Into<Vec<u8>>) -> Malformed {
    match datagram(text) {
        Err(Fault::Drop(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_are_made_long_lines_unfolded_and_lists_split() {
    let text = "OPTIONS sip:ben@b.example SIP/2.0\r\nv: SIP/2.0/TCP a.example ;\r\n branch=z9hG4bK1,SIP/2.0/UDP b.example\r\nVIA : SIP/2.0/UDP c.example\r\n\
        f: \"a, b\" <sip:ann@a.example>;tag=1\r\nt: <sip:ben@b.example>\r\ni: 7@pc\r\ncseq: 5\r\n\t \tOPTIONS\r\n\
        m: <sip:a,b@c.example>, \"x, y\" <sip:d@e.example>;q=0.1\r\nx: 90\r\nX-Own:\r\n one\r\n two\r\nk: a, b\r\nl: 0\r\n\r\n";
    let request = request(text);
    let fields: Vec<_> = request.headers.iter().collect();
    assert_eq!(
        fields,
        [
            ("Via", "SIP/2.0/TCP a.example ; branch=z9hG4bK1"),
            ("Via", "SIP/2.0/UDP b.example"),
            ("Via", "SIP/2.0/UDP c.example"),
            ("From", "\"a, b\" <sip:ann@a.example>;tag=1"),
            ("To", "<sip:ben@b.example>"),
            ("Call-ID", "7@pc"),
            ("CSeq", "5 OPTIONS"),
            ("Contact", "<sip:a,b@c.example>"),
            ("Contact", "\"x, y\" <sip:d@e.example>;q=0.1"),
            ("Session-Expires", "90"),
            ("X-Own", "one two"),
            ("Supported", "a, b"),
        ]
    );
}

#[test]
fn what_is_printed_is_read_back_the_same() {
    let first =
        request(&with("Contact: <sip:a@[::1]:5060;transport=tcp>;q=0.5\r\nSubject: \u{20ac}\r\nContent-Type: text/plain\r\n\r\nbody"));
    assert_eq!(parse(&first.to_bytes(), Framing::Stream), Ok(Message::Request(first)));
}

#[test]
fn a_start_line_is_exact() {
    let line = "OPTIONS sip:ben@b.example SIP/2.0";
    for (bad, status, why) in [
        ("OPTIONS  sip:ben@b.example SIP/2.0", 400, Malformed::StartLine),
        ("OPTIONS sip:ben@b.example  SIP/2.0", 400, Malformed::StartLine),
        ("OPTIONS sip:ben@b.example SIP/2.0 ", 400, Malformed::StartLine),
        ("OPTIONS sip:ben@b.example; lr SIP/2.0", 400, Malformed::StartLine),
        ("OPTIONS SIP/2.0", 400, Malformed::StartLine),
        ("OPTIONS <sip:ben@b.example> SIP/2.0", 400, Malformed::RequestUri(UriError::NoScheme)),
        ("OPTIONS sip:2001:db8::10 SIP/2.0", 400, Malformed::RequestUri(UriError::Port)),
        ("OPTIONS sip:ben@b.example?Subject=x SIP/2.0", 400, Malformed::UriHeaders),
        ("OPTIONS sip:ben@b.example SIP/7.0", 505, Malformed::Version),
        ("OPTIONS sip:ben@b.example SIP/2.01", 505, Malformed::Version),
        ("OPTIONS sip:ben@b.example SIP/two", 400, Malformed::StartLine),
    ] {
        assert_eq!(answered(but(line, bad)), (status, why), "{bad}");
    }
    assert_eq!(answered(but(line, &format!("OPTIONS sip:{}@b.example SIP/2.0", "x".repeat(5000)))).0, 414);
    for noise in ["GET / HTTP/1.1", "OPTIONS\tsip:ben@b.example\tSIP/2.0", "(): sip:x SIP/2.0", "OPTIONS", ""] {
        dropped(but(line, noise));
    }
    assert!(datagram(but(line, "OPTIONS sip:ben@b.example sip/2.0")).is_ok(), "the version is compared without case");
}

#[test]
fn a_response_is_read_or_dropped_and_never_answered() {
    let line = "OPTIONS sip:ben@b.example SIP/2.0";
    for (good, status, reason) in [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 699", 699, ""),
        ("sip/2.0 200 = 2**3 *  5", 200, "= 2**3 *  5"),
    ] {
        let Ok(Message::Response(response)) = datagram(but(line, good)) else { panic!("{good}") };
        assert_eq!((response.status, response.reason.as_str()), (status, reason));
    }
    for (bad, why) in [
        ("SIP/2.0 99 Low", Malformed::Status),
        ("SIP/2.0 4294967301 better not", Malformed::Status),
        ("SIP/2.0 700 High", Malformed::Status),
        ("SIP/2.0 +20 Sign", Malformed::Status),
        ("SIP/2.0  200 OK", Malformed::Status),
        ("SIP/3.0 200 OK", Malformed::Version),
        ("SIP/2.0", Malformed::StartLine),
    ] {
        assert_eq!(dropped(but(line, bad)), why, "{bad}");
    }
    assert_eq!(dropped(but(line, "SIP/2.0 200 OK").replace("CSeq: 5", "CSeq: 9292394834772304023312")), Malformed::Field("CSeq"));
}

#[test]
fn each_required_field_is_missed_by_its_name() {
    for (line, name) in [("From", "From"), ("To", "To"), ("Call-ID", "Call-ID"), ("CSeq", "CSeq")] {
        assert_eq!(answered(but(&format!("{line}: "), "X: ")), (400, Malformed::Missing(name)));
        let twice = with(&format!("{name}: {}\r\n", if name == "CSeq" { "5 OPTIONS" } else { "sip:x@y.example" }));
        assert_eq!(answered(twice), (400, Malformed::Repeated(name)));
    }
    assert_eq!(dropped(but("Via: ", "X: ")), Malformed::Missing("Via"), "nobody to answer to");
}

#[test]
fn a_broken_field_is_named() {
    for (lines, why) in [
        ("Max-Forwards: many\r\n", Malformed::Field("Max-Forwards")),
        ("Max-Forwards: -1\r\n", Malformed::Field("Max-Forwards")),
        ("Contact: sip:ann@a.example?Route=x\r\n", Malformed::Field("Contact")),
        ("Contact: *\r\n", Malformed::Field("Contact")),
        ("Contact: <sip:ann@a.example>,\r\n", Malformed::Field("Contact")),
        ("Route: <sip:p.example;lr\r\n", Malformed::Field("Route")),
        ("Record-Route: p\r\n", Malformed::Field("Record-Route")),
        ("Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n", Malformed::Field("Via")),
        ("no colon\r\n", Malformed::HeaderLine),
        (": no name\r\n", Malformed::HeaderLine),
        ("two words: x\r\n", Malformed::HeaderLine),
        ("Subject: a\rb\r\n", Malformed::LineEnd),
        ("Subject: a\nVia: b\r\n", Malformed::LineEnd),
        ("Subject: a\u{7}\r\n", Malformed::Character),
        ("Subject: \"a\\\u{7}\" \0\r\n", Malformed::Character),
    ] {
        assert_eq!(answered(with(lines)), (400, why), "{lines:?}");
    }
    for (old, new, why) in [
        ("CSeq: 5 OPTIONS", "CSeq: 5 INVITE", Malformed::CSeqMethod),
        ("CSeq: 5 OPTIONS", "CSeq: 2147483648 OPTIONS", Malformed::Field("CSeq")),
        ("Call-ID: 7@pc.example", "Call-ID: 7 8", Malformed::Field("Call-ID")),
        ("Call-ID: 7@pc.example", "Call-ID:", Malformed::Field("Call-ID")),
        ("To: <sip:ben@b.example>", "To: \"Ben <sip:ben@b.example>", Malformed::Field("To")),
        ("branch=z9hG4bK77", "branch=z9hG4bK", Malformed::Branch),
        ("SIP/2.0/UDP pc.example;branch=z9hG4bK77", "SIP/2.0/UDP pc.example:66000", Malformed::Field("Via")),
    ] {
        assert_eq!(answered(but(old, new)), (400, why), "{new}");
    }
    assert_eq!(answered(but("SIP/2.0\r\n", "SIP/2.0\r\n folded\r\n")).1, Malformed::HeaderLine, "a continuation of nothing");
    let latin = |text: &str| text.bytes().map(|b| if b == b'!' { 0xe9 } else { b }).collect::<Vec<_>>();
    assert_eq!(answered(latin(&but("To: <", "To: \"Ren!\" <"))).1, Malformed::Character);
    let Ok(Message::Request(read)) = datagram(latin(&with("Subject: caf!\r\n"))) else { panic!("Latin-1 where it does no harm") };
    assert_eq!(read.headers.get("Subject"), Some("caf\u{fffd}"));
}

#[test]
fn what_other_floors_decide_is_let_through() {
    for lines in [
        "Max-Forwards: 0\r\n",
        "Max-Forwards: 300\r\n",
        "Require: what\r\n",
        "Date: Fri, 01 Jan 2010 16:00:00 EST\r\n",
        "Expires: soon\r\n",
    ] {
        request(&with(lines));
    }
    assert_eq!(request(&with("Max-Forwards: 300\r\n")).max_forwards(), None);
    assert_eq!(request(&with("Max-Forwards: 0068\r\n")).max_forwards(), Some(68));
    assert_eq!(request(&with("Expires: 1000000000000\r\n")).expires(), None);
    for (old, new) in [
        ("OPTIONS sip:ben@b.example SIP", "NEWMETHOD sip:ben@b.example SIP"),
        ("sip:ben@b.example SIP", "soap.beep://192.0.2.103:3002 SIP"),
        ("To: <sip:ben@b.example>", "To: isbn:2983792873"),
        (";branch=z9hG4bK77", ""),
        (";tag=1", ""),
    ] {
        request(&but(old, new));
    }
    let star = but("OPTIONS sip", "REGISTER sip").replace("5 OPTIONS", "5 REGISTER").replace("\r\n\r\n", "\r\nContact: *\r\n\r\n");
    assert_eq!(request(&star).headers.get("Contact"), Some("*"));
}

#[test]
fn a_body_is_as_long_as_its_length_says() {
    assert_eq!(request(&with("l: 3\r\n\r\nabcOPTIONS sip")).body, "abc");
    assert_eq!(request(&with("\r\nabc")).body, "abc\r\n", "without a length it is the rest of the datagram");
    assert_eq!(answered(with("l: 6\r\n\r\nabc")), (400, Malformed::BodyLength));
    assert_eq!(answered(with("l: 18446744073709551616\r\n\r\nabc")), (400, Malformed::BodyLength));
    assert_eq!(answered(with("l: -3\r\n\r\nabc")), (400, Malformed::ContentLength));
    assert_eq!(answered(with("l: 3\r\nContent-Length: 3\r\n\r\nabc")), (400, Malformed::Repeated("Content-Length")));
    assert_eq!(request(&with("l: 0003\r\n\r\nabc")).headers.get("Content-Length"), None, "printing makes it anew");
    let stream = |text: &str| parse(&Bytes::from(text.to_owned()), Framing::Stream).map_err(|fault| fault.why());
    assert_eq!(stream(&with("X-Own: y\r\n\r\nabc")), Err(Malformed::NoContentLength));
    assert_eq!(stream(&with("l: 2\r\n\r\nabc")), Err(Malformed::BodyLength));
    assert!(stream(&with("l: 5\r\n\r\nabc")).is_ok());
}

#[test]
fn a_message_without_its_empty_line_is_answered() {
    let text = with("");
    assert_eq!(answered(text.strip_suffix("\r\n").unwrap_or("")), (400, Malformed::NoEmptyLine));
    assert_eq!(answered(text.strip_suffix("\r\n\r\n").unwrap_or("")), (400, Malformed::NoEmptyLine));
}

#[test]
fn line_ends_in_front_are_passed_over_and_nothing_else_is_silence() {
    assert!(datagram(format!("\r\n\r\n{}", with(""))).is_ok());
    for text in ["", "\r\n", "\r\n\r\n"] {
        assert_eq!(dropped(text), Malformed::Empty);
    }
}

#[test]
fn an_answer_copies_what_can_be_read_and_says_what_was_wrong() {
    let text = but("CSeq: 5 OPTIONS", "CSeq: 5 INVITE").replace("Via: ", "Via: SIP/2.0/TCP p.example;rport;;,;,\r\nVia: ");
    let Err(Fault::Answer { response, .. }) = datagram(text.clone()) else { panic!("{text}") };
    let again = datagram(text).map_err(|fault| match fault {
        Fault::Answer { response, .. } => response,
        Fault::Drop(why) => panic!("{why}"),
    });
    assert_eq!(again, Err(response.clone()), "a retransmission gets the same tag");
    let headers: Vec<_> = response.headers.iter().filter(|(name, _)| *name != "To").collect();
    assert_eq!(
        headers,
        [
            ("Via", "SIP/2.0/TCP p.example;rport"),
            ("Via", "SIP/2.0/UDP pc.example;branch=z9hG4bK77"),
            ("From", "<sip:ann@a.example>;tag=1"),
            ("Call-ID", "7@pc.example"),
            ("CSeq", "5 INVITE"),
            ("Warning", "399 confkit \"Via is malformed\""),
        ]
    );
    assert!(response.to().is_some_and(|to| to.tag().is_some_and(|tag| tag.len() == 16)));
}

#[test]
fn an_ack_is_never_answered() {
    assert_eq!(dropped(but("OPTIONS sip", "ACK sip")), Malformed::CSeqMethod);
}

#[test]
fn bounds_hold() {
    assert_eq!(answered(with(&"Y: y\r\n".repeat(MAX_FIELDS))).1, Malformed::TooManyFields);
    assert_eq!(answered(with(&format!("Via: {}\r\n", ["SIP/2.0/UDP a.example"; MAX_FIELDS + 1].join(",")))).1, Malformed::TooManyFields);
    request(&with(&"Y: y\r\n".repeat(MAX_FIELDS - 5)));
    assert_eq!(answered(with(&format!("X: {}\r\n", "y".repeat(MAX_MESSAGE)))), (513, Malformed::TooLarge));
}
