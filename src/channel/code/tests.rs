use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::*;

fn read(text: &str) -> Result<String, CodeError> {
    text.parse::<Code>().map(|code| code.as_str().to_owned())
}

fn unknown(at: usize, word: &str, near: Option<&'static str>) -> CodeError {
    CodeError::Unknown { at, word: word.to_owned(), near }
}

#[test]
fn a_code_is_read_whatever_its_case_and_separators_and_with_four_letters_a_word() {
    for typed in [
        "7-crystal-window",
        "7 crystal window",
        "7_Crystal_WINDOW",
        "  007 -- crystal __ window - \n",
        "7-crys-wind",
        "7–crystal—window",
        "7-crysta-windo",
    ] {
        assert_eq!(read(typed).as_deref(), Ok("7-crystal-window"), "{typed:?}");
    }
    assert_eq!(read("12-act-zoo-abandon").as_deref(), Ok("12-act-zoo-abandon"), "a word of three letters that others begin with");
}

#[test]
fn what_is_wrong_with_a_code_is_named_with_the_nearest_word() {
    let several = |at, word: &str, among: &[&'static str]| CodeError::Several { at, word: word.to_owned(), among: among.to_vec() };
    for (typed, wrong) in [
        ("", CodeError::Nameplate),
        ("crystal-window", CodeError::Nameplate),
        ("0-crystal-window", CodeError::Nameplate),
        ("1000000-crystal-window", CodeError::Nameplate),
        ("7", CodeError::Bare),
        ("7-", CodeError::Bare),
        ("7-crystal", CodeError::OneWord),
        ("7-elephant", CodeError::OneWord),
        ("7-crystal-widow", unknown(2, "widow", Some("window"))),
        ("7-crystla-window", unknown(1, "crystla", Some("crystal"))),
        ("7-crystal-window5", unknown(2, "window5", Some("window"))),
        ("7-crystal-tangerine", unknown(2, "tangerine", None)),
        ("7-crystals-window", unknown(1, "crystals", Some("crystal"))),
        ("7-cro-window", several(1, "cro", &["crop", "cross", "crouch", "crowd"])),
        ("7-window-wi", several(2, "wi", &["wide", "width", "wife", "wild", "will"])),
        ("7-rose", CodeError::OneWord),
        ("7-rose24", CodeError::Short),
        ("7-a1-b2", CodeError::Short),
        ("7-crystal-wíndow", CodeError::Character('í')),
        ("7-crystal-\u{1b}[2J", CodeError::Character('\u{1b}')),
        ("7-act-act-act-act-act-act-act-act-act", CodeError::ManyWords),
    ] {
        assert_eq!(read(typed), Err(wrong), "{typed:?}");
    }
    assert_eq!(read(&"7".repeat(MAX_CODE + 1)), Err(CodeError::Long));
    let text = |typed| read(typed).expect_err("wrong").to_string();
    assert_eq!(text("7-crystal-widow"), "\"widow\", the second word, is not in the list: is it \"window\"?");
    assert_eq!(text("7-crystal-wi"), "\"wi\", the second word, could be wide, width, wife, wild, will: type 4 letters of it");
    assert_eq!(text("x"), "a code begins with a number from 1 to 999999, as in 7-crystal-window");
}

#[test]
fn a_code_of_ones_own_is_in_one_piece_or_has_a_digit_and_eight_characters() {
    for (typed, is) in [
        ("7-mothersbirthday", "7-mothersbirthday"),
        ("7 Rose 2024!", "7-rose-2024!"),
        ("7-crystal-1234567", "7-crystal-1234567"),
        ("7-12345678", "7-12345678"),
    ] {
        assert_eq!(read(typed).as_deref(), Ok(is), "{typed:?}");
    }
    let words = [("7-my-secret-phrase", "my"), ("7-blue-elefant-phrase", "elefant")];
    for (typed, slip) in words {
        assert!(read(typed).is_err_and(|wrong| wrong.to_string().contains(slip)), "{typed:?} would be taken for words");
    }
}

#[test]
fn every_code_that_is_read_or_drawn_is_read_the_same_again() {
    let mut rng = ChaCha12Rng::from_seed([1; 32]);
    let nameplate = Nameplate::new(41).expect("a nameplate");
    for words in (WORDS..=MAX_WORDS).cycle().take(500) {
        let code = Code::draw(nameplate, words, &mut rng).expect("a code");
        assert_eq!((code.as_str().split('-').count(), code.nameplate()), (words + 1, nameplate));
        assert_eq!(code.as_str().parse(), Ok(code.clone()));
        let first_letters: Vec<String> = code.as_str().split('-').map(|part| part.chars().take(4).collect()).collect();
        assert_eq!(first_letters.join(" ").parse(), Ok(code), "four letters a word");
    }
    for words in [0, 1, MAX_WORDS + 1] {
        assert_eq!(Code::draw(nameplate, words, &mut rng), Err(CodeError::WordCount(words)));
    }
    let longest = Code::joined(Nameplate::new(999_999).expect("one"), &["elephant"; MAX_WORDS]);
    assert!(longest.as_str().len() < MAX_CODE, "no drawn code is wiped only in part because its text had to move");
}

#[test]
fn drawn_words_are_of_the_whole_list() {
    let mut rng = ChaCha12Rng::from_seed([2; 32]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4000 {
        let code = Code::draw(Nameplate::new(1).expect("one"), MAX_WORDS, &mut rng).expect("a code");
        seen.extend(code.as_str().split('-').skip(1).map(str::to_owned));
    }
    assert_eq!(seen.len(), 2048, "each comes about 16 times");
    let list = English::words();
    assert_eq!((list.len(), list[0], list[2047]), (2048, "abandon", "zoo"));
    assert!(list.is_sorted() && list.iter().all(|word| is_letters(word) && (3..=8).contains(&word.len())));
    let prefixes: std::collections::BTreeSet<&str> = list.iter().map(|word| &word[..word.len().min(PREFIX)]).collect();
    assert_eq!(prefixes.len(), 2048, "four letters name a word");
}

#[test]
fn a_code_that_was_begun_is_completed() {
    let all = |begun: &str| completions(begun).join(" ");
    assert_eq!(all("7-cryst"), "7-crystal");
    assert_eq!(all("7 Crys wind"), "7-crystal-window", "the words before are written out");
    assert_eq!(
        all("7-crystal-win"),
        "7-crystal-win 7-crystal-window 7-crystal-wine 7-crystal-wing 7-crystal-wink 7-crystal-winner 7-crystal-winter"
    );
    for nothing in ["", "7", "7-", "7-crystal-", "7-xx", "7-nowordatall-win", "x-cry", "7-act-act-act-act-act-act-act-act-ac", "7-ü"] {
        assert_eq!(completions(nothing), Vec::<String>::new(), "{nothing:?}");
    }
    assert!(completions("7-s").len() > 100);
}

#[test]
fn no_code_is_shown_by_accident() {
    let code: Code = "7-crystal-window".parse().expect("a code");
    assert_eq!(format!("{code:?}"), "Code(7-…)");
}
