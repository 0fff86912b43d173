use super::*;
use crate::account::SigningKey;

fn signature() -> Signature {
    Signature([9; 64])
}

fn identity() -> PublicKey {
    SigningKey::from_seed(&[7; 32]).public()
}

fn offer() -> Offer {
    Offer {
        transfer: TransferId([0x1f; 16]),
        from: "alice".parse().expect("a name"),
        to: "bob".parse().expect("a name"),
        count: 3,
        size: Some(1_234_567),
        kind: "files".to_owned(),
        applies: Applies::Receiver,
        share: Share([5; 32]),
        identity: identity(),
        signature: signature(),
    }
}

fn channel() -> Channel {
    let addresses = vec!["relay.example:7070".to_owned(), "[2001:db8::1]:7070".to_owned()];
    Channel {
        transfer: offer().transfer,
        grant: Grant { number: ChannelNumber(0x0203), addresses, key: ChannelKey::from_bytes([4; 32]) },
        keys: Some((Share([6; 32]), identity())),
        signature: signature(),
    }
}

fn all() -> [Body; 6] {
    let transfer = offer().transfer;
    [
        Body::Offer(offer()),
        Body::Accepted(Accepted { transfer, share: Share([6; 32]), identity: identity(), signature: signature() }),
        Body::Declined(Declined { transfer, reason: DeclineReason::Refused, text: "not <now>".to_owned() }),
        Body::Channel(channel()),
        Body::Channel(Channel { keys: None, ..channel() }),
        Body::Cancelled(Cancelled { transfer, text: String::new() }),
    ]
}

#[test]
fn the_bodies_are_those_of_the_page() {
    let lines: String = all().iter().map(|body| body.to_xml().replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "") + "\n").collect();
    let nines = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQ";
    let sevens = "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw";
    let id = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f";
    let five = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU";
    let six = "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY";
    let four = "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ";
    let addresses = "<address>relay.example:7070</address><address>[2001:db8::1]:7070</address></channel>";
    let expected = format!(
        "<offer xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\" from=\"alice\" to=\"bob\" count=\"3\" size=\"1234567\" kind=\"files\" \
         applies=\"receiver\" share=\"{five}\" identity=\"{sevens}\" signature=\"{nines}\"/>\n\
         <accepted xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\" share=\"{six}\" identity=\"{sevens}\" signature=\"{nines}\"/>\n\
         <declined xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\" reason=\"refused\" text=\"not &lt;now&gt;\"/>\n\
         <channel xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\" number=\"0000000000000203\" key=\"{four}\" share=\"{six}\" \
         identity=\"{sevens}\" signature=\"{nines}\">{addresses}\n\
         <channel xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\" number=\"0000000000000203\" key=\"{four}\" \
         signature=\"{nines}\">{addresses}\n\
         <cancelled xmlns=\"urn:confkit:transfer:1\" transfer=\"{id}\"/>\n"
    );
    assert_eq!(lines, expected);
}

#[test]
fn a_body_is_read_as_it_was_written() {
    for body in all() {
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
}

#[test]
fn the_largest_bodies_fit_into_a_message() {
    let name = |c: &str| c.repeat(64).parse().expect("a name");
    let largest = Offer { from: name("a"), to: name("b"), count: u32::MAX, size: Some(u64::MAX), kind: "k".repeat(MAX_KIND), ..offer() };
    let told = |length: usize| vec![format!("{}:7", "a".repeat(length - 2)); 9];
    let grant = |length| Grant { addresses: told(length), ..channel().grant }.cut();
    let transfer = offer().transfer;
    for (text, cut) in [("&".repeat(5000), "&".repeat(42)), ("ä".repeat(5000), "ä".repeat(128))] {
        let declined = Body::Declined(Declined { transfer, reason: DeclineReason::NoChannel, text });
        let Ok(Body::Declined(read)) = Body::parse(declined.to_xml().as_bytes()) else { panic!("it is read") };
        assert_eq!(read.text, cut);
    }
    assert_eq!([128, 261, 10, 513, 512].map(|length| grant(length).addresses.len()), [4, 1, 4, 0, 1]);
    for body in [
        Body::Offer(largest),
        Body::Channel(Channel { grant: grant(128), ..channel() }),
        Body::Channel(Channel { grant: grant(512), ..channel() }),
    ] {
        assert!(body.to_xml().len() <= MAX_BODY, "{} of {body:?}", body.to_xml().len());
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
}

#[test]
fn what_lacks_something_or_has_something_odd_is_refused_by_name() {
    let sound = Body::Offer(offer()).to_xml();
    let refused = |from: &str, to: &str| match Body::parse(sound.replace(from, to).as_bytes()) {
        Err(TransferError::Malformed(why)) => why,
        other => panic!("{to}: {other:?}"),
    };
    for (from, to, why) in [
        ("1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f", "1f", "transfer: a transfer is 32 hexadecimal digits"),
        ("kind=\"files\"", "kind=\"a b\"", "\"a b\" is no kind"),
        ("kind=\"files\"", "", "the kind is missing"),
        ("count=\"3\"", "count=\"-3\"", "\"-3\" is no count"),
        ("applies=\"receiver\"", "applies=\"relay\"", "\"relay\" is no applies"),
        ("share=\"BQ", "share=\"B", "share: an ephemeral key is 32 bytes in base64url"),
        ("signature=\"CQ", "signature=\"", "signature: an Ed25519 signature is 64 bytes in base64url"),
        ("<offer", "<order", "there is no body \"order\""),
    ] {
        assert_eq!(refused(from, to), why);
    }
    let upper = refused("from=\"alice\"", "from=\"Alice\"");
    assert!(upper.starts_with("from: the user name \"Alice\""), "{upper}");
    let half = Body::Channel(channel()).to_xml().replace(&format!(" identity=\"{}\"", identity()), "");
    assert_eq!(Body::parse(half.as_bytes()), Err(TransferError::Malformed("the identity is missing".to_owned())));
    let odd = Body::Channel(channel()).to_xml().replace("relay.example", "relay example");
    assert!(matches!(Body::parse(odd.as_bytes()), Err(TransferError::Malformed(_))));
    assert_eq!(Body::parse(&[b' '; MAX_BODY + 1]), Err(TransferError::TooLong));
    assert_eq!(Body::parse(b"<offer/>"), Err(TransferError::OtherDocument));
}

#[test]
fn what_a_later_version_adds_is_not_looked_at_and_no_channel_key_is_shown() {
    let later = Body::Declined(Declined { transfer: offer().transfer, reason: DeclineReason::Refused, text: String::new() })
        .to_xml()
        .replace("\"refused\"", "\"asleep\" until=\"8\"");
    let Ok(Body::Declined(read)) = Body::parse(later.as_bytes()) else { panic!("{later}") };
    assert_eq!(read.reason, DeclineReason::Other);
    assert!(format!("{:?}", channel()).contains("ChannelKey(…)"));
}
