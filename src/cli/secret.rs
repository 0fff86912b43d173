//! Passwords and PINs: from a file, the environment or a prompt, never from an argument, which every user of the machine can read.

use std::{
    fs,
    io::{self, BufRead as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    account::{Password, Pin},
    channel::Code,
    cli::{ExitCode, Failure, OrFail as _, Output, output::foreground},
};

/// The environment variable that holds a password.
pub const PASSWORD_VARIABLE: &str = "CONFKIT_PASSWORD";
/// The environment variable that holds a conference's PIN.
pub const PIN_VARIABLE: &str = "CONFKIT_PIN";
/// Most bytes read of a file or a prompt; the secrets themselves have tighter bounds.
const MAX_READ: u64 = 4096;

/// `--pin-file`, for the commands that take a PIN.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PinFile {
    /// Read the PIN from the first line of this file (or set CONFKIT_PIN)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub pin_file: Option<PathBuf>,
}

impl PinFile {
    /// The PIN that was given, if one was.
    ///
    /// # Errors
    /// The file cannot be read, or holds no PIN.
    pub fn given(&self) -> Result<Option<Pin>, Failure> {
        let text = match &self.pin_file {
            Some(path) => Some(first_line_of(path)?),
            None => variable(PIN_VARIABLE),
        };
        text.map(|text| text.parse::<Pin>().or_fail(ExitCode::Usage, "read the PIN")).transpose()
    }

    /// The PIN that was given, or else the one that is typed.
    ///
    /// # Errors
    /// As [`PinFile::given`]; or there is nobody to ask.
    pub async fn given_or_asked(&self, prompt: &str, output: &Output, leaving: &CancellationToken) -> Result<Pin, Failure> {
        match self.given()? {
            Some(pin) => Ok(pin),
            None => {
                let typed = ask(prompt, output, leaving).await.map_err(|failure| match failure.code {
                    ExitCode::Usage => failure.hint(format!("use --pin-file FILE or set {PIN_VARIABLE}")),
                    _ => failure,
                })?;
                typed.parse().or_fail(ExitCode::Usage, "read the PIN")
            }
        }
    }
}

/// The password in a file, or in the environment, if one of both is given.
///
/// # Errors
/// The file cannot be read, or holds no password.
pub fn given_password(file: Option<&Path>) -> Result<Option<Password>, Failure> {
    let text = match file {
        Some(path) => Some(first_line_of(path)?),
        None => variable(PASSWORD_VARIABLE),
    };
    text.map(|text| Password::new(&text).or_fail(ExitCode::Usage, "read the password")).transpose()
}

/// Asks for a password.
///
/// # Errors
/// There is nobody to ask (exit code 2), or what was typed is no password.
pub async fn ask_password(prompt: &str, output: &Output, leaving: &CancellationToken) -> Result<Password, Failure> {
    let typed = ask(prompt, output, leaving).await.map_err(|failure| match failure.code {
        ExitCode::Usage => failure.hint(format!("use --password-file FILE or set {PASSWORD_VARIABLE}")),
        _ => failure,
    })?;
    Password::new(&typed).or_fail(ExitCode::Usage, "read the password")
}

fn variable(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(Zeroizing::new)
}

fn first_line_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = fs::File::open(path).and_then(|file| file.take(MAX_READ).read_to_string(&mut text));
    read.map_err(|error| Failure::unreadable(path, &error))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// How often something is asked for that was mistyped.
const TRIES: usize = 3;

/// Asks for the code of a transfer, and again where what is typed is none. It is spent at once: it may be seen.
///
/// # Errors
/// There is nobody to ask, or nothing that was typed is a code.
pub async fn ask_code(output: &Output, leaving: &CancellationToken) -> Result<Code, Failure> {
    let mut tries = 0;
    loop {
        let typed = ask_openly("Code:", output, leaving).await.map_err(|failure| match failure.code {
            ExitCode::Usage => Failure::usage("no code was given, and there is no terminal to ask for one")
                .hint("give it as an argument: fshare recv 7-crystal-window"),
            _ => failure,
        })?;
        tries += 1;
        match typed.parse::<Code>() {
            Ok(code) => return Ok(code),
            Err(error) if tries < TRIES => output.warn(format!("that is not a valid code: {error}")),
            Err(error) => return Err(Failure::usage(format!("that is not a valid code: {error}"))),
        }
    }
}

/// Asks which of several it is to be, by the first letter of each; none where the answers are others.
///
/// # Errors
/// There is nobody to ask.
pub async fn choose<T: Copy>(
    question: &str,
    choices: &[(char, T)],
    output: &Output,
    leaving: &CancellationToken,
) -> Result<Option<T>, Failure> {
    for _ in 0..TRIES {
        let typed = ask_openly(question, output, leaving).await?;
        let first = typed.trim().chars().next().map(|letter| letter.to_ascii_lowercase());
        if let Some((_, chosen)) = choices.iter().find(|(letter, _)| Some(*letter) == first) {
            return Ok(Some(*chosen));
        }
        let letters: Vec<String> = choices.iter().map(|(letter, _)| letter.to_string()).collect();
        output.warn(format!("answer with one of {}", letters.join(", ")));
    }
    Ok(None)
}

/// Whether anybody can be asked: on a terminal that is ours, without `--json` and `-q`.
pub fn somebody(output: &Output) -> bool {
    output.is_lively() && foreground(&io::stderr()) && fs::File::options().read(true).write(true).open("/dev/tty").is_ok()
}

/// Asks for a yes or a no; nothing typed, or three times something else, is a no.
///
/// # Errors
/// There is nobody to ask.
pub async fn agrees(question: &str, output: &Output, leaving: &CancellationToken) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let typed = ask_openly(&format!("{question}? [y/N]"), output, leaving).await.map_err(|failure| match failure.code {
            ExitCode::Usage => Failure::usage("there is no terminal to ask on").hint("use --yes"),
            _ => failure,
        })?;
        match typed.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

async fn ask(prompt: &str, output: &Output, leaving: &CancellationToken) -> Result<Zeroizing<String>, Failure> {
    ask_terminal(&format!("{prompt}:"), output, leaving, false).await
}

async fn ask_openly(prompt: &str, output: &Output, leaving: &CancellationToken) -> Result<Zeroizing<String>, Failure> {
    ask_terminal(prompt, output, leaving, true).await
}

/// Asks on the terminal; `shown` says whether what is typed is. It is the terminal itself that is asked, so that standard input stays free.
async fn ask_terminal(prompt: &str, output: &Output, leaving: &CancellationToken, shown: bool) -> Result<Zeroizing<String>, Failure> {
    let nobody = || Failure::usage("a secret is needed, and there is no terminal to ask for it");
    // Asked in the background, the terminal's answers would be somebody else's.
    if !output.is_lively() || !foreground(&io::stderr()) {
        return Err(nobody());
    }
    let mut terminal = fs::File::options().read(true).write(true).open("/dev/tty").map_err(|_| nobody())?;
    write!(terminal, "{prompt} ").or_fail(ExitCode::Failed, "write to the terminal")?;
    let _quiet = if shown { None } else { Some(Unechoed::begin(&terminal)?) };
    // Reading blocks; when somebody presses Ctrl-C instead, the thread is left behind and the program ends.
    let reader = terminal.try_clone().or_fail(ExitCode::Failed, "read from the terminal")?;
    let read = tokio::task::spawn_blocking(move || -> io::Result<Zeroizing<String>> {
        let mut line = Zeroizing::new(String::new());
        io::BufReader::new(reader.take(MAX_READ)).read_line(&mut line)?;
        Ok(line)
    });
    let typed = tokio::select! {
        typed = read => typed.or_fail(ExitCode::Failed, "read from the terminal")?.or_fail(ExitCode::Failed, "read from the terminal")?,
        () = leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    };
    // Ctrl-D: whoever is there has no answer.
    if typed.is_empty() {
        let _ = writeln!(terminal);
        return Err(Failure::silent(ExitCode::Interrupted));
    }
    Ok(Zeroizing::new(typed.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unechoed {
    terminal: fs::File,
    before: Termios,
}

impl Unechoed {
    fn begin(terminal: &fs::File) -> Result<Self, Failure> {
        let terminal = terminal.try_clone().or_fail(ExitCode::Failed, "read from the terminal")?;
        let before = tcgetattr(&terminal).or_fail(ExitCode::Failed, "read the terminal's settings")?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet).or_fail(ExitCode::Failed, "stop the terminal's echo")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
        // The line end that was typed was not shown either.
        let _ = writeln!(self.terminal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_file_is_read_to_its_first_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        fs::write(&path, "4711\nrest\n").unwrap();
        let file = PinFile { pin_file: Some(path.clone()) };
        assert_eq!(file.given().unwrap().unwrap().reveal(), "4711");

        fs::write(&path, "secret\n").unwrap();
        let failure = file.given().unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(!failure.message.contains("secret"), "{failure}");
    }

    #[test]
    fn a_missing_password_file_is_not_found() {
        let failure = given_password(Some(Path::new("/nonexistent/password"))).unwrap_err();
        assert_eq!(failure.code, ExitCode::NotFound);
        assert!(failure.message.contains("/nonexistent/password"), "{failure}");
    }

    #[tokio::test]
    async fn without_a_terminal_nobody_is_asked() {
        let look =
            crate::cli::output::Look { json: false, quiet: false, terminal: false, colour: false, colour_errors: false, lively: false };
        let output = Output::on(look, Box::new(io::sink()), Box::new(io::sink()));
        let failure = ask_password("Password", &output, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(failure.hint.unwrap().contains("--password-file"));
    }
}
