//! Bodies that are not what they say.

use rand::{RngExt as _, SeedableRng as _};

use super::{Description, MAX_BYTES, SdpError};

const GOOD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:4001\r\na=ptime:20\r\na=sendrecv\r\n";

fn with(line: &str) -> Result<Description, SdpError> {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{line}\n").parse()
}

#[test]
fn garbage_gets_the_status_that_says_so() {
    let status = |bytes: &[u8]| Description::parse(bytes).expect_err("garbage").status();
    assert_eq!(status(b""), 400);
    assert_eq!(status(b"hello"), 400);
    assert_eq!(status(b"\0\0\0\0"), 400);
    assert_eq!(status(b"v=1\r\n"), 400);
    assert_eq!(status(b"o=- 1 1 IN IP4 192.0.2.1\r\n"), 400, "no version");
    assert_eq!(status(&vec![b'a'; MAX_BYTES + 1]), 413);
    let many = format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(33));
    assert_eq!(status(many.as_bytes()), 488);
    for line in [
        "m=audio 99999 RTP/AVP 0",
        "m=audio -1 RTP/AVP 0",
        "m=audio x RTP/AVP 0",
        "m=",
        "m=audio",
        "m=audio 4000",
        "c=IN",
        "nonsense",
        "aa=b",
    ] {
        assert_eq!(with(line).map_err(|e| e.status()), Err(400), "{line}");
    }
}

#[test]
fn what_is_odd_but_clear_is_read() {
    for line in [
        "m=audio  4000   RTP/AVP  0 ",
        "e=broken",
        "z=x",
        "t=never ever",
        "b=AS:lots",
        "k=prompt",
        "x=unknown",
        "a= sendrecv",
        "m=audio 0 RTP/AVP",
        "m=audio 4000/2 RTP/AVP 0",
        "m=message 2855 TCP/TLS/MSRP *",
        "m=image 5000 udptl t38",
    ] {
        with(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    assert!(
        "v=0\no=John Doe 1 2 IN IP4 192.0.2.1\ns=a name\nt=0 0".parse::<Description>().is_ok(),
        "a user name with a space, no last line end"
    );
    let version = "v=0\no=- 1 38291903482910348291034829 IN IP4 192.0.2.1\ns=-\nt=0 0\n";
    assert!(version.parse::<Description>().is_ok(), "a version of more than 64 bits");
    assert!(Description::parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=caf\xe9\r\nt=0 0\r\n\0").is_ok(), "Latin-1 and a trailing NUL");
}

#[test]
fn mutations_never_panic_and_what_is_read_is_read_again() {
    let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(3264);
    for _ in 0..20_000 {
        let mut bytes = GOOD.as_bytes().to_vec();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len().max(1));
            if bytes.is_empty() {
                break;
            }
            match rng.random_range(0..4) {
                0 => bytes[at] = rng.random(),
                1 => bytes.insert(at, b" =:/\r\n0,"[rng.random_range(0..8)]),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let Ok(description) = Description::parse(&bytes) else { continue };
        for media in &description.media {
            let _ = (media.rtp_formats(), media.address(), media.rtcp_address());
        }
        let text = description.to_text();
        let again: Description = text.parse().unwrap_or_else(|e| panic!("{e}\n{text:?}\nfrom {:?}", String::from_utf8_lossy(&bytes)));
        assert_eq!(again.to_text(), text, "from {:?}", String::from_utf8_lossy(&bytes));
    }
}
