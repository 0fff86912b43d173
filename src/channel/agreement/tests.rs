use rand::SeedableRng as _;

use super::*;
use crate::{
    account::SigningKey,
    channel::{
        ChannelNumber,
        identity::{Standing, judge},
        wire::{ChannelKey, Role, direct::Call, transfer::Body},
    },
};

fn own(name: &str, seed: u8) -> Own {
    Own { user: name.parse().expect("a name"), key: SigningKey::from_seed(&[seed; 32]) }
}

fn rng(seed: u8) -> ChaCha12Rng {
    ChaCha12Rng::from_seed([seed; 32])
}

fn facts(applies: Applies) -> Facts {
    Facts { transfer: TransferId([1; 16]), count: 3, size: Some(99), kind: "files".to_owned(), applies }
}

fn grant() -> Grant {
    Grant { number: ChannelNumber(0x0203), addresses: vec!["192.0.2.1:7000".to_owned()], key: ChannelKey::from_bytes([4; 32]) }
}

fn offering(applies: Applies) -> Offering {
    Offering::new(&own("alice", 1), "bob".parse().expect("a name"), facts(applies), &mut rng(3))
}

fn answering(offer: Offer) -> Result<Answering, AgreementError> {
    Answering::new(&own("bob", 2), &"alice".parse().expect("a name"), offer, &mut rng(4))
}

/// A key shows itself by what it proves.
fn shown(pairwise: &Pairwise) -> String {
    pairwise
        .prove(&Call { caller: Role::Receiver, hello: [0; 32], claim: [0; 32], stream: 0 }, Role::Receiver)
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What the other side reads of it.
fn carried(body: &Body) -> Body {
    Body::parse(body.to_xml().as_bytes()).expect("it is read")
}

fn receiver_applies() -> (Agreed, Agreed) {
    let alice = offering(Applies::Receiver);
    let Body::Offer(offer) = carried(&Body::Offer(alice.offer().clone())) else { panic!("an offer") };
    let (channel, at_bob) = answering(offer).expect("taken up").tell(&own("bob", 2), grant()).expect("told");
    let Body::Channel(channel) = carried(&Body::Channel(channel)) else { panic!("a channel") };
    (alice.handle_channel(&channel).expect("agreed"), at_bob)
}

fn sender_applies() -> (Agreed, Agreed) {
    let mut alice = offering(Applies::Sender);
    let mut bob = answering(alice.offer().clone()).expect("taken up");
    let Body::Accepted(accepted) = carried(&Body::Accepted(bob.accept(&own("bob", 2)))) else { panic!("an acceptance") };
    assert_eq!(alice.handle_accepted(accepted), Ok(own("bob", 2).key.public()));
    let (channel, at_alice) = alice.tell(&own("alice", 1), grant()).expect("told");
    let Body::Channel(channel) = carried(&Body::Channel(channel)) else { panic!("a channel") };
    (at_alice, bob.handle_channel(&channel).expect("agreed"))
}

#[test]
fn both_have_one_key_and_know_whose_it_is_whoever_applies() {
    for (alice, bob) in [receiver_applies(), sender_applies()] {
        assert_eq!(shown(&alice.pairwise), shown(&bob.pairwise));
        assert_eq!((alice.peer, bob.peer), (own("bob", 2).key.public(), own("alice", 1).key.public()));
        assert_eq!((alice.grant, bob.grant), (grant(), grant()));
    }
}

#[test]
fn the_keys_are_these_byte_for_byte() {
    assert_eq!(shown(&receiver_applies().0.pairwise), RECEIVER_APPLIES);
    assert_eq!(shown(&sender_applies().0.pairwise), SENDER_APPLIES);
}

// By Python's cryptography (X25519, HKDF, HMAC) over the tables of this module and of channel::keys, from the secrets that the two seeds give.
const RECEIVER_APPLIES: &str = "50df51ed3011f854e088c4ae2cfec1626a235f99666033bd4c2ce7283687dde9";
const SENDER_APPLIES: &str = "88699e6f8d7716a8998526ccfee66d9a9d8e499e0dfb2e96ded4f40f474e92fb";

#[test]
fn another_channel_key_number_or_address_makes_another_key_and_another_signature() {
    let of = |grant: Grant| {
        let alice = offering(Applies::Receiver);
        let (channel, at_bob) = answering(alice.offer().clone()).expect("taken up").tell(&own("bob", 2), grant).expect("told");
        (channel.signature, shown(&at_bob.pairwise))
    };
    let all = [
        of(grant()),
        of(Grant { key: ChannelKey::from_bytes([5; 32]), ..grant() }),
        of(Grant { number: ChannelNumber(1), ..grant() }),
        of(Grant { addresses: vec!["192.0.2.2:7000".to_owned()], ..grant() }),
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(one.0, other.0);
            assert_ne!(one.1, other.1);
        }
    }
}

#[test]
fn whoever_is_between_and_alters_anything_is_noticed() {
    let sound = offering(Applies::Receiver);
    let alter = |change: fn(&mut Offer)| {
        let mut offer = sound.offer().clone();
        change(&mut offer);
        answering(offer).map(|_| ()).expect_err("noticed")
    };
    let changes: [fn(&mut Offer); 6] = [
        |offer| offer.count = 4,
        |offer| offer.size = None,
        |offer| offer.kind = "text".to_owned(),
        |offer| offer.applies = Applies::Sender,
        |offer| offer.share = Share([9; 32]),
        |offer| offer.transfer = TransferId([2; 16]),
    ];
    for change in changes {
        assert_eq!(alter(change), AgreementError::Signature("offer"));
    }
    assert_eq!(alter(|offer| offer.identity = own("mallory", 9).key.public()), AgreementError::Signature("offer"));
    assert_eq!(alter(|offer| offer.to = "carol".parse().expect("a name")), AgreementError::NotForUs);
    assert_eq!(alter(|offer| offer.from = "carol".parse().expect("a name")), AgreementError::NotFromThem);

    let (channel, _) = answering(sound.offer().clone()).expect("taken up").tell(&own("bob", 2), grant()).expect("told");
    let changes: [fn(&mut Channel); 4] = [
        |channel| channel.grant.key = ChannelKey::from_bytes([9; 32]),
        |channel| channel.grant.number = ChannelNumber(9),
        |channel| channel.grant.addresses.push("192.0.2.66:7000".to_owned()),
        |channel| channel.keys = channel.keys.map(|(_, identity)| (Share([9; 32]), identity)),
    ];
    for change in changes {
        let mut altered = channel.clone();
        change(&mut altered);
        assert_eq!(sound.handle_channel(&altered).map(|_| ()), Err(AgreementError::Signature("channel")));
    }
}

#[test]
fn whoever_sits_between_with_keys_of_its_own_shows_an_identity_that_nobody_has_pinned() {
    let (mallory, alice, bob) = (own("alice", 9), own("alice", 1), own("bob", 2));
    // To bob it is alice, to alice it is bob: with signatures that are sound.
    let to_bob = Offering::new(&mallory, bob.user.clone(), facts(Applies::Receiver), &mut rng(5));
    let at_bob = answering(to_bob.offer().clone()).expect("a sound signature");
    assert_eq!(judge(Some(alice.key.public()), &at_bob.offer().identity), Standing::Changed { known: alice.key.public() });
    // Where bob knew nobody yet, the two keys differ from what alice has, and so do the words.
    let alices = offering(Applies::Receiver);
    let mallory = own("bob", 9);
    let as_bob = Answering::new(&mallory, &alice.user, alices.offer().clone(), &mut rng(6)).expect("taken up");
    let (channel, _) = as_bob.tell(&mallory, grant()).expect("told");
    let agreed = alices.handle_channel(&channel).expect("a sound signature");
    assert_eq!(judge(Some(bob.key.public()), &agreed.peer), Standing::Changed { known: bob.key.public() });
    let (_, bobs) = at_bob.tell(&bob, grant()).expect("told");
    assert_ne!(shown(&agreed.pairwise), shown(&bobs.pairwise));
}

#[test]
fn what_comes_out_of_turn_twice_or_back_to_its_sender_is_refused() {
    let bob = own("bob", 2);
    let mut alice = offering(Applies::Sender);
    let mut answer = answering(alice.offer().clone()).expect("taken up");
    let accepted = answer.accept(&bob);
    let early = Channel { transfer: TransferId([1; 16]), grant: grant(), keys: None, signature: Signature([0; 64]) };
    assert_eq!(alice.handle_channel(&early).map(|_| ()), Err(AgreementError::Order("channel")), "the receiver does not apply");
    let altered = Accepted { share: Share([9; 32]), ..accepted.clone() };
    assert_eq!(alice.handle_accepted(altered), Err(AgreementError::Signature("acceptance")));
    assert!(alice.handle_accepted(accepted.clone()).is_ok());
    assert_eq!(alice.handle_accepted(accepted.clone()), Err(AgreementError::Order("acceptance")));
    assert_eq!(offering(Applies::Receiver).handle_accepted(accepted), Err(AgreementError::Order("acceptance")));
    assert_eq!(offering(Applies::Sender).tell(&own("alice", 1), grant()).map(|_| ()), Err(AgreementError::Order("channel")));
    let back = Answering::new(&own("bob", 1), &"alice".parse().expect("a name"), offering(Applies::Receiver).offer().clone(), &mut rng(4));
    assert_eq!(back.map(|_| ()), Err(AgreementError::Signature("offer")), "the own identity is nobody else's");
}

#[test]
fn an_ephemeral_key_of_small_order_gives_nothing() {
    let alice = own("alice", 1);
    let mut offer = offering(Applies::Receiver).offer().clone();
    for weak in [[0; 32], std::array::from_fn(|at| u8::from(at == 0))] {
        offer.share = Share(weak);
        offer.signature = alice.key.sign(OFFER, &offer_parts(&offer));
        let told = answering(offer.clone()).expect("a sound signature").tell(&own("bob", 2), grant());
        assert_eq!(told.map(|_| ()), Err(AgreementError::Share));
    }
    assert_eq!(format!("{:?}", Ephemeral::random(&mut rng(1))), "Ephemeral(…)");
}
