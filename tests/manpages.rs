//! The command line as a whole: `man/` and `completions/` equal what the argument types make, and the tree of commands obeys laws that
//! no single command shows.
//!
//! `BLESS=1 cargo test --test manpages` (or `make man`) writes the files anew; never in CI.

#![cfg(feature = "cli")]

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use clap::{Arg, Command};
use clap_complete::Shell;
use confkit::cli::{confctl, exit::ExitCode, fshare, manual, relayd};

/// The programs with what their pages say beside the arguments.
fn programs() -> [(Command, manual::Notes); 3] {
    [(confctl::command(), confctl::NOTES), (fshare::command(), fshare::NOTES), (relayd::command(), relayd::NOTES)]
}

/// Every command of a tree with its path (`relayd user add`), the root included, with the arguments that it gets from above.
fn tree(root: &Command) -> Vec<(String, Command)> {
    let mut root = root.clone();
    root.build();
    let (mut found, mut waiting) = (Vec::new(), vec![(root.get_name().to_owned(), root)]);
    while let Some((path, command)) = waiting.pop() {
        let below = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        waiting.extend(below.map(|sub| (format!("{path} {}", sub.get_name()), sub.clone())));
        found.push((path, command));
    }
    found
}

fn whole_tree() -> Vec<(String, Command)> {
    programs().iter().flat_map(|(command, _)| tree(command)).collect()
}

#[track_caller]
fn golden(path: &str, made: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("BLESS").is_some() {
        assert!(env::var_os("CI").is_none(), "BLESS is for people who read the difference, not for CI");
        fs::write(&path, made).expect("the golden file can be written");
        return;
    }
    let kept = fs::read(&path).unwrap_or_default();
    assert!(kept == made, "{} is stale: run `make man`, and read the difference", path.display());
}

#[test]
fn man_pages_are_what_the_arguments_say() {
    for (command, notes) in programs() {
        let page = manual::page(&command, &notes).expect("memory can be written to");
        golden(&format!("man/{}.1", command.get_name()), page.as_bytes());
    }
}

#[test]
fn completions_are_what_the_arguments_say() {
    for (command, _) in programs() {
        let name = command.get_name();
        for (shell, file) in
            [(Shell::Bash, format!("{name}.bash")), (Shell::Zsh, format!("_{name}")), (Shell::Fish, format!("{name}.fish"))]
        {
            golden(&format!("completions/{file}"), &manual::completions(&command, shell));
        }
    }
}

#[test]
fn man_pages_name_every_exit_code_flag_and_variable() {
    for (command, notes) in programs() {
        let page = manual::page(&command, &notes).expect("memory can be written to").replace("\\-", "-");
        for code in ExitCode::ALL {
            assert!(page.contains(code.meaning()), "{}: exit code {}", command.get_name(), code.number());
        }
        for (path, sub) in tree(&command) {
            for arg in sub.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let named = arg.get_long().is_none_or(|long| page.contains(&format!("--{long}")));
                assert!(named, "{path}: {arg} is not on the page");
                let variable = arg.get_env().is_none_or(|v| page.contains(&*v.to_string_lossy()));
                assert!(variable, "{path}: the variable of {arg} is not on the page");
            }
        }
    }
}

#[test]
fn every_flag_and_every_command_has_help() {
    for (path, command) in whole_tree() {
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some_and(|help| !help.to_string().is_empty()), "{path}: {arg} has no help");
        }
    }
}

#[test]
fn every_command_has_an_example_or_says_that_it_is_not_built() {
    for (path, command) in whole_tree().into_iter().filter(|(_, command)| !command.has_subcommands()) {
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let unbuilt = below.starts_with("Not built yet: arrives with ") && about.ends_with(" (not built yet)");
        assert!(unbuilt || below.starts_with("Examples:\n"), "{path} has no example");
    }
}

#[test]
fn every_example_is_accepted() {
    let mut tried = 0;
    for (path, command) in whole_tree() {
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for example in below.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()) {
            let mut accepted = 0;
            for words in shell_words(example) {
                let Some((program, _)) =
                    programs().into_iter().find(|(program, _)| Some(program.get_name()) == words.first().map(String::as_str))
                else {
                    continue;
                };
                if let Err(error) = program.try_get_matches_from(&words) {
                    panic!("{path}: the example `{example}` is refused: {error}");
                }
                accepted += 1;
            }
            assert!(accepted > 0, "{path}: `{example}` runs none of our programs");
            tried += accepted;
        }
    }
    assert!(tried > 40, "only {tried} examples were found");
}

#[test]
fn flags_have_one_spelling_and_no_letter_twice() {
    for (path, command) in whole_tree() {
        let mut letters = BTreeSet::new();
        for arg in command.get_arguments() {
            if let Some(letter) = arg.get_short() {
                assert!(letters.insert(letter), "{path}: -{letter} twice");
            }
            let sound = |long: &str| long.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !long.starts_with('-');
            assert!(arg.get_long().is_none_or(sound), "{path}: {arg}");
        }
    }
    programs().into_iter().for_each(|(command, _)| command.debug_assert());
}

#[test]
fn no_flag_takes_a_secret() {
    for (path, command) in whole_tree() {
        for arg in command.get_arguments() {
            let long = arg.get_long().unwrap_or_else(|| arg.get_id().as_str());
            let secret =
                ["password", "pin", "secret", "token", "passphrase"].iter().any(|word| long.split(['-', '_']).any(|part| part == *word));
            let takes_value = arg.get_action().takes_values();
            assert!(!secret || !takes_value || long.ends_with("file"), "{path}: {arg} would put a secret into argv");
        }
    }
}

/// What must be the same wherever a flag is found.
fn meaning(arg: &Arg) -> (Option<char>, String, Option<String>, Vec<String>) {
    (
        arg.get_short(),
        arg.get_help().map(ToString::to_string).unwrap_or_default(),
        arg.get_env().map(|v| v.to_string_lossy().into_owned()),
        arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn shared_flags_mean_the_same_in_all_programs() {
    let everywhere = ["json", "quiet", "verbose", "color", "config", "timeout"];
    let clients = ["server", "as", "credentials", "password-file", "ca"];
    let of = |program: &str, flag: &str| {
        let (command, _) = programs().into_iter().find(|(command, _)| command.get_name() == program).expect("one of ours");
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).cloned();
        meaning(&arg.unwrap_or_else(|| panic!("{program} has no --{flag}")))
    };
    for flag in everywhere {
        assert_eq!(of("confctl", flag), of("fshare", flag), "--{flag}");
        assert_eq!(of("confctl", flag), of("relayd", flag), "--{flag}");
    }
    for flag in clients {
        assert_eq!(of("confctl", flag), of("fshare", flag), "--{flag}");
    }
    for (path, command) in whole_tree() {
        for flag in everywhere {
            assert!(command.get_arguments().any(|arg| arg.get_long() == Some(flag)), "{path} lacks --{flag}");
        }
    }
}

#[test]
fn the_commands_are_those_of_the_contract() {
    let shown = |command: &Command| {
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| sub.get_name().to_owned()).collect::<Vec<_>>()
    };
    let names = |command: &Command| shown(command).join(" ");
    assert_eq!(
        names(&confctl::command()),
        "create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions"
    );
    let of_terminals = confctl::command().find_subcommand("ua").map(names);
    assert_eq!(of_terminals.as_deref(), Some("start stop list call answer hangup share get unshare dtmf mute unmute message status"));
    assert_eq!(names(&relayd::command()), "run check-config print-config user completions");
    assert_eq!(names(relayd::command().find_subcommand("user").expect("relayd user")), "add passwd del list");
    assert_eq!(
        names(&fshare::command()),
        "send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel completions"
    );
}

/// The commands of a line of shell, as words: quotes are read, a comment (two spaces or more) and redirections are left out.
fn shell_words(line: &str) -> Vec<Vec<String>> {
    let line = line.split("   ").next().unwrap_or_default();
    let (mut commands, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    for part in words.split(|word| word == "|" || word == "&&") {
        commands.push(part.iter().take_while(|word| *word != ">").cloned().collect());
    }
    commands
}
