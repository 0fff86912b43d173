//! Messages, streams, the values in header fields, digest headers.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use bytes::Bytes;

use crate::{
    clock,
    sip::{
        digest::{Answer, Challenge},
        framing::{Frame, Framer, FramingError, MAX_PIECE, Unframed},
        message::{CSeq, Fault, Framing, Headers, MAX_MESSAGE, Malformed, Message, NameAddr, Uri, Via, parse},
    },
};

/// A message is read, printed and read back the same; an answer holds no line that the request made up.
pub fn message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for framing in [Framing::Datagram, Framing::Stream] {
        match parse(&bytes, framing) {
            Ok(message) => {
                again(&message);
                read_on(message.headers());
            }
            Err(Fault::Answer { response, why }) => {
                assert!((400..600).contains(&response.status), "{why}");
                check_lines(&response.to_bytes());
            }
            Err(Fault::Drop(_)) => {}
        }
    }
}

fn again(message: &Message) {
    let printed = message.to_bytes();
    check_lines(&printed);
    match parse(&printed, Framing::Stream) {
        Ok(back) => assert_eq!(&back, message, "{}", String::from_utf8_lossy(&printed)),
        // Long names and a length of its own may bring a message that just fits over its bounds.
        Err(fault) => {
            let grown = fault.why() == Malformed::TooManyFields || printed.len() > MAX_MESSAGE;
            assert!(grown, "{fault}: {}", String::from_utf8_lossy(&printed));
        }
    }
}

fn check_lines(printed: &[u8]) {
    let head = printed.windows(4).position(|w| w == b"\r\n\r\n").and_then(|at| printed.get(..at)).expect("an empty line");
    let (mut at, breaks) = (0, |b: &u8| matches!(b, b'\r' | b'\n'));
    while let Some(found) = head.get(at..).and_then(|rest| rest.iter().position(breaks)) {
        assert_eq!(head.get(at + found..at + found + 2), Some(&b"\r\n"[..]), "a bare line break");
        at += found + 2;
    }
}

/// What a user agent reads next.
fn read_on(headers: &Headers) {
    for (name, value) in headers.iter() {
        match name {
            "Via" => same::<Via>(value),
            "From" | "To" | "Contact" | "Route" | "Record-Route" => same::<NameAddr>(value),
            "WWW-Authenticate" | "Proxy-Authenticate" => same::<Challenge>(value),
            "Authorization" | "Proxy-Authorization" => same::<Answer>(value),
            _ => {}
        }
    }
    assert!(headers.tokens("Require").all(|token| !token.is_empty()));
}

/// A stream gives the same messages however it is cut, and each of them is one message.
pub fn stream(data: &[u8]) {
    let size = data.first().map_or(1, |first| usize::from(*first) % 61 + 1);
    let whole = frames(data, MAX_PIECE);
    assert_eq!(frames(data, size), whole, "in pieces of {size}");
    for bytes in whole.0 {
        if let Err(fault) = parse(&bytes, Framing::Stream) {
            let framing =
                [Malformed::BodyLength, Malformed::NoContentLength, Malformed::NoEmptyLine, Malformed::TooLarge, Malformed::Empty];
            assert!(!framing.contains(&fault.why()), "{fault}");
        }
    }
}

fn frames(data: &[u8], size: usize) -> (Vec<Bytes>, Option<Unframed>) {
    let (mut framer, mut messages) = (Framer::new(), Vec::new());
    let now = clock::now();
    for piece in data.chunks(size) {
        framer.push(now, piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => messages.push(bytes),
                // A torn keep-alive counts otherwise than a whole one.
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => break,
                Err(FramingError { why, response }) => {
                    if let Some(response) = response {
                        check_lines(&response.to_bytes());
                    }
                    return (messages, Some(why));
                }
            }
        }
    }
    (messages, None)
}

/// Values of header fields and URIs are printed as they are read.
pub fn values(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.split(['\r', '\n']) {
        same::<Uri>(line);
        same::<NameAddr>(line);
        same::<Via>(line);
        if let Some(cseq) = CSeq::parse(line) {
            assert_eq!(CSeq::parse(&cseq.to_string()), Some(cseq));
        }
        if let Some(uri) = line.parse::<Uri>().ok().as_ref().and_then(Uri::sip) {
            assert!(uri.equivalent(uri), "{uri}");
            let _ = uri.decoded_user();
        }
    }
}

/// Challenges and answers to them are printed as they are read.
pub fn digest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.split(['\r', '\n']) {
        same::<Challenge>(line);
        same::<Answer>(line);
    }
}

fn same<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        let back = printed.parse::<T>().unwrap_or_else(|error| panic!("{error:?} in {printed:?} from {text:?}"));
        assert_eq!(back, value, "{printed:?} from {text:?}");
    }
}
