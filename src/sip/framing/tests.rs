use super::*;
use crate::clock;

const MESSAGE: &str = "OPTIONS sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/TCP c.example;branch=z9hG4bK1\r\nFrom: <sip:c@c.example>;tag=1\r\n\
    To: <sip:a@b.example>\r\nCall-ID: 1@c\r\nCSeq: 1 OPTIONS\r\nl: 4\r\n\r\n\r\n\r\n";

fn frames(framer: &mut Framer) -> Vec<Frame> {
    std::iter::from_fn(|| framer.next().expect("a readable stream")).collect()
}

fn pushed(text: &str) -> Result<Option<Frame>, FramingError> {
    let mut framer = Framer::new();
    framer.push(clock::now(), text.as_bytes());
    framer.next()
}

fn message(text: &'static str) -> Frame {
    Frame::Message(Bytes::from_static(text.as_bytes()))
}

#[test]
fn a_stream_gives_the_same_messages_however_it_is_cut() {
    let stream = MESSAGE.repeat(3);
    for size in 1..=MESSAGE.len() + 1 {
        let (mut framer, now, mut got) = (Framer::new(), clock::now(), Vec::new());
        for piece in stream.as_bytes().chunks(size) {
            framer.push(now, piece);
            got.extend(frames(&mut framer));
        }
        assert_eq!(got, vec![message(MESSAGE); 3], "pieces of {size}");
        assert_eq!(framer.next_timeout(), None, "nothing is left over");
    }
}

#[test]
fn keep_alives_are_told_from_their_answers() {
    let (mut framer, now) = (Framer::new(), clock::now());
    framer.push(now, b"\r\n\r\n");
    assert_eq!(frames(&mut framer), [Frame::Ping]);
    framer.push(now, b"\r\n");
    assert_eq!(frames(&mut framer), [Frame::Pong]);
    framer.push(now + Duration::from_secs(30), b"\r\n");
    assert_eq!(frames(&mut framer), [Frame::Pong], "half a minute later it is another answer");
    framer.push(now + Duration::from_secs(30), b"\r\n");
    assert_eq!(frames(&mut framer), [Frame::Ping], "at once it is the rest of a keep-alive");
    framer.push(now + Duration::from_secs(60), format!("\r\n{MESSAGE}").as_bytes());
    assert_eq!(frames(&mut framer), [Frame::Pong, message(MESSAGE)], "line ends in front of a message do no harm");
    for byte in PING {
        framer.push(now + Duration::from_secs(90), std::slice::from_ref(byte));
    }
    assert_eq!(frames(&mut framer), [Frame::Ping]);
    assert_eq!(framer.next_timeout(), None);
}

#[test]
fn a_length_that_is_missing_doubled_or_no_number_ends_the_stream_with_a_400() {
    for (length, why) in [
        ("", Malformed::NoContentLength),
        ("l: 5\r\nContent-Length: 13\r\n", Malformed::ContentLength),
        ("l: 5\r\nl: 5\r\n", Malformed::ContentLength),
        ("Content-Length: -999\r\n", Malformed::ContentLength),
        ("Content-Length: five\r\n", Malformed::ContentLength),
        ("Content-Length:\r\n", Malformed::ContentLength),
        ("Content-Length: 1\r\n 2\r\n", Malformed::ContentLength),
    ] {
        let error = pushed(&MESSAGE.replace("l: 4\r\n", length)).expect_err(length);
        assert_eq!(error.why, Unframed::Message(why), "{length:?}");
        assert_eq!(error.response.expect("an answer").status, 400);
    }
}

#[test]
fn a_body_that_cannot_fit_is_refused_before_it_is_sent() {
    for length in ["65536", "99999999999999999999999999", "18446744073709551615"] {
        let error = pushed(&MESSAGE.replace("l: 4", &format!("l: {length}"))).expect_err(length);
        assert_eq!(error.why, Unframed::Message(Malformed::TooLarge));
        let response = error.response.expect("an answer");
        assert_eq!((response.status, response.headers.get("CSeq")), (513, Some("1 OPTIONS")));
    }
}

#[test]
fn a_header_without_an_end_is_refused_at_its_bound() {
    let (mut framer, now) = (Framer::new(), clock::now());
    framer.push(now, MESSAGE.split("l: 4").next().unwrap_or("").as_bytes());
    let mut pieces = 0;
    let error = loop {
        framer.push(now, &[b'x'; 1000]);
        pieces += 1;
        match framer.next() {
            Ok(frame) => assert_eq!(frame, None),
            Err(error) => break error,
        }
    };
    assert_eq!((error.why, pieces), (Unframed::HeadTooLarge, 33));
    assert_eq!(error.response.as_ref().map(|r| r.status), Some(513));
    framer.push(now, MESSAGE.as_bytes());
    assert_eq!(framer.next(), Err(error), "and nothing is read behind it");
}

#[test]
fn a_response_and_noise_end_the_stream_without_a_word() {
    let response = MESSAGE.replacen("OPTIONS sip:a@b.example SIP/2.0", "SIP/2.0 200 OK", 1).replace("l: 4", "l: x");
    for text in [&response, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\r\n\r\n"] {
        assert_eq!(pushed(text).expect_err(text).response, None, "{text}");
    }
}

#[test]
fn a_message_that_comes_drop_by_drop_runs_out_of_time() {
    let (mut framer, start) = (Framer::new(), clock::now());
    framer.push(start, &MESSAGE.as_bytes()[..20]);
    assert_eq!(framer.next(), Ok(None));
    framer.push(start + Duration::from_secs(19), &MESSAGE.as_bytes()[20..40]);
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.next_timeout(), Some(start + MESSAGE_TIME), "more bytes buy no more time");
    framer.handle_timeout(start + MESSAGE_TIME - Duration::from_millis(1));
    assert_eq!(framer.next(), Ok(None));
    framer.handle_timeout(start + MESSAGE_TIME);
    assert_eq!(framer.next().map_err(|e| e.why), Err(Unframed::Slow));
    assert_eq!(framer.next_timeout(), None);
}

#[test]
fn the_time_of_the_next_message_begins_with_its_own_bytes() {
    let (mut framer, start) = (Framer::new(), clock::now());
    framer.push(start, &MESSAGE.as_bytes()[..20]);
    framer.push(start + Duration::from_secs(15), &MESSAGE.as_bytes()[20..]);
    framer.push(start + Duration::from_secs(16), &MESSAGE.as_bytes()[..9]);
    assert_eq!(frames(&mut framer), [message(MESSAGE)]);
    assert_eq!(framer.next_timeout(), Some(start + Duration::from_secs(16) + MESSAGE_TIME));
}

#[test]
fn a_reader_that_does_not_drain_is_stopped() {
    let (mut framer, now) = (Framer::new(), clock::now());
    for _ in 0..6 {
        framer.push(now, &[b'x'; MAX_PIECE]);
    }
    assert_eq!(framer.next().map_err(|e| e.why), Err(Unframed::Backlog));
}

#[test]
fn a_full_stream_is_read_in_linear_time() {
    // A quadratic search would look at 32 KiB once for each of 32 Ki bytes: half a gigabyte, seconds in a test build.
    let (mut framer, now) = (Framer::new(), clock::now());
    let head = MESSAGE.split("l: 4").next().unwrap_or("");
    framer.push(now, head.as_bytes());
    for _ in 0..MAX_HEAD - head.len() {
        framer.push(now, b"x");
        assert_eq!(framer.next(), Ok(None));
        assert!(framer.buffer.len() - framer.searched < 4);
    }
}
