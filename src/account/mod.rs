//! Accounts: who may authenticate, with which secret, in which role, and how often one may fail.
//!
//! The server keeps no password. Of each account it keeps H(A1) (RFC 7616 §3.4.2) once per digest algorithm, sealed under a key of the
//! data directory, so that a copy of the database alone lets nobody in. H(A1) binds user, realm and password: the realm is therefore fixed
//! at the first start.
//!
//! | file | what |
//! |---|---|
//! | `secret.rs` | passwords and H(A1), whose Debug shows nothing |
//! | `seal.rs` | sealing under the key of the data directory |
//! | `directory.rs` | all accounts of a server, as looked up when a request is authenticated |
//! | `backoff.rs` | the machine that slows down guessing |
//! | `credentials.rs` | the file of user and password that clients read (`--as NAME`) |
//! | `pin.rs` | conference PINs and their sealed verifiers |
//! | `guest.rs` | who is let in without an account |
//! | `rights.rs` | who has which right in a conference |
//! | `signing.rs` | Ed25519 keys |
//! | `ticket.rs` | what roles other than the `as` let users in on |
//!
//! Out of scope: digest challenges (`sip::digest`) and where accounts are stored (`store`); `daemon` ties the three.

mod backoff;
mod credentials;
mod directory;
mod guest;
mod pin;
mod rights;
mod seal;
mod secret;
mod signing;
mod ticket;

pub use backoff::{Backoff, BackoffLimits, Verdict, network};
pub use credentials::{Credentials, CredentialsError, MAX_CREDENTIALS_FILE};
pub use directory::{Account, Directory, Role, RoleError, SealedA1, SealedAccount};
pub use guest::{GuestPolicy, GuestPolicyError};
pub use pin::{MAX_PIN, MIN_PIN, Pin, PinError, SealedPin};
pub use rights::{MAX_GIVEN, MAX_PRESETS, MAX_RIGHT, Preset, Rights, RightsError};
pub use seal::{KEY_LEN, SealError, SealKey};
pub use secret::{A1Algorithm, HashedA1, MAX_PASSWORD, Password, PasswordError};
pub use signing::{PublicKey, SIGNATURE_LEN, SIGNING_KEY_LEN, Signature, SigningKey, SigningTextError};
pub use ticket::{
    Audience, AudienceError, CLOCK_SKEW, IssueError, MAX_ACTION, MAX_TICKET_LIFE, MAX_TICKET_TEXT, SignedTicket, TICKET_LIFE, Ticket,
    TicketError, TicketTextError,
};
