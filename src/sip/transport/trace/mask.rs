//! Secrets out of messages, with as many letters in their place, so that lengths and framing stay true.
//!
//! Masked are: of Digest credentials and challenges all but user name, realm, URI, algorithm, qop and count; other credentials
//! whole; passwords in SIP URIs; in bodies the content of elements and attributes named in [`XML_SECRETS`], SDES keys, ICE
//! passwords, transfer keys, `k=` lines and DTMF digits of INFO.

/// What stands in a secret's place.
const MASK: u8 = b'x';

/// Header fields with credentials, in lower case.
const CREDENTIALS: [&[u8]; 6] = [
    b"authorization",
    b"proxy-authorization",
    b"www-authenticate",
    b"proxy-authenticate",
    b"authentication-info",
    b"proxy-authentication-info",
];

/// Parameters of Digest that are no secrets.
const OPEN_PARAMS: [&[u8]; 9] = [b"username", b"realm", b"uri", b"algorithm", b"qop", b"nc", b"stale", b"domain", b"userhash"];

/// Elements and attributes of XML bodies whose content is secret, without prefix, in lower case. `digits` are what a caller
/// typed, mostly a PIN.
const XML_SECRETS: [&[u8]; 7] = [b"pin", b"password", b"secret", b"ticket", b"token", b"key", b"digits"];

/// Bytes after `sip:` in which a user's password is looked for.
const MAX_USER_INFO: usize = 512;

/// The message with its secrets masked; as long as before.
pub(super) fn masked(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let head_end = find(&out, 0, b"\r\n\r\n").unwrap_or(out.len());
    let (head, body) = out.split_at_mut(head_end);
    mask_headers(head);
    mask_uris(head);
    mask_body(body);
    out
}

fn mask_headers(head: &mut [u8]) {
    let mut at = 0;
    let mut within = false;
    while at < head.len() {
        let end = find(head, at, b"\n").map_or(head.len(), |end| end + 1);
        let line = head.get_mut(at..end).unwrap_or_default();
        let folded = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        let value = if folded {
            Some(0)
        } else {
            let colon = line.iter().position(|b| *b == b':');
            within = colon.is_some_and(|colon| line.get(..colon).is_some_and(|name| is_one_of(name.trim_ascii(), &CREDENTIALS)));
            colon.map(|colon| colon + 1)
        };
        if let Some(value) = value.and_then(|from| line.get_mut(from..)).filter(|_| within) {
            mask_credentials(value, folded);
        }
        at = end;
    }
}

/// `Digest name="value", name=value`: masks each value but of the open parameters. Another scheme is masked to its end.
fn mask_credentials(value: &mut [u8], folded: bool) {
    let start = value.len() - value.trim_ascii_start().len();
    let mut at = start;
    if !folded {
        let word = value.iter().skip(start).position(|b| b.is_ascii_whitespace() || *b == b'=').map_or(value.len(), |len| start + len);
        let scheme = value.get(start..word).unwrap_or_default();
        if scheme.eq_ignore_ascii_case(b"digest") {
            at = word;
        } else if value.get(word) != Some(&b'=') {
            // Authentication-Info has no scheme: there the first word is a parameter's name.
            blank(value, word + 1, usize::MAX);
            return;
        }
    }
    while let Some(equals) = find(value, at, b"=") {
        let name_from = value.iter().take(equals).rposition(|b| matches!(b, b',' | b' ' | b'\t')).map_or(0, |p| p + 1).max(at);
        let open = value.get(name_from..equals).is_some_and(|name| is_one_of(name.trim_ascii(), &OPEN_PARAMS));
        let from = equals + 1;
        let (from, to) = if value.get(from) == Some(&b'"') {
            (from + 1, closing_quote(value, from + 1))
        } else {
            (from, value.iter().skip(from).position(|b| matches!(b, b',' | b' ' | b'\r' | b'\n')).map_or(value.len(), |len| from + len))
        };
        if !open {
            blank(value, from, to);
        }
        at = to + 1;
    }
}

fn closing_quote(value: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b) = value.get(at) {
        match b {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    value.len()
}

/// `sip:user:password@host`.
fn mask_uris(head: &mut [u8]) {
    let mut at = 0;
    while let Some(colon) = find(head, at, b":") {
        at = colon + 1;
        let scheme = head.get(..colon).unwrap_or_default();
        let is_sip = [&b"sip"[..], b"sips"].iter().any(|s| {
            scheme.len().checked_sub(s.len()).and_then(|from| scheme.get(from..)).is_some_and(|tail| tail.eq_ignore_ascii_case(s))
        });
        if !is_sip {
            continue;
        }
        let end = head
            .iter()
            .skip(at)
            .take(MAX_USER_INFO)
            .position(|b| matches!(b, b'@' | b'>' | b'<' | b'"' | b' ' | b'\t' | b'\r' | b'\n' | b','));
        let Some(end) = end.map(|len| at + len).filter(|end| head.get(*end) == Some(&b'@')) else { continue };
        if let Some(password) = find(head, at, b":").filter(|colon| *colon < end) {
            blank(head, password + 1, end);
        }
    }
}

fn mask_body(body: &mut [u8]) {
    mask_after(body, b"inline:", |b| matches!(b, b'|' | b' ' | b';' | b'\r' | b'\n'));
    mask_after(body, b"a=ice-pwd:", is_line_end);
    mask_after(body, b"a=confkit-key:", is_line_end);
    mask_after(body, b"\nk=", is_line_end);
    mask_after(body, b"\nSignal=", is_line_end);
    // The body begins with the empty line, so that even its first line has an end before it.
    mask_xml(body);
}

fn is_line_end(b: u8) -> bool {
    matches!(b, b'\r' | b'\n')
}

fn mask_after(body: &mut [u8], mark: &[u8], ends: impl Fn(u8) -> bool) {
    let mut at = 0;
    while let Some(found) = find(body, at, mark) {
        let from = found + mark.len();
        let to = body.iter().skip(from).position(|b| ends(*b)).map_or(body.len(), |len| from + len);
        blank(body, from, to);
        at = to.max(from);
    }
}

/// `<p:pin …>content</p:pin>` and ` pin="content"`, by the names alone: whatever is not well formed is masked rather too far.
fn mask_xml(body: &mut [u8]) {
    let mut at = 0;
    while let Some(open) = find(body, at, b"<") {
        let name_end = body.iter().skip(open + 1).position(|b| !is_name(*b)).map_or(body.len(), |len| open + 1 + len);
        let secret = is_one_of(local(body.get(open + 1..name_end).unwrap_or_default()), &XML_SECRETS);
        let tag_end = mask_attributes(body, name_end);
        at = tag_end;
        let empty = tag_end >= 2 && body.get(tag_end - 2) == Some(&b'/');
        if secret && !empty {
            // To the end tag of any name: a child's text is no less secret, and masked on its own as well.
            let to = find(body, tag_end, b"</").unwrap_or(body.len());
            blank(body, tag_end, to);
            at = to;
        }
    }
}

/// Masks the secret attributes of a tag, from its name's end; gives the tag's end.
fn mask_attributes(body: &mut [u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b) = body.get(at).copied() {
        match b {
            b'>' => return at + 1,
            b'"' | b'\'' => {
                let to = find(body, at + 1, &[b]).unwrap_or(body.len());
                let before = body.get(from..at).unwrap_or_default().trim_ascii_end();
                let name = before.strip_suffix(b"=").map(<[u8]>::trim_ascii_end).unwrap_or_default();
                let name = name.iter().rposition(|b| !is_name(*b)).map_or(name, |p| name.get(p + 1..).unwrap_or_default());
                if is_one_of(local(name), &XML_SECRETS) {
                    blank(body, at + 1, to);
                }
                at = to + 1;
            }
            _ => at += 1,
        }
    }
    body.len()
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':') || b >= 0x80
}

fn local(name: &[u8]) -> &[u8] {
    name.iter().rposition(|b| *b == b':').and_then(|colon| name.get(colon + 1..)).unwrap_or(name)
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Masks from `from` to before `to`; line ends stay.
fn blank(bytes: &mut [u8], from: usize, to: usize) {
    let to = to.min(bytes.len());
    for b in bytes.get_mut(from..to).unwrap_or_default() {
        if !is_line_end(*b) {
            *b = MASK;
        }
    }
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|w| w == what).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        let out = masked(text.as_bytes());
        assert_eq!(out.len(), text.len(), "as long as before");
        String::from_utf8(out).expect("text stays text")
    }

    #[test]
    fn digest_keeps_who_and_loses_the_proof() {
        let text = "REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username=\"bob\", realm=\"a, b\", nonce=\"84a4\\\"cc6f\", uri=\"sip:h\", \
                    response=\"7587245234b3\", cnonce=abc, nc=00000001, qop=auth, algorithm=SHA-256\r\nX: response=\"1\"\r\n\r\n";
        let want = "REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username=\"bob\", realm=\"a, b\", nonce=\"xxxxxxxxxx\", uri=\"sip:h\", \
                    response=\"xxxxxxxxxxxx\", cnonce=xxx, nc=00000001, qop=auth, algorithm=SHA-256\r\nX: response=\"1\"\r\n\r\n";
        assert_eq!(mask(text), want);
    }

    #[test]
    fn credentials_are_found_in_any_dress() {
        assert_eq!(
            mask("A\r\nproxy-AUTHORIZATION : digest realm=\"r\",\r\n\tresponse=\"abc\"\r\nTo: x\r\n\r\n"),
            "A\r\nproxy-AUTHORIZATION : digest realm=\"r\",\r\n\tresponse=\"xxx\"\r\nTo: x\r\n\r\n"
        );
        assert_eq!(
            mask("A\r\nAuthorization: Basic YWxhZGRpbg==\r\nTo: x\r\n\r\n"),
            "A\r\nAuthorization: Basic xxxxxxxxxxxx\r\nTo: x\r\n\r\n"
        );
        assert_eq!(
            mask("A\r\nAuthentication-Info: nextnonce=\"abc\", qop=auth, rspauth=\"d\"\r\n\r\n"),
            "A\r\nAuthentication-Info: nextnonce=\"xxx\", qop=auth, rspauth=\"x\"\r\n\r\n"
        );
        assert_eq!(
            mask("A\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"abc\", opaque=\"\"\r\n\r\n"),
            "A\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"xxx\", opaque=\"\"\r\n\r\n"
        );
        assert_eq!(mask("A\r\nAuthorization: Digest response=\"ab"), "A\r\nAuthorization: Digest response=\"xx");
    }

    #[test]
    fn passwords_in_uris_are_masked_and_ports_are_not() {
        let text = "INVITE sip:bob:secret@h:5060 SIP/2.0\r\nTo: <SIPS:al:pw@h>, <sip:h:5070;x=y>\r\nContact: <sip:al@h:5071>\r\n\r\n";
        let want = "INVITE sip:bob:xxxxxx@h:5060 SIP/2.0\r\nTo: <SIPS:al:xx@h>, <sip:h:5070;x=y>\r\nContact: <sip:al@h:5071>\r\n\r\n";
        assert_eq!(mask(text), want);
    }

    #[test]
    fn pins_and_digits_in_xml_are_masked() {
        let body = |xml: &str| mask(&format!("INFO\r\n\r\n{xml}")).split_off("INFO\r\n\r\n".len());
        assert_eq!(body("<a><pin>1234</pin><c:PIN x=\"1\">56</c:PIN></a>"), "<a><pin>xxxx</pin><c:PIN x=\"1\">xx</c:PIN></a>");
        assert_eq!(body("<join pin = '12>34' name=\"pin\"/>"), "<join pin = 'xxxxx' name=\"pin\"/>");
        assert_eq!(body("<pin/><name>alice</name>"), "<pin/><name>alice</name>");
        assert_eq!(body("<response digits=\"987\"/>"), "<response digits=\"xxx\"/>");
        assert_eq!(body("<pin>never ended"), "<pin>xxxxxxxxxxx");
        assert_eq!(body("<spinning>1</spinning>"), "<spinning>1</spinning>");
    }

    #[test]
    fn media_keys_and_typed_digits_are_masked() {
        let text = "A\r\n\r\nk=clear:abc\r\na=crypto:1 AES inline:d0Rm|2^20|1:4\r\na=ice-pwd:asd\r\na=confkit-key:QUJD\r\na=x\r\nSignal=5\r\nDuration=100\r\n";
        let want = "A\r\n\r\nk=xxxxxxxxx\r\na=crypto:1 AES inline:xxxx|2^20|1:4\r\na=ice-pwd:xxx\r\na=confkit-key:xxxx\r\na=x\r\nSignal=x\r\nDuration=100\r\n";
        assert_eq!(mask(text), want);
    }

    #[test]
    fn no_bytes_make_it_stumble() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut rng = rand_chacha::ChaCha12Rng::from_seed([7; 32]);
        let pieces: [&[u8]; 16] = [
            b"\r\n\r\n",
            b"\r\n",
            b"Authorization:",
            b" Digest ",
            b"=\"",
            b"\"",
            b"\\",
            b"<pin",
            b">",
            b"</",
            b"sip:",
            b"@",
            b"inline:",
            b",",
            b"\xff",
            b"k=",
        ];
        for _ in 0..20_000 {
            let text: Vec<u8> =
                (0..rng.random_range(0..24)).flat_map(|_| pieces[rng.random_range(0..pieces.len())].iter().copied()).collect();
            assert_eq!(masked(&text).len(), text.len());
        }
    }
}
