//! What the first start makes, and every later one finds: the key that seals secrets, the realm, our authority, the administrator.
//!
//! Each step can be broken off at any point and is then done again by the next start: files are written whole, and what a file is needed
//! for is stored after it.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    DaemonError,
    accounts::Accounts,
    data_dir::{DataDir, read_private, write_private},
};
use crate::{
    account::{Credentials, KEY_LEN, Password, Role, SealError, SealKey, SigningKey},
    clock,
    config::Config,
    id::UserName,
    sip::transport::{Authority, KeyPem, TlsError},
    store::{Fact, Store, StoreError},
};

/// Whose the sealed ticket key is.
const TICKET_KEY: [&str; 1] = ["confkit ticket key"];

/// The account that the first start makes.
pub const ADMIN: &str = "admin";

/// The key that seals secrets, made if nothing has been sealed yet.
///
/// # Errors
/// It is gone though it is needed, is not one, or can be read by others.
pub(super) async fn seal_key(directory: &DataDir, store: &dyn Store) -> Result<SealKey, DaemonError> {
    let path = directory.seal_key();
    if let Some(text) = read_private(&path)? {
        return parse_key(text.trim()).ok_or(DaemonError::KeyForm { path });
    }
    let pins = store.conferences().await?.iter().any(|conference| conference.pin.is_some());
    if pins || !store.accounts().await?.is_empty() {
        return Err(DaemonError::KeyMissing { path });
    }
    let bytes = Zeroizing::new(clock::seed());
    let text: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    write_private(&path, text.as_bytes())?;
    Ok(SealKey::new(&bytes))
}

fn parse_key(text: &str) -> Option<SealKey> {
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    if text.len() != 2 * KEY_LEN || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(SealKey::new(&bytes))
}

/// The key that tickets are signed with, made at the first start and kept sealed in the store: with several nodes on one store, all sign with
/// the same.
///
/// # Errors
/// The store fails, or what is in it does not open with the key of this data directory.
async fn ticket_key(key: &SealKey, store: &dyn Store) -> Result<SigningKey, DaemonError> {
    let fresh = Zeroizing::new(clock::seed());
    let sealed = store.settle_fact(Fact::TicketKey, &URL_SAFE_NO_PAD.encode(key.seal(&TICKET_KEY, fresh.as_slice()))).await?;
    let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Form)?;
    let seed = key.open(&TICKET_KEY, &sealed)?;
    Ok(SigningKey::from_seed(seed.as_slice().try_into().map_err(|_| SealError::Form)?))
}

/// The realm that holds: that of the first start.
///
/// # Errors
/// The configuration names another.
pub(super) async fn realm(config: &Config, store: &dyn Store) -> Result<String, DaemonError> {
    let settled = store.settle_fact(Fact::Realm, &config.realm_at_first_start()).await?;
    match &config.realm {
        Some(configured) if configured.as_str() != settled => {
            Err(DaemonError::Realm { settled, configured: configured.as_str().to_owned() })
        }
        _ => Ok(settled),
    }
}

/// Our own authority, made at the first start.
///
/// # Errors
/// Its files cannot be read or written.
pub(super) fn authority(directory: &DataDir) -> Result<Authority, DaemonError> {
    let (certificate, key) = (directory.ca(), directory.ca_key());
    let wrong = |path: &Path| {
        let what = format!("the authority in {}", path.display());
        move |source: TlsError| DaemonError::Tls { what, source }
    };
    if let (Some(pem), Some(key)) = (read_private(&certificate)?, read_private(&key)?) {
        return Authority::from_pem(&pem, &KeyPem::new(key.as_str())).map_err(wrong(&certificate));
    }
    let authority = Authority::generate(clock::wall()).map_err(wrong(&certificate))?;
    write_private(&key, authority.key().expose().as_bytes())?;
    write_private(&certificate, authority.certificate().as_bytes())?;
    Ok(authority)
}

/// The administrator's account, made once. Its password goes to the credentials file before the account is stored, so that there is never an
/// account whose password nobody knows. True if it was made now.
///
/// # Errors
/// The store or the credentials file cannot be written.
pub(super) async fn administrator(directory: &DataDir, accounts: &Accounts, ephemeral: bool) -> Result<bool, DaemonError> {
    let store = accounts.store();
    if store.fact(Fact::AdministratorMade).await?.is_some() {
        return Ok(false);
    }
    let admin: UserName = ADMIN.parse().expect("the constant is a user name");
    // In a directory that goes with the process the credentials file is how passwords are handed on: there is no better one to change to.
    let made = add_with_file(directory, accounts, &admin, Role::Admin, !ephemeral).await?;
    store.settle_fact(Fact::AdministratorMade, "yes").await?;
    Ok(made)
}

/// Makes an account if it is not there, with a password of our own in the credentials file. True if it was made now.
///
/// # Errors
/// The store or the credentials file cannot be written.
pub(super) async fn add_with_file(
    directory: &DataDir,
    accounts: &Accounts,
    user: &UserName,
    role: Role,
    initial: bool,
) -> Result<bool, DaemonError> {
    if accounts.current().account(user).is_some() {
        return Ok(false);
    }
    let password = Password::generate(&clock::seed());
    let path = directory.credentials();
    let mut credentials = if path.exists() { Credentials::read(&path)? } else { Credentials::default() };
    credentials.insert(user.clone(), password.clone());
    credentials.write(&path)?;
    match accounts.add(user, role, &password, initial).await {
        Ok(()) => Ok(true),
        // Somebody else made it between our look and our try; its password is theirs.
        Err(DaemonError::Store(StoreError::Exists { .. })) => {
            forget_credentials(directory, user)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Takes a user's password out of the credentials file, where it no longer holds.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn forget_credentials(directory: &DataDir, user: &UserName) -> Result<(), DaemonError> {
    let path = directory.credentials();
    if path.exists() {
        let mut credentials = Credentials::read(&path)?;
        if credentials.remove(user) {
            credentials.write(&path)?;
        }
    }
    Ok(())
}

/// The accounts of a data directory: the store opened, the key and the realm found or made.
///
/// # Errors
/// Anything above.
pub(super) async fn accounts(directory: &DataDir, config: &Config, store: Arc<dyn Store>) -> Result<Accounts, DaemonError> {
    let key = seal_key(directory, store.as_ref()).await?;
    let realm = realm(config, store.as_ref()).await?;
    let tickets = ticket_key(&key, store.as_ref()).await?;
    Accounts::open(store, Arc::new(key), Arc::new(tickets), realm).await
}
