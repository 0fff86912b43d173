//! Where the terminals of a user are found: a folder that is his alone, with a socket for each.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::wire::{MAX_LINE, Reply, Request};
use crate::{
    cli::{ExitCode, Failure, OrFail as _, scenario::model::Name, settings::environment},
    config::ValueError,
};

/// How a terminal's socket is named in its folder.
const ENDING: &str = ".sock";
/// The verbs that stand in a terminal's place on the command line.
const VERBS: [&str; 4] = ["start", "stop", "list", "help"];

/// The name of a terminal in the background: as in scenarios, and none of the verbs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UaName(Name);

impl UaName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for UaName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if VERBS.contains(&text) {
            return Err(format!("a terminal cannot be called {text}"));
        }
        text.parse().map(Self).map_err(|why: ValueError| why.to_string())
    }
}

impl fmt::Display for UaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The folder, made where it is not there: of the user's session, else of his in the system's temporary folder.
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub fn folder() -> Result<PathBuf, Failure> {
    let user = nix::unistd::geteuid();
    let environment = environment();
    let session = environment.iter().find(|(name, value)| name == "XDG_RUNTIME_DIR" && !value.is_empty());
    let folder = match session {
        Some((_, session)) => Path::new(session).join("confkit"),
        None => std::env::temp_dir().join(format!("confkit-{user}")),
    };
    let what = || format!("make the folder {}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).or_fail(ExitCode::Failed, what()),
    }
    let found = fs::symlink_metadata(&folder).or_fail(ExitCode::Failed, what())?;
    if !found.is_dir() || found.uid() != user.as_raw() || found.mode() & 0o077 != 0 {
        return Err(Failure::new(ExitCode::Denied, format!("{} is not a folder of this user's alone", folder.display()))
            .hint("remove it, or set XDG_RUNTIME_DIR"));
    }
    Ok(folder)
}

/// Where a terminal's socket is.
pub fn socket(folder: &Path, name: &UaName) -> PathBuf {
    folder.join(format!("{name}{ENDING}"))
}

/// Where what a terminal has to say beside goes.
pub fn log(folder: &Path, name: &UaName) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// The names of all terminals of which there is a socket; one may be dead.
///
/// # Errors
/// The folder cannot be read.
pub fn names(folder: &Path) -> Result<Vec<UaName>, Failure> {
    let entries = fs::read_dir(folder).or_fail(ExitCode::Failed, format_args!("read {}", folder.display()))?;
    let sockets = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let named = |name: &std::ffi::OsStr| name.to_str()?.strip_suffix(ENDING)?.parse().ok();
    let mut names: Vec<UaName> = sockets.filter_map(|entry| named(&entry.file_name())).collect();
    names.sort_unstable();
    Ok(names)
}

/// Listens on a terminal's socket; one that a dead terminal has left is taken over.
///
/// # Errors
/// A terminal of this name runs (5).
pub async fn listen(folder: &Path, name: &UaName) -> Result<UnixListener, Failure> {
    let path = socket(folder, name);
    match UnixStream::connect(&path).await {
        Ok(_) => return Err(taken(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Nobody listens there any more.
        Err(_) => fs::remove_file(&path).or_fail(ExitCode::Failed, format_args!("remove {}", path.display()))?,
    }
    match UnixListener::bind(&path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(taken(name)),
        bound => bound.or_fail(ExitCode::Failed, format_args!("listen on {}", path.display())),
    }
}

/// A terminal of this name runs.
pub fn taken(name: &UaName) -> Failure {
    Failure::new(ExitCode::Conflict, format!("a terminal {name} runs already")).hint(format!("confctl ua stop {name}"))
}

/// Says something to a terminal, and waits for the reply.
///
/// # Errors
/// There is no such terminal (4); it does not answer in time (7); what it says.
pub async fn ask(folder: &Path, name: &UaName, request: &Request, patience: Duration) -> Result<Reply, Failure> {
    let path = socket(folder, name);
    let mut stream = UnixStream::connect(&path).await.map_err(|_| {
        Failure::new(ExitCode::NotFound, format!("no terminal {name} runs")).hint(format!("confctl ua list, confctl ua start {name}"))
    })?;
    let line = serde_json::to_string(request).or_fail(ExitCode::Failed, "ask the terminal")?;
    let asked = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut reply = String::new();
        BufReader::new(&mut stream).take(MAX_LINE).read_line(&mut reply).await?;
        Ok::<_, io::Error>(reply)
    };
    let silent =
        || Failure::new(ExitCode::Unreachable, format!("the terminal {name} did not answer in {}", humantime::format_duration(patience)));
    let reply = timeout(patience, asked).await.map_err(|_| silent())?.or_fail(ExitCode::Failed, format_args!("ask the terminal {name}"))?;
    if reply.is_empty() && *request == Request::Stop {
        return Ok(Reply::Done);
    }
    let reply: Reply = serde_json::from_str(&reply).or_fail(ExitCode::Failed, format_args!("understand the terminal {name}"))?;
    reply.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_verbs_and_no_paths() {
        for name in ["bob", "b-1.x_y"] {
            assert_eq!(name.parse::<UaName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "list", "../bob", ".bob", "a/b", "bob smith", &"x".repeat(33)] {
            assert!(name.parse::<UaName>().is_err(), "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_taken_over_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let name: UaName = "bob".parse().unwrap();
        drop(listen(folder.path(), &name).await.unwrap());
        assert_eq!(names(folder.path()).unwrap(), std::slice::from_ref(&name));
        let request = Request::Status;
        let dead = ask(folder.path(), &name, &request, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(dead.code, ExitCode::NotFound);
        let _listener = listen(folder.path(), &name).await.unwrap();
        assert_eq!(listen(folder.path(), &name).await.unwrap_err().code, ExitCode::Conflict);
    }
}
