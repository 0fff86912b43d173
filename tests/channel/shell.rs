//! What a shell and a camera make of a code.

use super::*;

#[test]
fn a_code_is_shown_to_cameras_where_that_is_asked_for_and_never_in_json() {
    let world = World::new("channel-qr");
    fs::write(world.place.path("notes.txt"), b"notes").expect("written");
    for (args, shown) in
        [(&["send", "notes.txt", "--qr"][..], true), (&["send", "notes.txt"], false), (&["--json", "send", "notes.txt", "--qr"], false)]
    {
        let mut child = begin(world.fshare(args).stdin(Stdio::null()));
        let mut output = events(&mut child);
        let (mut text, mut line) = (String::new(), String::new());
        while text.lines().count() < if shown { 12 } else { args.len() - 1 } && output.read_line(&mut line).expect("text") > 0 {
            text.push_str(&std::mem::take(&mut line));
            if args[0] == "--json" {
                break;
            }
        }
        assert_eq!(text.contains(['\u{2580}', '\u{2584}', '\u{2588}']), shown, "{text}");
        child.kill().expect("killed");
        child.wait().expect("waited for");
    }
}

/// The words that bash offers behind a line, by the script that is installed.
fn offered(line: &[&str]) -> Option<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/fshare.bash");
    let programs = Path::new(env!("CARGO_BIN_EXE_fshare")).parent().expect("a folder");
    let ask = r#"source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
        handler=$(complete -p fshare); handler=${handler#*-F }; handler=${handler%% *}
        "${handler}" fshare "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
        printf '%s\n' "${COMPREPLY[@]}""#;
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let mut bash = command("bash");
    let told = bash.env("PATH", path).args(["--norc", "-c", ask, "bash"]).arg(script).args(line).output().ok()?;
    Some(String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).filter(|word| !word.is_empty()).collect())
}

#[test]
fn bash_completes_the_words_of_a_code_and_everything_else_as_before() {
    let Some(words) = offered(&["fshare", "recv", "7-cry"]) else {
        return not_shown("this machine has no bash, whose completion it is");
    };
    assert_eq!(words, ["7-cry", "7-crystal"]);
    assert_eq!(offered(&["fshare", "--json", "recv", "--yes", "7-crystal-windo"]).expect("bash"), ["7-crystal-window"]);
    assert_eq!(offered(&["fshare", "recv", "7-crystal-xyz"]).expect("bash"), [""; 0]);
    assert!(offered(&["fshare", "recv", "--relay-o"]).expect("bash").contains(&"--relay-only".to_owned()));
    assert!(offered(&["fshare", "re"]).expect("bash").contains(&"recv".to_owned()));
    // A number alone is a file elsewhere.
    assert!(!offered(&["fshare", "send", "7-cry"]).expect("bash").contains(&"7-crystal".to_owned()));
}
