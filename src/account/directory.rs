//! The accounts of a server, as they are looked up when a request is authenticated.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use super::{A1Algorithm, HashedA1, Password, SealError, SealKey, SigningKey};
use crate::id::UserName;

/// What an account may do on the server as a whole; rights inside a conference are that conference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// May see and control every conference, and the server.
    Admin,
    /// May create conferences and control its own.
    User,
}

/// Why a text is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is admin or user")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            _ => Err(RoleError),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "admin",
            Self::User => "user",
        })
    }
}

/// An account as a request sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: UserName,
    /// What it may do.
    pub role: Role,
    /// True until the password that the first start made up has been changed.
    pub initial_password: bool,
}

/// H(A1) of one account, sealed once per algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedA1 {
    /// For SHA-256.
    pub sha256: Vec<u8>,
    /// For MD5.
    pub md5: Vec<u8>,
}

impl SealedA1 {
    /// Hashes a password of a user in a realm, and seals the hashes.
    pub fn seal(key: &SealKey, user: &UserName, realm: &str, password: &Password) -> Self {
        let seal = |algorithm| {
            let hash = HashedA1::compute(algorithm, user, realm, password);
            key.seal(&owner(user, realm, algorithm), hash.reveal())
        };
        Self { sha256: seal(A1Algorithm::Sha256), md5: seal(A1Algorithm::Md5) }
    }

    /// Opens the hash of one algorithm.
    ///
    /// # Errors
    /// It was sealed under another key, or for another user or realm.
    pub fn open(&self, key: &SealKey, user: &UserName, realm: &str, algorithm: A1Algorithm) -> Result<HashedA1, SealError> {
        let sealed = match algorithm {
            A1Algorithm::Sha256 => &self.sha256,
            A1Algorithm::Md5 => &self.md5,
        };
        Ok(HashedA1::from_bytes(algorithm, key.open(&owner(user, realm, algorithm), sealed)?))
    }
}

/// An account and its sealed secret, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAccount {
    /// The account.
    pub account: Account,
    /// Its secret.
    pub a1: SealedA1,
}

/// All accounts of a server with the key that opens their secrets; replaced as a whole when accounts change.
#[derive(Debug, Clone)]
pub struct Directory {
    realm: Arc<str>,
    key: Arc<SealKey>,
    tickets: Option<Arc<SigningKey>>,
    accounts: BTreeMap<UserName, SealedAccount>,
}

impl Directory {
    /// The accounts of a realm.
    pub fn new(realm: &str, key: Arc<SealKey>, accounts: impl IntoIterator<Item = SealedAccount>) -> Self {
        let accounts = accounts.into_iter().map(|sealed| (sealed.account.name.clone(), sealed)).collect();
        Self { realm: realm.into(), key, tickets: None, accounts }
    }

    /// The same with a key that tickets are signed with.
    #[must_use]
    pub fn with_tickets(mut self, key: Arc<SigningKey>) -> Self {
        self.tickets = Some(key);
        self
    }

    /// What tickets of this server are signed with; none where it issues none.
    pub fn tickets(&self) -> Option<&SigningKey> {
        self.tickets.as_deref()
    }

    /// The realm that all the hashes were made with.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The key that seals the secrets of this server; PINs are sealed with it, too.
    pub fn key(&self) -> &Arc<SealKey> {
        &self.key
    }

    /// An account.
    pub fn account(&self, user: &UserName) -> Option<&Account> {
        self.accounts.get(user).map(|sealed| &sealed.account)
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(|sealed| &sealed.account)
    }

    /// H(A1) of a user, to check a digest with; `None` for an unknown user.
    ///
    /// # Errors
    /// The secret does not open: the database and the key file are not of one data directory.
    pub fn hashed_a1(&self, user: &UserName, algorithm: A1Algorithm) -> Result<Option<HashedA1>, SealError> {
        self.accounts.get(user).map(|sealed| sealed.a1.open(&self.key, user, &self.realm, algorithm)).transpose()
    }

    /// The account whose password this is; `None` for an unknown user and for a wrong password alike.
    ///
    /// # Errors
    /// As [`Directory::hashed_a1`].
    pub fn verify(&self, user: &UserName, password: &Password) -> Result<Option<&Account>, SealError> {
        // Hashed whether the user is known or not, so that the time it takes does not tell.
        let given = HashedA1::compute(A1Algorithm::Sha256, user, &self.realm, password);
        let kept = self.hashed_a1(user, A1Algorithm::Sha256)?;
        Ok(if kept.is_some_and(|kept| kept == given) { self.account(user) } else { None })
    }
}

fn owner<'a>(user: &'a UserName, realm: &'a str, algorithm: A1Algorithm) -> [&'a str; 4] {
    ["confkit account a1", user.as_str(), realm, algorithm.token()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::KEY_LEN;

    fn name(text: &str) -> UserName {
        text.parse().expect("user name")
    }

    fn password(text: &str) -> Password {
        Password::new(text).expect("password")
    }

    fn directory(key: u8) -> Directory {
        let sealing = SealKey::new(&[1; KEY_LEN]);
        let sealed = |user: &str, role| SealedAccount {
            account: Account { name: name(user), role, initial_password: false },
            a1: SealedA1::seal(&sealing, &name(user), "conf.example", &password(&format!("{user}'s"))),
        };
        let accounts = [sealed("alice", Role::User), sealed("admin", Role::Admin)];
        Directory::new("conf.example", Arc::new(SealKey::new(&[key; KEY_LEN])), accounts)
    }

    #[test]
    fn a_password_is_verified_against_the_sealed_hash() {
        let directory = directory(1);
        let account = directory.verify(&name("alice"), &password("alice's")).expect("opens").expect("right");
        assert_eq!((account.name.as_str(), account.role), ("alice", Role::User));
        assert_eq!(directory.verify(&name("alice"), &password("admin's")).expect("opens"), None);
        assert_eq!(directory.verify(&name("nobody"), &password("alice's")).expect("opens"), None);
    }

    #[test]
    fn both_algorithms_are_kept_and_are_those_of_the_digest() {
        let directory = directory(1);
        for algorithm in A1Algorithm::ALL {
            let kept = directory.hashed_a1(&name("alice"), algorithm).expect("opens").expect("known");
            assert_eq!(kept, HashedA1::compute(algorithm, &name("alice"), "conf.example", &password("alice's")));
        }
        assert_eq!(directory.hashed_a1(&name("bob"), A1Algorithm::Md5), Ok(None));
    }

    #[test]
    fn without_the_key_of_the_data_directory_nobody_gets_in() {
        assert_eq!(directory(2).verify(&name("alice"), &password("alice's")), Err(SealError::Key));
    }

    #[test]
    fn a_secret_moved_to_another_account_does_not_open() {
        let key = SealKey::new(&[1; KEY_LEN]);
        let alices = SealedA1::seal(&key, &name("alice"), "r", &password("p"));
        assert_eq!(alices.open(&key, &name("admin"), "r", A1Algorithm::Md5), Err(SealError::Key));
        assert_eq!(alices.open(&key, &name("alice"), "other", A1Algorithm::Md5), Err(SealError::Key));
        let crossed = SealedA1 { sha256: alices.md5.clone(), md5: alices.sha256 };
        assert_eq!(crossed.open(&key, &name("alice"), "r", A1Algorithm::Md5), Err(SealError::Key));
    }
}
