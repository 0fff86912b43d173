//! The shape of `src/`: what may name what, what may touch the world, and how large a file may grow.
//!
//! Whoever edits the tables below edits the architecture (`docs/ARCHITECTURE.md`). The checks read text: they see `crate::`, `super::` and
//! imports in braces, not what a macro or an alias hides. A fence, not a proof.
//!
//! `cargo test --test layers -- --nocapture` prints the sizes, the share of pure code, and the largest files.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

/// The floors, ground up. A module names itself and what stands on lower floors; those on one floor do not know one another, but for
/// [`NEIGHBOURS`].
const FLOORS: &[&[&str]] = &[
    &["id", "clock"],
    &["sip", "sdp", "media", "transfer", "store", "account"],
    &["conference"],
    &["fileshare", "board", "channel", "library", "swarm"],
    &["config"],
    &["web"],
    &["daemon", "fuzzing"],
    &["cli"],
    &["bin"],
];

/// Who may name whom on one floor: the left the right.
const NEIGHBOURS: &[(&str, &str)] = &[];

/// The files that may touch sockets, clocks, entropy, disks, threads: shells. Everything else in `src/` is pure, `server/` and `client/` rooms
/// included but for the file that drives them. A name that ends in `/` is a folder.
const SHELLS: &[(&str, &str)] = &[
    ("src/clock.rs", "the one place that samples clocks and entropy"),
    ("src/account/credentials.rs", "reads and writes the credentials file"),
    ("src/config/file.rs", "reads a configuration file"),
    ("src/sip/node/drive.rs", "the loop around a node"),
    ("src/sip/transport/", "sockets, streams, TLS, traces"),
    ("src/media/io/", "media sockets and the tick"),
    ("src/store/", "the database"),
    ("src/transfer/disk.rs", "room on disks, and the syncing of folders"),
    ("src/transfer/resume/", "the files of resume records"),
    ("src/transfer/source/", "reads what is sent"),
    ("src/transfer/spool/", "the file between a writer and its readers"),
    ("src/transfer/sink/", "writes what is received"),
    ("src/conference/media_server/engine/", "the media threads"),
    ("src/conference/called/run.rs", "runs media servers and file servers"),
    ("src/conference/media_server/server.rs", "runs the media server"),
    ("src/conference/server/run.rs", "runs the application server"),
    ("src/conference/client/session.rs", "runs a client's machine over real transports"),
    ("src/conference/client/participant.rs", "joins a running terminal to its audio"),
    ("src/conference/client/media.rs", "a terminal's media thread"),
    ("src/conference/client/media/host.rs", "its sockets and clocks"),
    ("src/conference/client/media/recording.rs", "writes recordings"),
    ("src/fileshare/file_server/engine/", "listening sockets, TLS, the store"),
    ("src/fileshare/file_server/server.rs", "runs the file server"),
    ("src/fileshare/client/transfers/", "a task for each transfer"),
    ("src/fileshare/client/shell/", "a terminal's ports, sockets, source and sink"),
    ("src/channel/link.rs", "the socket between a terminal and a relay, with TLS or without"),
    ("src/channel/server/", "the relay's sockets, and the copying"),
    ("src/channel/client/", "a terminal's connections to a relay, source and sink"),
    ("src/fuzzing/", "feeds the parsers, with the clock that some want"),
    ("src/daemon/", "builds, runs and drains everything"),
    ("src/cli/", "the programs"),
    ("src/bin/", "the programs"),
];

/// Pure files in the folders of shells.
const PURE_WITHIN: &[&str] = &[
    "src/channel/client/direct/addresses.rs",
    "src/channel/client/fault.rs",
    "src/channel/client/sealed.rs",
    "src/channel/server/memory.rs",
    "src/transfer/source/buffers.rs",
    "src/transfer/source/digests.rs",
];

/// What a pure file does not mention.
const WORLD: &[&str] = &[
    "tokio::",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "socket2::",
    "nix::",
    "libc::",
    "std::fs",
    "fs::",
    "std::env",
    "env::var",
    "std::thread",
    "thread::",
    "std::process",
    "Instant::now",
    "SystemTime::now",
    "crate::clock",
    "clock::now",
    "clock::wall",
    "clock::seed",
    "rand::rng",
    "SysRng",
    "OsRng",
    "SystemRandom",
    "std::io::stdin",
    "tempfile::",
    "sqlx::",
];

/// Only the programs and the daemon may blur an error into text.
const BLURS: &str = "anyhow";
/// Who may.
const MAY_BLUR: &[&str] = &["cli", "daemon"];

/// Names that say nothing, and so attract everything.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "imp", "stuff"];

/// Production lines of a file: comments and blanks count, tests do not.
const CAP: usize = 800;
/// From here on, think of a split.
const SPLIT: usize = 500;

/// A source file with what the checks need.
struct Source {
    /// `src/sip/message/uri.rs`
    path: String,
    /// `["sip", "message", "uri"]`
    module: Vec<String>,
    /// The production part with comments and literals blanked out, line by line.
    code: Vec<String>,
    /// Lines of the production part, comments and blanks included.
    lines: usize,
}

impl Source {
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn is_shell(&self) -> bool {
        let within = |path: &&str| self.path == **path;
        SHELLS.iter().any(|(shell, _)| self.path.starts_with(shell)) && !PURE_WITHIN.iter().any(within)
    }

    /// Lines with code on them.
    fn code_lines(&self) -> usize {
        self.code.iter().filter(|line| !line.trim().is_empty()).count()
    }
}

#[test]
fn modules_name_only_what_stands_below_them() {
    let mut wrong = String::new();
    for source in sources() {
        let Some(floor) = floor_of(source.top()) else { continue };
        for (line, named) in named_modules(&source) {
            let Some(theirs) = floor_of(&named) else { continue };
            let neighbour = NEIGHBOURS.contains(&(source.top(), named.as_str()));
            if named != source.top() && theirs >= floor && !neighbour {
                let _ = writeln!(wrong, "{}:{line}: {} names {named}, which does not stand below it", source.path, source.top());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_module_has_a_floor() {
    for source in sources() {
        let top = source.top();
        assert!(top == "lib" || floor_of(top).is_some(), "{}: give {top} a floor in FLOORS", source.path);
    }
}

#[test]
fn pure_files_do_not_touch_the_world() {
    let mut wrong = String::new();
    for source in sources().iter().filter(|source| !source.is_shell()) {
        for (at, line) in source.code.iter().enumerate() {
            for word in WORLD.iter().filter(|word| mentions(line, word)) {
                let _ = writeln!(wrong, "{}:{}: {word} in a pure file", source.path, at + 1);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A clock that is set in the middle of a transfer changes nothing: what waits, waits by the clock that only goes on. The time of day is for tickets
/// (`account::ticket`), for what is kept for days, and for what is shown.
#[test]
fn nothing_in_a_channel_goes_by_the_time_of_day() {
    let mut looked = 0;
    for source in sources().iter().filter(|source| source.top() == "channel") {
        looked += 1;
        for word in ["SystemTime", "clock::wall", "wall"] {
            let line = source.code.iter().position(|line| mentions(line, word));
            assert_eq!(line, None, "{}: {word}", source.path);
        }
    }
    assert!(looked > 40, "{looked} files");
}

#[test]
fn errors_keep_their_types_below_the_programs() {
    for source in sources().iter().filter(|source| !MAY_BLUR.contains(&source.top())) {
        let line = source.code.iter().position(|line| mentions(line, BLURS));
        assert_eq!(line, None, "{}: {BLURS} is for {MAY_BLUR:?}", source.path);
    }
}

#[test]
fn names_say_something() {
    for source in sources() {
        let empty = source.module.iter().find(|name| EMPTY_NAMES.contains(&name.as_str()));
        assert_eq!(empty, None, "{}: name it for what it does", source.path);
    }
}

#[test]
fn files_stay_small_enough_to_be_read() {
    let sources = sources();
    let grown: Vec<String> = sources.iter().filter(|s| s.lines > CAP).map(|s| format!("{} ({} lines)", s.path, s.lines)).collect();
    assert!(grown.is_empty(), "over {CAP} production lines, split by verb: {grown:?}");
}

#[test]
fn no_shell_is_named_in_vain() {
    let sources = sources();
    for (shell, why) in SHELLS.iter().filter(|(shell, _)| !["src/daemon/", "src/bin/"].contains(shell)) {
        let touches = |source: &Source| source.code.iter().any(|line| WORLD.iter().any(|word| mentions(line, word)));
        assert!(sources.iter().any(|s| s.path.starts_with(shell) && touches(s)), "{shell} ({why}) touches nothing: it can be pure");
    }
}

/// Not a claim but the figures: see them with `--nocapture`.
#[test]
fn the_sizes_are_reported() {
    let mut sources = sources();
    let lines = |shell: bool| sources.iter().filter(|s| s.is_shell() == shell).map(Source::code_lines).sum::<usize>();
    let programs: usize = sources.iter().filter(|s| matches!(s.top(), "cli" | "bin")).map(Source::code_lines).sum();
    let (pure, shell) = (lines(false), lines(true) - programs);
    println!("lines of code, without comments, blanks and tests:");
    println!("  pure      {pure:6}");
    println!("  shell     {shell:6}   {:.1} lines of pure code to one of shell", pure as f64 / shell.max(1) as f64);
    println!("  programs  {programs:6}   (command lines, output)");

    let mut rooms: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for source in &sources {
        let room = rooms.entry(source.top()).or_default();
        if source.is_shell() { room.1 += source.code_lines() } else { room.0 += source.code_lines() }
    }
    println!("by module (pure, shell):");
    rooms.iter().for_each(|(room, (pure, shell))| println!("  {room:12} {pure:6} {shell:6}"));

    sources.sort_by_key(|source| std::cmp::Reverse(source.lines));
    println!("largest files (production lines, comments included):");
    sources
        .iter()
        .take(12)
        .for_each(|s| println!("  {:5}  {}{}", s.lines, s.path, if s.lines > SPLIT { "   <- think of a split" } else { "" }));
    assert!(pure > 0, "no pure code was found: the reader of src/ is broken");
}

#[test]
fn the_reader_sees_imports_in_braces_and_climbing_paths() {
    let text = "use crate::{\n    id::X,\n    cli::{exit, output},\n};\n/* crate::no */ // crate::no\nlet s = \"crate::no\"; super::super::daemon::go();\n";
    let source = Source { path: String::new(), module: vec!["sip".into(), "uri".into()], code: blanked(text), lines: 0 };
    let named: Vec<(usize, String)> = named_modules(&source);
    assert_eq!(named, [(1, "id".to_owned()), (1, "cli".to_owned()), (6, "daemon".to_owned())]);
}

#[test]
fn the_reader_skips_comments_literals_and_tests() {
    let text = "let a = 'x'; // tokio::\nlet b: &'static str = r#\"tokio:: \" \"#;\n/* tokio:: /* tokio:: */\n tokio:: */ let c = \"\\\"tokio::\";\nlet d = b'\"'; tokio::x";
    let seen: Vec<usize> = blanked(text).iter().enumerate().filter(|(_, l)| l.contains("tokio::")).map(|(at, _)| at + 1).collect();
    assert_eq!(seen, [5]);
    assert!(mentions("use std::fs;", "std::fs") && mentions("fs::read", "fs::") && !mentions("buffs::read", "fs::"));
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The word, not as the tail of a longer one.
fn mentions(line: &str, word: &str) -> bool {
    let joined = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(joined);
        let after = word.ends_with(joined) && line[at + word.len()..].chars().next().is_some_and(joined);
        !before && !after
    })
}

/// The modules of the crate's root that a file names, with the line where the path starts.
fn named_modules(source: &Source) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let text = source.code.join("\n");
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    for (at, start) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        named.extend(heads(&text[at + start.len()..]).into_iter().map(|head| (line_of(at), head)));
    }
    // `super::` repeated: as many steps up as the file stands deep lead out of its top module.
    let climb = "super::".repeat(source.module.len());
    for (at, _) in text.match_indices(&climb) {
        if !text[..at].ends_with("super::") {
            named.extend(heads(&text[at + climb.len()..]).into_iter().map(|head| (line_of(at), head)));
        }
    }
    named
}

/// The first names of a path, or of each path in braces.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut from, mut found) = (0usize, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(name(&list[from..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(name(&list[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Every file of `src/` that is not a test, in order.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![root.join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src/ can be read") {
            let path = entry.expect("src/ can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.extend(read(root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: &Path) -> Option<Source> {
    let path_text = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    let mut module: Vec<String> = path_text.trim_start_matches("src/").trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.iter().any(|name| name == "tests") {
        return None;
    }
    if module.last().is_some_and(|name| name == "mod" || name == "lib") {
        module.pop();
    }
    let text = fs::read_to_string(path).expect("a source file can be read");
    let production: String = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).flat_map(|line| [line, "\n"]).collect();
    Some(Source { path: path_text, module, code: blanked(&production), lines: production.lines().count() })
}

/// The text with comments, strings and characters replaced by spaces; lines stay where they are.
fn blanked(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let keep_lines = |part: &[char]| part.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }).collect::<String>();
    while at < chars.len() {
        let end = skip(&chars, at);
        if end > at {
            out.push_str(&keep_lines(&chars[at..end]));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out.lines().map(str::to_owned).collect()
}

/// Where the comment or literal that starts here ends; here, if none does.
fn skip(chars: &[char], at: usize) -> usize {
    let is = |offset: usize, c: char| chars.get(at + offset) == Some(&c);
    let to = |end: usize| end.min(chars.len());
    if is(0, '/') && is(1, '/') {
        return to(at + chars[at..].iter().take_while(|c| **c != '\n').count());
    }
    if is(0, '/') && is(1, '*') {
        let (mut depth, mut i) = (0usize, at);
        while i < chars.len() {
            match (chars[i], chars.get(i + 1)) {
                ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
                ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
                _ => i += 1,
            }
            if depth == 0 {
                break;
            }
        }
        return to(i);
    }
    let in_word = at > 0
        && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
        && !(chars[at - 1] == 'b' && at > 1 && !chars[at - 2].is_alphanumeric());
    if is(0, 'r') && !in_word {
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if is(1 + hashes, '"') {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let body = at + 2 + hashes;
            let found = chars[to(body)..].windows(close.len()).position(|window| window == close);
            return found.map_or(chars.len(), |offset| body + offset + close.len());
        }
    }
    if is(0, '"') {
        return quoted(chars, at, '"');
    }
    // A character, not a lifetime: closed by a quote one place on, or escaped.
    if is(0, '\'') && (is(1, '\\') || is(2, '\'')) {
        return quoted(chars, at, '\'');
    }
    at
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut i = at + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}
