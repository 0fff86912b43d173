//! The credentials file: a YAML map of user to password, mode 0600, where `--as NAME` looks.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use super::{Password, PasswordError};
use crate::id::{IdError, UserName};

/// Longest credentials file, in bytes; a longer one is refused.
pub const MAX_CREDENTIALS_FILE: u64 = 1 << 20;

/// Why credentials could not be read or written. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("cannot access the credentials file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the credentials file {} can be read by others (mode {mode:03o}): chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Larger than [`MAX_CREDENTIALS_FILE`].
    #[error("the credentials file {} is larger than {MAX_CREDENTIALS_FILE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a YAML map of names to texts.
    #[error("the credentials file {} is not a map of user to password{}", path.display(), line.map(|n| format!(" (line {n})")).unwrap_or_default())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, from 1, where that is known.
        line: Option<usize>,
    },
    /// The password of a user is not written as text: YAML takes `1234` for a number.
    #[error("in the credentials file {} the password of {user} is not a text: put it in quotes", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Whose password.
        user: UserName,
    },
    /// A name that no user can have.
    #[error("in the credentials file {}: {source}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: IdError,
    },
    /// A password that no user can have.
    #[error("in the credentials file {} for {user}: {source}", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// Whose password.
        user: UserName,
        /// Why not.
        source: PasswordError,
    },
}

/// Users and their passwords, for clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<UserName, Password>);

impl Credentials {
    /// Reads a file that nobody but its owner may read.
    ///
    /// # Errors
    /// It is missing, readable by others, too large, or not a map of user to password.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let io = |source| CredentialsError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(io)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(CredentialsError::Exposed { path: path.to_owned(), mode });
            }
        }
        let mut text = String::new();
        file.take(MAX_CREDENTIALS_FILE + 1).read_to_string(&mut text).map_err(io)?;
        if text.len() as u64 > MAX_CREDENTIALS_FILE {
            return Err(CredentialsError::TooLarge { path: path.to_owned() });
        }
        Self::parse(&text, path)
    }

    /// Reads a text; `path` stands in the errors.
    ///
    /// # Errors
    /// It is not a map of user to password.
    pub fn parse(text: &str, path: &Path) -> Result<Self, CredentialsError> {
        // Through a Value: the messages of a typed read would repeat what they did not like, and that may be a password.
        let form = |line| CredentialsError::Form { path: path.to_owned(), line };
        let value: Value = serde_yaml::from_str(text).map_err(|error| form(error.location().map(|l| l.line())))?;
        let map = match value {
            Value::Mapping(map) => map,
            Value::Null => return Ok(Self::default()),
            _ => return Err(form(Some(1))),
        };
        let mut credentials = Self::default();
        for (name, password) in map {
            let name = match name {
                Value::String(name) => name,
                // A telephone number as user name reads as a number.
                Value::Number(number) => number.to_string(),
                _ => return Err(form(None)),
            };
            let user: UserName = name.parse().map_err(|source| CredentialsError::Name { path: path.to_owned(), source })?;
            let Value::String(password) = password else {
                return Err(CredentialsError::NotText { path: path.to_owned(), user });
            };
            let password = Password::new(&password).map_err(|source| CredentialsError::Password {
                path: path.to_owned(),
                user: user.clone(),
                source,
            })?;
            credentials.0.insert(user, password);
        }
        Ok(credentials)
    }

    /// The password of a user.
    pub fn password(&self, user: &UserName) -> Option<&Password> {
        self.0.get(user)
    }

    /// The users, by name.
    pub fn users(&self) -> impl Iterator<Item = &UserName> {
        self.0.keys()
    }

    /// Sets a user's password.
    pub fn insert(&mut self, user: UserName, password: Password) {
        self.0.insert(user, password);
    }

    /// Forgets a user; true if it was there.
    pub fn remove(&mut self, user: &UserName) -> bool {
        self.0.remove(user).is_some()
    }

    /// Writes the file as a whole: to a temporary one beside it (mode 0600), flushed to the disk, then renamed over it.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), CredentialsError> {
        let io = |source| CredentialsError::Io { path: path.to_owned(), source };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // tempfile creates with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
        file.write_all(self.to_yaml().as_bytes()).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)
    }

    /// One line a user, the password in double quotes (JSON's quoting is YAML's).
    fn to_yaml(&self) -> String {
        let mut text = String::from("# user: password. Nobody but the owner may read this file.\n");
        for (user, password) in &self.0 {
            let (user, password) = (serde_json::Value::from(user.as_str()), serde_json::Value::from(password.reveal()));
            text.push_str(&format!("{user}: {password}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credentials, CredentialsError> {
        Credentials::parse(text, Path::new("c.yaml"))
    }

    fn name(text: &str) -> UserName {
        text.parse().expect("user name")
    }

    #[test]
    fn what_was_written_is_read_back_and_nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("credentials.yaml");
        let mut credentials = Credentials::default();
        credentials.insert(name("alice"), Password::new("a \"quoted\" \\ ä: #1").expect("password"));
        credentials.insert(name("1001"), Password::new("0123").expect("password"));
        credentials.insert(name("no"), Password::new("yes").expect("password"));
        credentials.write(&path).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(Credentials::read(&path).expect("read"), credentials);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("c.yaml");
        fs::write(&path, "alice: x\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let error = Credentials::read(&path).expect_err("refused").to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn errors_name_the_user_and_never_the_password() {
        for (text, expected) in [
            ("alice: 4711\n", "the password of alice is not a text: put it in quotes"),
            ("alice: [hunter2]\n", "the password of alice is not a text"),
            ("hunter2\n", "is not a map of user to password (line 1)"),
            ("alice: \"hunter2\n", "is not a map of user to password"),
            ("Alice: hunter2\n", "the user name \"Alice\""),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn an_empty_file_holds_nobody() {
        assert_eq!(parse("# nobody\n").expect("empty"), Credentials::default());
    }
}
