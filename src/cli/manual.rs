//! Man pages and completion scripts, made from the argument types, so that neither can say what the program does not do.
//!
//! `man/` and `completions/` hold what this makes; `tests/manpages.rs` compares. One page a program: every command with its own options and
//! examples, then the options that all commands share, examples, exit codes, environment, files.

use std::io;

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, roman},
};

use crate::cli::{ExitCode, fshare::channel::words, secret};

/// What a page says beside the arguments.
#[derive(Debug, Clone, Copy)]
pub struct Notes {
    /// Environment variables that no flag names, and what they do.
    pub environment: &'static [(&'static str, &'static str)],
    /// Files that are read or written.
    pub files: &'static [(&'static str, &'static str)],
    /// Other pages.
    pub see_also: &'static [&'static str],
}

/// Variables that all programs know and no flag names.
pub const COMMON_ENVIRONMENT: [(&str, &str); 2] = [
    ("CONFKIT_LOG", "What to log, as filter directives (confkit::sip=debug,warn); overrides -q and -v."),
    ("NO_COLOR", "If set, to anything, no colour is used unless --color always is given."),
];

/// Secrets that clients take from the environment.
pub const SECRET_ENVIRONMENT: [(&str, &str); 2] = [
    (secret::PASSWORD_VARIABLE, "The password of the account to act as."),
    (secret::PIN_VARIABLE, "The PIN of the conference, for commands that have --pin-file."),
];

/// The completion script of a program for a shell.
pub fn completions(command: &Command, shell: Shell) -> Vec<u8> {
    let mut command = command.clone();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    if name != "fshare" {
        return script;
    }
    words::with_codes(String::from_utf8_lossy(&script).into_owned(), shell).into_bytes()
}

/// The man page of a program.
///
/// # Errors
/// None in practice: writing is to memory.
pub fn page(command: &Command, notes: &Notes) -> io::Result<String> {
    let name = command.get_name();
    let mut page = Roff::new();
    let version = format!("confkit {}", command.get_version().unwrap_or_default());
    page.control("TH", [name.to_uppercase().as_str(), "1", "", version.as_str(), "confkit"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {}", about(command)))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text(usage(command, name));
    page.control("SH", ["DESCRIPTION"]);
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    paragraphs(&mut page, long.strip_prefix(&about(command)).unwrap_or(&long).trim_start());

    let mut text = page.render();
    let own = |arg: &Arg| !arg.is_global_set() && arg.get_help_heading().is_none();
    let above: Vec<&Arg> = command.get_arguments().filter(|arg| own(arg)).collect();
    if command.get_arguments().any(own) {
        text.push_str(&section("SH", "OPTIONS"));
        text.push_str(&options(command, own)?);
    }
    if command.has_subcommands() {
        text.push_str(&section("SH", "COMMANDS"));
        for sub in shown(command) {
            text.push_str(&entry(sub, name, &above)?);
        }
    }
    for heading in headings(command) {
        text.push_str(&section("SH", &heading.to_uppercase()));
        text.push_str(&options(command, |arg| arg.get_help_heading() == Some(heading))?);
    }

    let mut tail = Roff::new();
    item(&mut tail, "-h, --help", "Print help: -h for a summary, --help with examples.");
    item(&mut tail, "-V, --version", "Print the version.");
    tail.control("SH", ["EXAMPLES"]);
    kept_lines(&mut tail, &command.get_after_help().map(ToString::to_string).unwrap_or_default().replacen("Examples:\n", "", 1));
    tail.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        item(&mut tail, &code.number().to_string(), code.meaning());
    }
    tail.control("SH", ["ENVIRONMENT"]);
    paragraphs(&mut tail, "Flags override the environment, and the environment overrides the configuration file.");
    for (variable, meaning) in
        variables(command).into_iter().chain(notes.environment.iter().map(|(v, m)| ((*v).to_owned(), (*m).to_owned())))
    {
        item(&mut tail, &variable, &meaning);
    }
    if !notes.files.is_empty() {
        tail.control("SH", ["FILES"]);
        for (file, meaning) in notes.files {
            item(&mut tail, file, meaning);
        }
    }
    tail.control("SH", ["SEE ALSO"]);
    tail.text([roman(notes.see_also.join(", "))]);
    text.push_str(&tail.to_roff());
    Ok(text)
}

/// A command and those below it. The options that stand above already are named, not told again.
fn entry(command: &Command, parent: &str, above: &[&Arg]) -> io::Result<String> {
    let path = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        return shown(command).map(|sub| entry(sub, &path, above)).collect();
    }
    let mut head = Roff::new();
    head.control("SS", [path.as_str()]);
    head.text(usage(command, &path));
    head.control("PP", []);
    paragraphs(&mut head, &command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default());
    let mut text = head.to_roff();
    let told = |arg: &Arg| above.iter().any(|known| known.get_id() == arg.get_id());
    if command.get_arguments().any(|arg| !arg.is_hide_set() && !told(arg)) {
        text.push_str(&options(command, |arg| !told(arg))?);
    }
    let again: Vec<String> =
        command.get_arguments().filter(|arg| told(arg)).filter_map(Arg::get_long).map(|long| format!("--{long}")).collect();
    if !again.is_empty() {
        let mut roff = Roff::new();
        roff.control("PP", []);
        roff.text([roman(format!("Takes, as above: {}.", again.join(", ")))]);
        text.push_str(&roff.to_roff());
    }
    text.push_str(&examples(command));
    Ok(text)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The usage line as clap words it, the command in bold.
fn usage(command: &Command, path: &str) -> Vec<Inline> {
    let usage = command.clone().bin_name(path).render_usage().to_string();
    let usage = usage.trim().trim_start_matches("Usage:").trim().to_owned();
    let mut forms = Vec::new();
    for form in usage.lines().map(str::trim) {
        if !forms.is_empty() {
            forms.push(Inline::LineBreak);
        }
        match form.strip_prefix(path) {
            Some(rest) => forms.extend([bold(path), roman(rest)]),
            None => forms.push(roman(form)),
        }
    }
    forms
}

/// The options that are wanted, as clap_mangen sets them, without its headings.
fn options(command: &Command, wanted: impl Fn(&Arg) -> bool) -> io::Result<String> {
    let mut part = Command::new(command.get_name().to_owned()).disable_help_flag(true).disable_version_flag(true);
    part = part.args(command.get_arguments().filter(|arg| wanted(arg)).map(|arg| arg.clone().help_heading(None::<&str>)));
    let mut bytes = Vec::new();
    Man::new(part).render_options_section(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let kept = text.lines().filter(|line| !line.starts_with(".SH ") && !line.starts_with(".ie ") && !line.starts_with(".el "));
    Ok(kept.flat_map(|line| [line, "\n"]).collect())
}

/// The headings of options that all commands share, in the order of their first option.
fn headings(command: &Command) -> Vec<&str> {
    let mut headings = Vec::new();
    for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

/// The variables that stand for flags.
fn variables(command: &Command) -> Vec<(String, String)> {
    let named = |arg: &Arg| {
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        Some((variable, format!("The same as --{}.", arg.get_long()?)))
    };
    command.get_arguments().filter_map(named).collect()
}

/// What stands under the help.
fn examples(command: &Command) -> String {
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        roff.control("PP", []);
        kept_lines(&mut roff, &text.to_string());
    }
    roff.to_roff()
}

/// A text line by line.
fn kept_lines(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn section(kind: &str, title: &str) -> String {
    let mut roff = Roff::new();
    roff.control(kind, [title]);
    roff.to_roff()
}

fn item(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

fn paragraphs(roff: &mut Roff, text: &str) {
    for line in text.lines() {
        if line.trim().is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line)]);
        }
    }
}
