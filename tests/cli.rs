//! The programs as a shell sees them: help, versions, exit codes, what goes to which stream.

#![cfg(feature = "cli")]

use std::{
    fs::File,
    process::{Command, Output, Stdio},
};

const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");
const ALL: [&str; 3] = [CONFCTL, FSHARE, RELAYD];

/// A program that sees nothing of the environment of whoever runs the tests.
fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    for variable in ["SERVER", "USER", "CREDENTIALS", "CA", "HTTP", "RELAY", "CONFIG", "DATA_DIR", "PASSWORD", "PIN", "LOG"] {
        command.env_remove(format!("CONFKIT_{variable}"));
    }
    let nowhere = env!("CARGO_TARGET_TMPDIR");
    command.env("XDG_CONFIG_HOME", nowhere).env("HOME", nowhere).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("the programs print UTF-8");
    Ran { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}

fn run(path: &str, args: &[&str]) -> Ran {
    ran(program(path).args(args).output().expect("the program starts"))
}

fn error_of(err: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(err.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {err}"));
    value["error"].clone()
}

#[test]
fn help_and_version_are_results() {
    for path in ALL {
        for args in [["--help"], ["-h"], ["--version"], ["-V"]] {
            let ran = run(path, &args);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{path} {args:?}");
            assert!(!ran.out.is_empty() && !ran.out.contains('\u{1b}'), "{path} {args:?}: {:?}", ran.out);
        }
        assert!(run(path, &["--version"]).out.ends_with(concat!(" ", env!("CARGO_PKG_VERSION"), "\n")));
        assert!(run(path, &["--help"]).out.contains("Examples:\n"));
    }
}

#[test]
fn help_does_not_show_what_stands_in_the_environment() {
    let help = ran(program(CONFCTL).arg("--help").env("CONFKIT_USER", "mallory").output().expect("it starts")).out;
    assert!(help.contains("CONFKIT_USER") && !help.contains("mallory"));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    for (path, args, told) in [
        (CONFCTL, &["creat", "standup"][..], "'create'"),
        (FSHARE, &["sned"], "'send'"),
        (RELAYD, &["check-conf"], "'check-config'"),
        (CONFCTL, &["create"], "<NAME>"),
        (CONFCTL, &["create", "no such name"], "letters, digits"),
        (CONFCTL, &["create", "standup", "--max", "0"], "--max"),
        (CONFCTL, &["join", "standup", "--codecs", "opus"], "PCMU, PCMA"),
        (CONFCTL, &["mute", "standup"], "<WHO|--all"),
        (CONFCTL, &["mute", "standup", "bob", "--all"], "cannot be used with"),
        (CONFCTL, &["volume", "standup", "bob", "-41"], "from -40 to 40"),
        (CONFCTL, &["join", "standup", "--mic", "tone:loud"], "hertz"),
        (CONFCTL, &["join", "standup", "--for", "soon"], "such as 90s"),
        (CONFCTL, &["watch"], "<NAME|--all"),
        (CONFCTL, &["list", "--server", "http://x"], "sip:127.0.0.1:5060"),
        (CONFCTL, &["list", "--quiet", "--verbose"], "cannot be used with"),
        (RELAYD, &["print-config", "--roles", "swarm"], "later version"),
        (RELAYD, &["print-config", "--listen", "localhost"], "127.0.0.1:5060"),
        (RELAYD, &["--ephemeral", "user", "list"], "after \"relayd run\""),
        (RELAYD, &["run", "--trace-secrets"], "--trace-sip"),
    ] {
        let ran = run(path, args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{path} {args:?}: {}", ran.err);
        assert!(ran.err.contains(told), "{path} {args:?} does not say {told:?}: {}", ran.err);
        assert!(!ran.err.contains('\u{1b}'), "{path} {args:?}: colour in a pipe");
    }
}

#[test]
fn wrong_usage_is_json_for_those_who_asked_for_json() {
    let ran = run(CONFCTL, &["--json", "creat", "standup"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let error = error_of(&ran.err);
    assert_eq!(error["code"], 2);
    assert_eq!(error["kind"], "usage");
    assert_eq!(error["message"], "unrecognized subcommand 'creat'");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("create")), "{error}");
}

#[test]
fn colour_follows_the_flag() {
    let colour = |args: &[&str]| run(CONFCTL, args).err.contains('\u{1b}');
    assert!(colour(&["list", "--color", "always", "--config", "/nonexistent"]));
    assert!(!colour(&["list", "--color", "never", "--config", "/nonexistent"]));
    assert!(!colour(&["list", "--config", "/nonexistent"]), "a pipe is no terminal");
}

#[test]
fn no_command_shows_the_help_and_is_wrong_usage() {
    for path in [CONFCTL, FSHARE] {
        let ran = run(path, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("Usage:"), "{}", ran.err);
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for path in ALL {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let ran = run(path, &["completions", shell]);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{path} {shell}");
            assert!(ran.out.len() > 1000, "{path} {shell}: {}", ran.out);
        }
    }
}

#[test]
fn bash_takes_the_completion_scripts() {
    for path in ALL {
        let name = path.rsplit('/').next().expect("a path");
        let script = format!("source completions/{name}.bash && complete -p {name}");
        let ran = ran(Command::new("bash").args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("bash"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains(&format!("_{name}")), "{}", ran.out);
    }
}

#[test]
fn fshare_says_with_what_its_verbs_arrive() {
    for (verb, with) in [("upload", "the media library"), ("fetch", "the swarm")] {
        let told = run(FSHARE, &[verb, "notes.pdf", "--to", "sip:bob@example.com"]);
        assert_eq!((told.code, told.out.as_str()), (1, ""), "{verb}");
        assert!(told.err.contains(&format!("fshare {verb} is not built yet: arrives with ")) && told.err.contains(with), "{}", told.err);
        let json = error_of(&run(FSHARE, &[verb, "notes.pdf", "--json"]).err);
        assert_eq!((json["code"].as_u64(), json["kind"].as_str()), (Some(1), Some("failed")));
        let help = run(FSHARE, &[verb, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains("not built yet") && help.out.contains(with), "{}", help.out);
    }
}

#[test]
fn a_configuration_with_a_slip_names_the_nearest_key() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("slip.yaml");
    std::fs::write(&file, "sevrer: sip:127.0.0.1\n").expect("a file");
    let ran = ran(program(CONFCTL).args(["list", "--config"]).arg(&file).output().expect("it starts"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean"), "{}", ran.err);
    assert!(ran.err.contains("slip.yaml:1") && ran.err.contains("server"), "{}", ran.err);
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("two-slips.yaml");
    std::fs::write(&file, "rolls: [as]\nmedia:\n  ports: many\n").expect("a file");
    let file = file.to_str().expect("a path");
    let told = run(RELAYD, &["check-config", file]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert!(told.err.starts_with("error: the configuration has 2 problems\n"), "{}", told.err);
    assert!(told.err.contains("two-slips.yaml:1") && told.err.contains("two-slips.yaml:3"), "{}", told.err);
    let error = error_of(&run(RELAYD, &["--json", "check-config", file]).err);
    assert_eq!(error["details"].as_array().map(Vec::len), Some(2), "{error}");
}

#[test]
fn what_print_config_prints_is_a_configuration() {
    let printed =
        ran(program(RELAYD).args(["print-config", "--roles", "ms"]).env("RELAYD_MEDIA_PORTS", "20000-20999").output().expect("it starts"));
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    let line = |key: &str| printed.out.lines().find(|line| line.trim_start().starts_with(key)).map(str::trim_start).unwrap_or_default();
    assert!(line("roles:").ends_with("# --roles"), "{}", printed.out);
    assert_eq!(line("ports:"), "ports: 20000-20999 # $RELAYD_MEDIA_PORTS");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("printed.yaml");
    std::fs::write(&file, &printed.out).expect("a file");
    let checked = run(RELAYD, &["check-config", file.to_str().expect("a path")]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{}", printed.out);

    let json: serde_json::Value = serde_json::from_str(&run(RELAYD, &["--json", "print-config"]).out).expect("JSON");
    let settings = json["settings"].as_array().expect("settings");
    assert!(settings.iter().any(|setting| setting["key"] == "media.ports" && setting["origin"] == "default"), "{json}");
}

#[test]
fn a_missing_configuration_file_is_wrong_usage() {
    let ran = run(CONFCTL, &["list", "--config", "/nonexistent/client.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("/nonexistent/client.yaml"), "{}", ran.err);
}

#[test]
fn a_bad_log_filter_is_wrong_usage() {
    let ran = ran(program(CONFCTL).arg("list").env("CONFKIT_LOG", "confkit=loud").output().expect("it starts"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("CONFKIT_LOG"), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child =
        program(CONFCTL).args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // Closed before the program has written: its first write meets a broken pipe.
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let ran = ran(program(CONFCTL).args(["completions", "bash"]).stdout(full).output().expect("it starts"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("failed to write to standard output"), "{}", ran.err);
}

/// A command that talks to a server which never answers: it has sent its first request when this returns.
fn waiting_command() -> (std::process::Child, std::net::UdpSocket) {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    server.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    let uri = format!("sip:{}", server.local_addr().expect("an address"));
    let mut command = program(CONFCTL);
    command.args(["watch", "standup", "--timeout", "60s", "--server", &uri]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    server.recv(&mut [0; 65536]).expect("the command sends its request");
    (child, server)
}

fn interrupt(child: &std::process::Child) {
    let id = nix::unistd::Pid::from_raw(child.id().try_into().expect("an id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("it runs");
}

#[test]
fn one_ctrl_c_leaves_and_a_second_ends_at_once() {
    use std::io::BufRead as _;

    let (mut child, _server) = waiting_command();
    let mut err = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    interrupt(&child);
    let mut line = String::new();
    err.read_line(&mut line).expect("it says that it leaves");
    assert_eq!(line, "note: leaving; press Ctrl-C again to stop at once\n");
    // What comes twice at once, as from `timeout`, is one; the next is another one.
    let ended = loop {
        match child.try_wait().expect("it is ours") {
            Some(ended) => break ended,
            None => interrupt(&child),
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    };
    assert_eq!(ended.code(), Some(130));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).expect("its errors");
    assert_eq!(rest, "", "it did not wait for the server's answer");
}

#[test]
fn one_ctrl_c_is_enough_even_if_the_server_is_silent() {
    let (child, _server) = waiting_command();
    interrupt(&child);
    let ran = ran(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
}

#[test]
fn a_file_that_is_not_there_ends_with_4_and_is_named() {
    for args in [
        &["join", "standup", "--mic", "/nonexistent/talk.wav"][..],
        &["run", "/nonexistent/smoke.yaml"],
        &["list", "--as", "alice", "--password-file", "/nonexistent/secret"],
        &["list", "--as", "alice", "--credentials", "/nonexistent/credentials.yaml"],
        &["create", "standup", "--pin-file", "/nonexistent/pin"],
        &["join", "standup", "--ca", "/nonexistent/ca.pem"],
    ] {
        let told = run(CONFCTL, args);
        assert_eq!((told.code, told.out.as_str()), (4, ""), "{args:?}: {}", told.err);
        let file = args.last().expect("a file");
        assert!(told.err.contains(file) && told.err.matches("No such file").count() == 1, "{args:?}: {}", told.err);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_with_its_option_before_anything_is_done() {
    for (option, path) in [("--junit", "/nonexistent/j.xml"), ("--report", "/nonexistent/r.html")] {
        let told = run(CONFCTL, &["run", "examples/demo.yaml", option, path]);
        assert_eq!((told.code, told.out.as_str()), (4, ""), "{}", told.err);
        assert!(told.err.contains(option) && told.err.contains(path), "{}", told.err);
    }
    let told = run(CONFCTL, &["join", "standup", "--record", "/nonexistent/x.wav"]);
    assert_eq!((told.code, told.out.as_str()), (4, ""), "{}", told.err);
    assert!(told.err.contains("--record /nonexistent/x.wav"), "{}", told.err);
}

#[test]
fn an_empty_scenario_is_told_by_its_name() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty.yaml");
    std::fs::write(&file, "").expect("a file");
    let told = run(CONFCTL, &["run", file.to_str().expect("a path")]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("empty.yaml") && told.err.contains("steps"), "{}", told.err);
}

#[test]
fn a_configuration_is_checked_as_a_start_checks_it() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("sound.yaml");
    std::fs::write(&file, "media: {ports: 20000-20999}\nstop: {grace: 8}\n").expect("a file");
    let file = file.to_str().expect("a path");
    assert_eq!(run(RELAYD, &["check-config", file]).code, 0);
    assert_eq!(run(RELAYD, &["--config", file, "check-config"]).code, 0, "the global flag names it as well");
    let told = run(RELAYD, &["check-config"]);
    assert!(told.code == 2 && told.err.contains("--config FILE"), "{}", told.err);
    let odd = ran(program(RELAYD).args(["check-config", file]).env("RELAYD_MEDIA_PORTS", "3").output().expect("it starts"));
    assert_eq!(odd.code, 2, "{}", odd.out);
    assert!(odd.err.contains("$RELAYD_MEDIA_PORTS"), "{}", odd.err);
}

#[test]
fn a_flag_with_a_slip_names_the_nearest() {
    let told = run(CONFCTL, &["create", "standup", "--mx", "3"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("'--max'") && !told.err.contains("'-- --mx'"), "{}", told.err);
}

#[test]
fn shells_complete_the_words_that_an_option_takes() {
    let script = run(CONFCTL, &["completions", "bash"]).out;
    for words in ["\"yes no auto\"", "\"PCMU PCMA\""] {
        assert!(script.contains(words), "{words}");
    }
}

/// What a program shows on a terminal of so many columns.
fn shown(columns: u16, mut command: Command) -> String {
    let size = nix::pty::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(Some(&size), None).expect("a terminal");
    let end = || Stdio::from(slave.try_clone().expect("its end"));
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
    // Only the programs hold that end from here on: reading ends with them.
    drop((command, slave));
    let (mut text, mut part, mut master) = (Vec::new(), [0; 4096], File::from(master));
    while let Ok(length @ 1..) = std::io::Read::read(&mut master, &mut part) {
        text.extend_from_slice(&part[..length]);
    }
    child.wait().expect("it ends");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_terminal_that_knows_no_width_gets_each_row_on_one_line() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let mut add = program(RELAYD);
    add.args(["user", "add", "alice", "--data-dir", data]).env("CONFKIT_PASSWORD", "correct horse battery");
    assert_eq!(ran(add.output().expect("it starts")).code, 0);
    let mut list = program(RELAYD);
    list.args(["user", "list", "--color", "never", "--data-dir", data]);
    let text = shown(0, list);
    assert!(text.lines().any(|line| line.starts_with("alice") && line.contains("user")), "{text:?}");
}

#[test]
fn in_the_background_of_a_terminal_nobody_is_asked_and_nothing_is_drawn() {
    let on = |how: &str| {
        let mut shell = program("setsid");
        // A shell with job control, so that its background is a process group of its own.
        shell.args(["-c", "-w", "sh", "-mc", how]).env("CONFCTL", CONFCTL);
        shown(80, shell)
    };
    let text = on("\"$CONFCTL\" list --as alice --server sip:127.0.0.1:9 & wait");
    assert!(text.contains("no password is known for alice") && text.contains("CONFKIT_PASSWORD"), "{text:?}");
    assert!(!text.contains("Password of alice"), "{text:?}");
    let text = on("CONFKIT_PASSWORD=x \"$CONFCTL\" list --as alice --server sip:127.0.0.1:9 & wait");
    assert!(text.contains("nobody answers") && !text.contains("waiting for the server"), "{text:?}");
    let text = on("CONFKIT_PASSWORD=x \"$CONFCTL\" list --as alice --server sip:127.0.0.1:9");
    assert!(text.contains("waiting for the server"), "in the foreground it is: {text:?}");
}
