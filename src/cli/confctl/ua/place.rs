//! Where the terminals of a user are found: a folder that is his alone, with a socket for each.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
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
/// How the file is named that a terminal holds locked as long as it runs. It stays: who removed it could not know who has just opened it.
const LOCK: &str = ".lock";
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
        return Err(Failure::new(ExitCode::Denied, format!("{} is not a folder that only you can use", folder.display()))
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

/// A terminal's place: its socket, and the lock without which nobody else of its name comes to be. Dropped, both are free.
#[derive(Debug)]
pub struct Place {
    /// Where it listens.
    pub listener: UnixListener,
    socket: PathBuf,
    _lock: fs::File,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The lock is still ours, and so is the socket; one without a terminal is taken over by the next one all the same.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Listens on a terminal's socket; one that a dead terminal has left is taken over. Of several who want it at the same time, one gets it.
///
/// # Errors
/// A terminal of this name runs (5).
pub fn listen(folder: &Path, name: &UaName) -> Result<Place, Failure> {
    let path = folder.join(format!("{name}{LOCK}"));
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = lock.or_fail(ExitCode::Failed, format_args!("open {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(taken(name)),
        Err(fs::TryLockError::Error(error)) => return Err(error).or_fail(ExitCode::Failed, format_args!("lock {}", path.display())),
    }
    let socket = socket(folder, name);
    // Whoever listened there is dead: it had the lock.
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).or_fail(ExitCode::Failed, format_args!("remove {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&socket).or_fail(ExitCode::Failed, format_args!("listen on {}", socket.display()))?;
    Ok(Place { listener, socket, _lock: lock })
}

/// A terminal of this name runs.
pub fn taken(name: &UaName) -> Failure {
    Failure::new(ExitCode::Conflict, format!("a terminal {name} is already running")).hint(format!("confctl ua stop {name}"))
}

/// Says something to a terminal, and waits for the reply.
///
/// # Errors
/// There is no such terminal (4); it does not answer in time (7); what it says.
pub async fn ask(folder: &Path, name: &UaName, request: &Request, patience: Duration) -> Result<Reply, Failure> {
    let path = socket(folder, name);
    let mut stream = UnixStream::connect(&path).await.map_err(|_| {
        Failure::new(ExitCode::NotFound, format!("no terminal {name} is running"))
            .hint(format!("list them with confctl ua list, or start it with confctl ua start {name}"))
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

    /// A socket that nobody listens on any more, as a killed terminal leaves it.
    fn stale(folder: &Path, name: &UaName) {
        drop(std::os::unix::net::UnixListener::bind(socket(folder, name)).unwrap());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_taken_over_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let name: UaName = "bob".parse().unwrap();
        stale(folder.path(), &name);
        assert_eq!(names(folder.path()).unwrap(), std::slice::from_ref(&name));
        let request = Request::Status;
        let dead = ask(folder.path(), &name, &request, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(dead.code, ExitCode::NotFound);
        let place = listen(folder.path(), &name).unwrap();
        assert_eq!(listen(folder.path(), &name).unwrap_err().code, ExitCode::Conflict);
        drop(place);
        assert_eq!(names(folder.path()).unwrap(), [], "it leaves nothing to be taken over");
        listen(folder.path(), &name).unwrap();
    }

    #[tokio::test]
    async fn of_many_who_want_a_stale_socket_at_once_one_gets_it_and_is_heard_there() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let name: UaName = "bob".parse().unwrap();
            stale(folder.path(), &name);
            let start = std::sync::Barrier::new(8);
            let runtime = tokio::runtime::Handle::current();
            let places: Vec<_> = std::thread::scope(|scope| {
                let one = || {
                    let _inside = runtime.enter();
                    start.wait();
                    listen(folder.path(), &name)
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (got, refused): (Vec<_>, Vec<_>) = places.into_iter().partition(Result::is_ok);
            assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(|failure| failure.code == ExitCode::Conflict)));
            let [Ok(place)] = &got[..] else { panic!("{} got it", got.len()) };
            let (connected, accepted) = tokio::join!(UnixStream::connect(socket(folder.path(), &name)), place.listener.accept());
            assert!(connected.is_ok() && accepted.is_ok());
        }
    }
}
