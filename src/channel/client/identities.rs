//! The files of identities: the own ones, those of contacts, and the realms that contacts are users of. Its functions block: call them from blocking threads, or before anything goes on.
//!
//! | file in the client's folder | what |
//! |---|---|
//! | `identities/USER.key` | the own identity of an account: 32 bytes in base64url, made on first use |
//! | `known-identities` | the pinned identities of contacts ([`Known`]) |
//! | `known-realms` | the pinned realms of servers ([`Realms`]) |
//!
//! All have mode 0600; an own identity that others may read is refused.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    account::{PublicKey, SIGNING_KEY_LEN, SigningKey},
    channel::{
        identity::{Contact, Known, KnownError, MAX_CONTACT, MAX_KNOWN, Own, Standing},
        realm::{MAX_REALMS, MAX_SERVER, RealmError, RealmStanding, Realms, ServerName},
    },
    clock,
    id::UserName,
};

/// Longest file of known identities, in bytes: as many as it may hold, and as much again of remarks.
pub const MAX_KNOWN_FILE: u64 = (2 * MAX_KNOWN * (MAX_CONTACT + 64)) as u64;
/// Longest file of realms, in bytes, as much again of remarks included.
pub const MAX_REALMS_FILE: u64 = (2 * MAX_REALMS * (MAX_SERVER + MAX_CONTACT)) as u64;
/// Longest file of an own identity, in bytes.
const MAX_OWN_FILE: u64 = 256;

/// Why there is no identity, or none is known. Ours, or of whoever changed the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The disk.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read an own identity.
    #[error("the identity {} can be read by others (mode {mode:03o}): chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is there is no identity. It is not replaced: contacts know it.
    #[error("{} does not hold an identity: restore it, or remove it to create a new one, which you then have to tell your contacts about", .0.display())]
    NoKey(PathBuf),
    /// The file of known identities cannot be used.
    #[error("{}: {why}", path.display())]
    Known {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: KnownError,
    },
    /// The file of realms cannot be used, or not take the one that was named.
    #[error("{}: {why}", path.display())]
    Realms {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: RealmError,
    },
    /// It is too long.
    #[error("{} is longer than {bound} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its bound.
        bound: u64,
    },
}

/// The identities in a client's folder.
#[derive(Debug, Clone)]
pub struct Identities {
    folder: PathBuf,
}

impl Identities {
    /// Those in a folder, which is made when the first is.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file of known identities.
    pub fn known_file(&self) -> PathBuf {
        self.folder.join("known-identities")
    }

    /// The own identity of an account; the first time, a new one.
    ///
    /// # Errors
    /// It cannot be read, or cannot be made; it is none, or others may read it.
    pub fn own(&self, user: &UserName) -> Result<Own, IdentityError> {
        let folder = self.folder.join("identities");
        let path = folder.join(format!("{user}.key"));
        let text = match read_private(&path) {
            Err(IdentityError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                make_folder(&folder)?;
                let seed = Zeroizing::new(clock::seed());
                let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(seed.as_slice())));
                // Two may begin at once: the first one's holds for both.
                place_new(&path, text.as_bytes())?;
                read_private(&path)?
            }
            read => read?,
        };
        let mut seed = Zeroizing::new([0; SIGNING_KEY_LEN]);
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim()).unwrap_or_default());
        if bytes.len() != SIGNING_KEY_LEN {
            return Err(IdentityError::NoKey(path));
        }
        seed.copy_from_slice(&bytes);
        Ok(Own { user: user.clone(), key: SigningKey::from_seed(&seed) })
    }

    /// The file of realms.
    pub fn realms_file(&self) -> PathBuf {
        self.folder.join("known-realms")
    }

    /// The identities of contacts.
    ///
    /// # Errors
    /// The file cannot be read, or has a line that is none.
    pub fn known(&self) -> Result<Known, IdentityError> {
        let path = self.known_file();
        let Some(text) = read_bounded(&path, MAX_KNOWN_FILE)? else { return Ok(Known::default()) };
        Known::parse(&text).map_err(|why| IdentityError::Known { path, why })
    }

    /// Pins the identity of a contact that has none yet, and says how it stands to what was known.
    ///
    /// # Errors
    /// As [`Identities::known`]; or the file cannot be written.
    pub fn pin(&self, contact: Contact, key: PublicKey) -> Result<Standing, IdentityError> {
        let _lock = self.lock()?;
        let path = self.known_file();
        let mut known = self.known()?;
        let standing = known.pin(contact, key).map_err(|why| IdentityError::Known { path: path.clone(), why })?;
        if standing == Standing::New {
            self.replace(&path, known.as_text())?;
        }
        Ok(standing)
    }

    /// Pins the realm of a server that has none yet, and says how it stands to what was known. Writes only where there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or has a line that is none; the realm is none that contacts can have.
    pub fn pin_realm(&self, server: ServerName, realm: &str) -> Result<RealmStanding, IdentityError> {
        // Most realms are known, and a folder that may not be written to is no reason not to sign in there: the lock is a file.
        let standing = self.realms()?.pin(server.clone(), realm).map_err(|why| self.of_realms(why))?;
        if standing != RealmStanding::New {
            return Ok(standing);
        }
        let _lock = self.lock()?;
        // Another process may have been first.
        let mut realms = self.realms()?;
        let standing = realms.pin(server, realm).map_err(|why| self.of_realms(why))?;
        if standing == RealmStanding::New {
            self.replace(&self.realms_file(), realms.as_text())?;
        }
        Ok(standing)
    }

    fn realms(&self) -> Result<Realms, IdentityError> {
        match read_bounded(&self.realms_file(), MAX_REALMS_FILE)? {
            Some(text) => Realms::parse(&text).map_err(|why| self.of_realms(why)),
            None => Ok(Realms::default()),
        }
    }

    fn of_realms(&self, why: RealmError) -> IdentityError {
        IdentityError::Realms { path: self.realms_file(), why }
    }

    /// Keeps other processes from changing what is known, until it is dropped.
    fn lock(&self) -> Result<File, IdentityError> {
        make_folder(&self.folder)?;
        let lock = self.folder.join(".known-identities.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        lock.map_err(at(&self.folder))
    }

    /// Puts a whole new file into the place of one.
    fn replace(&self, path: &Path, text: &str) -> Result<(), IdentityError> {
        let new = beside(path);
        write_new(&new, text.as_bytes())?;
        fs::rename(&new, path).and_then(|()| sync(&self.folder)).map_err(at(path))
    }
}

/// The text of a file that may not be there.
fn read_bounded(path: &Path, bound: u64) -> Result<Option<String>, IdentityError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(bound + 1).read_to_string(&mut text)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(at(path))?,
    };
    if text.len() as u64 > bound {
        return Err(IdentityError::TooLong { path: path.to_owned(), bound });
    }
    Ok(Some(text))
}

fn at(path: &Path) -> impl Fn(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::Io { path: path.clone(), source }
}

fn make_folder(path: &Path) -> Result<(), IdentityError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let file = File::open(path).map_err(at(path))?;
    let mode = file.metadata().map_err(at(path))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(MAX_OWN_FILE).read_to_string(&mut text) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(IdentityError::NoKey(path.to_owned())),
        read => read.map(|_| text).map_err(at(path)),
    }
}

/// A name of this process's own beside a file.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.{}", process::id()))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    // What a process of the same number left that was killed.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

/// Puts a whole file where there is none; one that is there stays.
fn place_new(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let new = beside(path);
    write_new(&new, bytes)?;
    let placed = fs::hard_link(&new, path);
    let _ = fs::remove_file(&new);
    match placed {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(at(path)(error)),
        _ => path.parent().map_or(Ok(()), sync).map_err(at(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().expect("a name")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn an_account_keeps_the_identity_that_was_made_on_first_use_and_each_has_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = Identities::new(&folder.path().join("confkit"));
        let alice = identities.own(&user("alice")).expect("an identity").key.public();
        assert_eq!(identities.own(&user("alice")).expect("an identity").key.public(), alice);
        assert_ne!(identities.own(&user("bob")).expect("an identity").key.public(), alice);
        let path = folder.path().join("confkit/identities/alice.key");
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("read").count(), 2, "nothing else is left");
    }

    #[test]
    fn an_identity_that_others_may_read_or_that_is_none_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = Identities::new(folder.path());
        identities.own(&user("alice")).expect("an identity");
        let path = folder.path().join("identities/alice.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let error = identities.own(&user("alice")).expect_err("exposed");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        for odd in [&b"short\n"[..], b"", b"\xff\xfe", &[b'A'; 1000]] {
            fs::write(&path, odd).expect("written");
            assert!(matches!(identities.own(&user("alice")), Err(IdentityError::NoKey(_))));
            assert_eq!(fs::read(&path).expect("there"), odd);
        }
    }

    #[test]
    fn a_contact_is_pinned_once_by_however_many_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = Identities::new(folder.path());
        let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).public();
        std::thread::scope(|scope| {
            for at in 0..8_u8 {
                let identities = identities.clone();
                scope.spawn(move || identities.pin(format!("u{at}@realm").parse().expect("a contact"), key(at)).expect("pinned"));
            }
        });
        let known = identities.known().expect("known");
        assert!((0..8_u8).all(|at| known.get(&format!("u{at}@realm").parse().expect("a contact")) == Some(key(at))));
        let again = identities.pin("u1@realm".parse().expect("a contact"), key(9)).expect("looked at");
        assert_eq!(again, Standing::Changed { known: key(1) });
        assert_eq!(mode(&identities.known_file()), 0o600);
        fs::write(identities.known_file(), "nonsense\n").expect("written");
        let error = identities.known().expect_err("a line that is none");
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn a_server_has_the_realm_that_it_named_first_and_others_have_theirs() {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = Identities::new(&folder.path().join("confkit"));
        let pin = |server: &str, realm: &str| identities.pin_realm(server.parse().expect("a server"), realm);
        assert_eq!(pin("a.example", "conf").expect("pinned"), RealmStanding::New);
        assert_eq!(pin("b.example", "conf").expect("pinned"), RealmStanding::New);
        assert_eq!(pin("a.example", "other").expect("looked at"), RealmStanding::Changed { known: "conf".to_owned() });
        assert_eq!(pin("a.example", "conf").expect("looked at"), RealmStanding::Known);
        assert_eq!(mode(&identities.realms_file()), 0o600);
        fs::write(identities.realms_file(), "nonsense\n").expect("written");
        let error = pin("a.example", "conf").expect_err("a line that is none");
        assert!(error.to_string().contains("known-realms: line 1"), "{error}");
    }

    #[test]
    fn a_known_realm_is_looked_up_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = Identities::new(folder.path());
        let pin = |server: &str, realm: &str| identities.pin_realm(server.parse().expect("a server"), realm);
        assert_eq!(pin("a.example", "conf").expect("pinned"), RealmStanding::New);
        // Modes hold nobody back who may do everything; a folder in place of the lock does.
        let lock = folder.path().join(".known-identities.lock");
        fs::remove_file(&lock).expect("removed");
        fs::create_dir(&lock).expect("made");
        assert_eq!(pin("a.example", "conf").expect("looked up"), RealmStanding::Known);
        assert_eq!(pin("a.example", "other").expect("looked up"), RealmStanding::Changed { known: "conf".to_owned() });
        assert!(matches!(pin("b.example", "conf"), Err(IdentityError::Io { .. })));
    }
}
