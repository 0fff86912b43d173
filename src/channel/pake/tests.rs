//! The exchange: that it agrees, what it refuses, whose fault it says that is, and that it is RFC 9382.

mod rfc9382;

use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::{
    channel::{ChannelNumber, wire::ChannelKey, wire::pass::TransferId},
    transfer::seal::Cipher,
};

fn rng(seed: u8) -> ChaCha12Rng {
    ChaCha12Rng::from_seed([seed; 32])
}

fn code(text: &str) -> Password {
    Password::of_code(&text.parse().expect("a code"))
}

fn pass() -> Pass {
    let mut rng = rng(9);
    Pass {
        cipher: Cipher::Aes256Gcm,
        transfer: TransferId::random(&mut rng),
        channel: ChannelNumber::random(&mut rng),
        key: ChannelKey::random(&mut rng),
        content: crate::channel::keys::ContentKey::random(&mut rng),
        resume: ResumeSecret::random(&mut rng),
        relays: vec!["127.0.0.1:7070".to_owned()],
        direct: Vec::new(),
    }
}

fn sent<T>(step: Result<Step<T>, ExchangeError>) -> Vec<u8> {
    match step {
        Ok(Step::Send(letter)) => letter,
        Ok(Step::Agreed(_)) => panic!("agreed already"),
        Err(error) => panic!("{error}"),
    }
}

fn agreed<T>(step: Result<Step<T>, ExchangeError>) -> T {
    match step {
        Ok(Step::Agreed(agreed)) => agreed,
        Ok(Step::Send(_)) => panic!("a letter is to be sent"),
        Err(error) => panic!("{error}"),
    }
}

fn error<T: fmt::Debug>(step: Result<Step<T>, ExchangeError>) -> ExchangeError {
    step.expect_err("an error")
}

fn shown(pairwise: &Pairwise) -> String {
    pairwise.letters().shown()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Both ends as they stand when the receiver's confirmation is on its way, and the letters till then.
fn confirming(receiver: &Password, sender: &Password, seed: u8) -> (Receiver, Sender, [Vec<u8>; 3]) {
    let (mut rng_r, mut rng_s) = (rng(seed), rng(seed.wrapping_add(100)));
    let (mut receiver, first) = Receiver::new(receiver, &mut rng_r);
    let mut sender = Sender::new(sender);
    let second = sent(sender.handle_letter(&first, &mut rng_s));
    let third = sent(receiver.handle_letter(&second));
    (receiver, sender, [first, second, third])
}

/// The fourth letter.
fn answered(sender: &mut Sender, third: &[u8]) -> (Pairwise, Vec<u8>) {
    agreed(sender.handle_letter(third, &mut rng(0))).letter(&pass()).expect("a pass")
}

#[test]
fn two_who_know_the_same_come_to_one_key_and_the_pass_is_handed_over() {
    let secret = ResumeSecret::random(&mut rng(1));
    for password in [code("7-crystal-window"), code("12-rose2024"), Password::of_resume(&secret)] {
        let (mut receiver, mut sender, letters) = confirming(&password, &password, 1);
        let (pairwise, fourth) = answered(&mut sender, &letters[2]);
        assert!(letters.iter().chain([&fourth]).all(|letter| letter.len() <= MAX_LETTER));
        let received = agreed(receiver.handle_letter(&fourth));
        assert_eq!((shown(&received.pairwise), received.pass), (shown(&pairwise), pass()));
        assert!(!fourth.windows(8).any(|window| pass().content.as_bytes().starts_with(window)), "the pass is sealed");
    }
}

#[test]
fn no_two_exchanges_come_to_one_key() {
    let password = code("7-crystal-window");
    let key = |seed| {
        let (_, mut sender, letters) = confirming(&password, &password, seed);
        shown(&answered(&mut sender, &letters[2]).0)
    };
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
}

#[test]
fn a_wrong_guess_shows_at_the_sender_first_and_spends_the_code() {
    let secret = ResumeSecret::random(&mut rng(1));
    let right = code("7-crystal-window");
    for guess in [code("7-crystal-winter"), code("8-crystal-window"), Password::of_resume(&secret)] {
        let (mut receiver, mut sender, letters) = confirming(&guess, &right, 1);
        let error_there = error(sender.handle_letter(&letters[2], &mut rng(0)));
        assert_eq!((error_there, error_there.spends()), (ExchangeError::WrongGuess, true));
        // Nothing more is to be had of this sender, the right confirmation included.
        for letter in &letters {
            assert!(matches!(error(sender.handle_letter(letter, &mut rng(0))), ExchangeError::OutOfOrder(_)));
        }
        // Whoever answers the receiver without knowing what it knows is found out.
        let made_up = letter(Letter::SenderConfirms, &[7; CONFIRMATION + 200]);
        let error_here = error(receiver.handle_letter(&made_up));
        assert_eq!((error_here, error_here.spends()), (ExchangeError::Impostor, false));
    }
}

#[test]
fn any_changed_bit_of_any_letter_ends_the_exchange() {
    let password = code("7-crystal-window");
    let (_, mut sender, letters) = confirming(&password, &password, 1);
    let (_, fourth) = answered(&mut sender, &letters[2]);
    let changed = |letter: &[u8], bit: usize| {
        let mut letter = letter.to_vec();
        letter[bit / 8] ^= 1 << (bit % 8);
        letter
    };
    for bit in (0..letters[0].len() * 8).step_by(5) {
        let mut sender = Sender::new(&password);
        match sender.handle_letter(&changed(&letters[0], bit), &mut rng(101)) {
            Ok(_) => assert_eq!(error(sender.handle_letter(&letters[2], &mut rng(0))), ExchangeError::WrongGuess, "bit {bit}"),
            Err(error) => assert!(!error.spends(), "bit {bit}: {error}"),
        }
    }
    for bit in 0..letters[2].len() * 8 {
        let (_, mut sender, _) = confirming(&password, &password, 1);
        assert!(sender.handle_letter(&changed(&letters[2], bit), &mut rng(0)).is_err(), "bit {bit}");
    }
    for bit in (0..fourth.len() * 8).step_by(7) {
        let (mut receiver, _, _) = confirming(&password, &password, 1);
        assert!(receiver.handle_letter(&changed(&fourth, bit)).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_letter_or_has_not_its_turn_is_named_and_costs_no_guess() {
    let password = code("7-crystal-window");
    let (_, mut sender, letters) = confirming(&password, &password, 1);
    let (_, fourth) = answered(&mut sender, &letters[2]);
    let [first, second, third] = &letters;
    let share = |bytes: Vec<u8>| letter(Letter::ReceiverShare, &bytes);
    for (at_sender, why) in [
        (Vec::new(), ExchangeError::Malformed("too short")),
        (vec![VERSION], ExchangeError::Malformed("too short")),
        (vec![2, 1], ExchangeError::Version(2)),
        (second.clone(), ExchangeError::OutOfOrder(2)),
        (third.clone(), ExchangeError::OutOfOrder(3)),
        (fourth.clone(), ExchangeError::OutOfOrder(4)),
        (vec![VERSION, 0], ExchangeError::OutOfOrder(0)),
        (first[..66].to_vec(), ExchangeError::Malformed("a share of the wrong length")),
        (first[..35].to_vec(), ExchangeError::Malformed("a share of the wrong length")),
        ([first.as_slice(), &[0]].concat(), ExchangeError::Malformed("a share of the wrong length")),
        (share(vec![0; SHARE]), ExchangeError::Malformed("a share that is not a point on the curve")),
        (share([&[4], [1; 64].as_slice()].concat()), ExchangeError::Malformed("a share that is not a point on the curve")),
        (vec![1; MAX_LETTER + 1], ExchangeError::Malformed("too long")),
    ] {
        let mut sender = Sender::new(&password);
        let told = error(sender.handle_letter(&at_sender, &mut rng(2)));
        assert_eq!((told, told.spends()), (why, false));
        assert!(sender.handle_letter(first, &mut rng(2)).is_err(), "it is over");
    }
    let (mut receiver, mut sender, _) = confirming(&password, &password, 1);
    assert_eq!(error(sender.handle_letter(first, &mut rng(0))), ExchangeError::OutOfOrder(1), "the share again");
    assert_eq!(error(receiver.handle_letter(second)), ExchangeError::OutOfOrder(2), "the share again");
    let (_, mut sender, _) = confirming(&password, &password, 1);
    assert_eq!(
        error(sender.handle_letter(&[third.as_slice(), &[0]].concat(), &mut rng(0))),
        ExchangeError::Malformed("a confirmation of the wrong length")
    );
    let (mut receiver, _, _) = confirming(&password, &password, 1);
    assert_eq!(error(receiver.handle_letter(&fourth[..30])), ExchangeError::Malformed("a confirmation that was cut"));
    let (mut receiver, _, _) = confirming(&password, &password, 1);
    agreed(receiver.handle_letter(&fourth));
    assert_eq!(error(receiver.handle_letter(&fourth)), ExchangeError::OutOfOrder(4), "once is enough");
}

#[test]
fn what_is_sent_back_to_who_sent_it_is_refused() {
    let password = code("7-crystal-window");
    let (mut receiver, first) = Receiver::new(&password, &mut rng(1));
    assert_eq!(error(receiver.handle_letter(&first)), ExchangeError::OutOfOrder(1));
    let (mut receiver, first) = Receiver::new(&password, &mut rng(1));
    let disguised = letter(Letter::SenderShare, &first[HEAD..]);
    assert_eq!(error(receiver.handle_letter(&disguised)), ExchangeError::Malformed("our own share, sent back"));
    // The receiver's own confirmation is not the sender's.
    let (mut receiver, _, letters) = confirming(&password, &password, 1);
    let disguised = letter(Letter::SenderConfirms, &[&letters[2][HEAD..], &[0; 200]].concat());
    assert_eq!(error(receiver.handle_letter(&disguised)), ExchangeError::Impostor);
}

#[test]
fn somebody_between_two_who_know_the_code_gets_nothing_without_it() {
    let password = code("7-crystal-window");
    let between = code("7-act-zoo");
    // To the receiver it is a sender, to the sender a receiver.
    let (mut receiver, mut false_sender, letters) = confirming(&password, &between, 1);
    assert_eq!(error(false_sender.handle_letter(&letters[2], &mut rng(0))), ExchangeError::WrongGuess);
    let (_, mut sender, false_letters) = confirming(&between, &password, 2);
    assert_eq!(error(sender.handle_letter(&letters[2], &mut rng(0))), ExchangeError::WrongGuess, "a confirmation of another exchange");
    assert_eq!(error(receiver.handle_letter(&letter(Letter::SenderConfirms, &false_letters[2][HEAD..]))), ExchangeError::Impostor);
}

/// What an eavesdropper has of a failed exchange, and what a guesser has who leaves before it confirms, fits every code alike: only the sender,
/// asked once, tells them apart.
#[test]
fn letters_of_a_failed_exchange_test_no_guess() {
    let mut draw = rng(7);
    let right = code("7-crystal-window");
    let (_, mut sender, [first, second, third]) = confirming(&code("7-crystal-winter"), &right, 1);
    assert_eq!(error(sender.handle_letter(&third, &mut rng(0))), ExchangeError::WrongGuess);
    let nameplate = crate::channel::Nameplate::new(7).expect("a nameplate");
    let mut candidates: Vec<Password> = (0..30).map(|_| Password::of_code(&Code::draw(nameplate, 2, &mut draw).expect("a code"))).collect();
    candidates.extend([right, code("7-crystal-winter")]);
    for (at, candidate) in candidates.iter().enumerate() {
        // The sender's share, of which alone whoever guesses learns anything, is a share of this code as of any other.
        let (mut guesser, _) = Receiver::new(candidate, &mut rng(at as u8));
        let confirmation = sent(guesser.handle_letter(&second));
        assert_ne!(confirmation, third, "candidate {at}");
        // So is the receiver's; and its confirmation, under a key of which the eavesdropper lacks the half, verifies for none, the right one
        // and the guessed one included.
        let mut sender = Sender::new(candidate);
        sent(sender.handle_letter(&first, &mut rng(at as u8)));
        assert_eq!(error(sender.handle_letter(&third, &mut rng(0))), ExchangeError::WrongGuess, "candidate {at}");
    }
    // No letter of a sender before the right confirmation holds anything but its share.
    assert_eq!(second.len(), HEAD + SHARE);
}

#[test]
fn any_bytes_in_any_state_are_an_error_and_no_panic() {
    let password = code("7-crystal-window");
    let mut draw = rng(3);
    for round in 0..200 {
        let (mut receiver, mut sender, letters) = confirming(&password, &password, 1);
        let mut bytes = vec![0; draw.random_range(0..300)];
        draw.fill(bytes.as_mut_slice());
        if let Some(head) = bytes.get_mut(..2) {
            head.copy_from_slice(&[VERSION, round % 6]);
        }
        assert!(receiver.handle_letter(&bytes).is_err());
        assert!(sender.handle_letter(&bytes, &mut draw).is_err());
        assert!(Receiver::new(&password, &mut rng(1)).0.handle_letter(&bytes).is_err());
        assert!(Sender::new(&password).handle_letter(&bytes, &mut draw).is_err());
        assert!(sender.handle_letter(&letters[2], &mut draw).is_err(), "it is over");
    }
}

#[test]
fn no_password_and_no_state_is_shown() {
    let password = code("7-crystal-window");
    let (receiver, sender, _) = confirming(&password, &password, 1);
    assert_eq!(format!("{password:?}"), "Password(… at Nameplate(7))");
    assert_eq!(format!("{receiver:?} {sender:?}"), "Receiver(waits for the confirmation) Sender(waits for the confirmation)");
}

#[test]
fn the_letters_and_the_key_are_these_bytes() {
    // By a second implementation, in Python, of RFC 9382 and the tables of the modules, from the scalars that the two generators draw.
    let scalar = |seed| {
        let mut bytes = [0; 32];
        rng(seed).fill(&mut bytes);
        hex(&bytes)
    };
    assert_eq!([scalar(1), scalar(101)], [RECEIVER_SCALAR, SENDER_SCALAR]);
    let password = code("7-crystal-window");
    let (_, mut sender, letters) = confirming(&password, &password, 1);
    let (pairwise, fourth) = answered(&mut sender, &letters[2]);
    assert_eq!(hex(&letters[0]), format!("0101{RECEIVER_SHARE}"));
    assert_eq!(hex(&letters[1]), format!("0102{SENDER_SHARE}"));
    assert_eq!(hex(&letters[2]), format!("0103{RECEIVER_CONFIRMS}"));
    assert_eq!(hex(&fourth[..HEAD + CONFIRMATION]), format!("0104{SENDER_CONFIRMS}"));
    assert_eq!(shown(&pairwise), LETTERS_KEY);
    assert_eq!(hex(&password.identity(Role::Sender)), "636f6e666b69742073656e646572010100000007");
}

const RECEIVER_SCALAR: &str = "3301e8d7e754db2cf57b0a4ca73f253c7053ad2bc5398777ba039b258e59ad9d";
const SENDER_SCALAR: &str = "876c75e04528b87610b21b65197a3159038d9a259e652b4e2c6243211fa0acb1";
const RECEIVER_SHARE: &str =
    "04ffd99129d914a4eb8d252eb6444f2b46735ced713913d268c07912ad72bf7938d33dfa87b71e15c55f87d04d139500a541a1390ebfae8922c232d56fbeb23626";
const SENDER_SHARE: &str =
    "0426e328c16eafcb60f39ee69354211aa821bf308d96bba66c1885e93a44089307f17e8c10d56ffe1df3ae2d7758cd66a6168fbdf6563aa20d3b4a303896334df5";
const RECEIVER_CONFIRMS: &str = "fff5507b255729ce8d20e6740ee4af0f535c8e6fd676d34aa00142399cd03bb8";
const SENDER_CONFIRMS: &str = "3878360defa6da6b72d48109abfb831d841e7d8f118a348d7b0ef089eccfbeb1";
const LETTERS_KEY: &str = "5a1652eb3e5e307d1103facd559fb32f91c7e67bee3a32c84911fbda157414d0";
