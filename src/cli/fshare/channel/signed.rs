//! An account that is signed in to offer to other users, or to take their offers: what `send --to` and `recv --from` share.

use std::{net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};

use super::{RelayFlag, ending, show::Carried};
use crate::{
    account::{Audience, PublicKey},
    channel::{
        agreement::Agreed,
        attempt::{Attempts, Ending, Next},
        client::{Connection, Identities, IdentityError, RelayError, Relays, Vouch, apply, grant},
        identity::{Contact, Own, Standing, words},
        invite::Patience,
        realm::{RealmStanding, ServerName},
        terminal::{TransferCommand, TransferEvent, TransferTerminal},
        wire::{
            RefusalCode,
            proof::Challenge,
            request::{Apply, Ticket, ticket_action},
            transfer::Grant,
        },
    },
    cli::{
        ExitCode, Failure,
        confctl::{dialog, refused::SILENT},
        fshare::receive::on_disk,
        settings::{Context, environment},
        values::Callee,
    },
    clock,
    conference::{
        client::{Session, TerminalConfig},
        wire::control::{Command, Data},
    },
    config::{ClientConfig, RelayAddress},
    id::UserName,
    sdp::LocalAudio,
    sip::{endpoint::EndpointConfig, message::SipUri, transport::Trace},
};

/// Registrations are refreshed; those of a process that was killed are soon gone.
const REGISTERED: u32 = 300;
/// How long signing out, and what is still to be said, may take.
const PARTING: Duration = Duration::from_secs(2);
/// How long the server may take for a ticket: the relay, which waits for it, gives a connection 10 s.
const TICKET: Duration = Duration::from_secs(8);

/// An account that is signed in.
pub struct Signed {
    session: Session<TransferTerminal>,
    /// Where its SIP comes in.
    pub local: SocketAddr,
    /// The realm of its server: contacts are users of it.
    pub realm: String,
    /// Who it is to others.
    pub own: Arc<Own>,
    /// The identities in the client's folder.
    pub identities: Identities,
    relays: Relays,
    account: Account,
}

/// The client's folder of identities.
///
/// # Errors
/// There is no place for it.
pub fn identities() -> Result<Identities, Failure> {
    let file = ClientConfig::default_file(&environment());
    let folder = file.as_deref().and_then(std::path::Path::parent).map(PathBuf::from);
    let none = || Failure::usage("there is nowhere to keep identities: set XDG_CONFIG_HOME or HOME");
    folder.map(|folder| Identities::new(&folder)).ok_or_else(none)
}

/// The account that gets tickets for the relay.
#[derive(Debug, Clone)]
pub struct Account(Context);

impl Account {
    /// The one that is configured. Its password is asked for now, where nothing else knows it.
    ///
    /// # Errors
    /// Nobody knows it.
    pub async fn new(context: &Context) -> Result<Self, Failure> {
        let mut context = context.clone();
        context.settings.password = context.password().await?;
        Ok(Self(context))
    }
}

impl Vouch for Account {
    fn ticket(&self, challenge: Challenge) -> Pin<Box<dyn Future<Output = Option<Ticket>> + Send + '_>> {
        let wanted = Command::Ticket { audience: Audience::Relay, action: Some(ticket_action(&challenge)) };
        Box::pin(async move {
            let why = match timeout(TICKET, dialog::ask(&self.0, wanted, None)).await {
                Ok(Ok(Data::Ticket(issued))) => return Some(Ticket(issued.ticket.reveal().to_owned())),
                Ok(Ok(_)) => return None,
                Ok(Err(failure)) => failure.to_string(),
                Err(_) => format!("{} did not answer within {} s", self.0.settings.server, TICKET.as_secs()),
            };
            // The relay says whether it wants one.
            self.0.output.warn(format!("could not get a ticket for the relay: {why}"));
            None
        })
    }
}

/// The account that is configured, if one is: nothing is asked of it, and its password of nobody, before the relay wants a ticket.
pub fn on_demand(context: &Context) -> Option<Arc<dyn Vouch>> {
    let configured = context.settings.config.user.is_some();
    configured.then(|| Arc::new(OnDemand { context: context.clone(), account: OnceCell::new() }) as Arc<dyn Vouch>)
}

#[derive(Debug)]
struct OnDemand {
    context: Context,
    /// None where there is none to be had, which was said.
    account: OnceCell<Option<Account>>,
}

impl OnDemand {
    async fn account(&self) -> Option<&Account> {
        let sign_in = async {
            let account = Account::new(&self.context).await;
            account.map_err(|failure| self.context.output.warn(format!("could not get a ticket for the relay: {failure}"))).ok()
        };
        self.account.get_or_init(|| sign_in).await.as_ref()
    }
}

impl Vouch for OnDemand {
    fn prepare(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.account().await;
        })
    }

    fn ticket(&self, challenge: Challenge) -> Pin<Box<dyn Future<Output = Option<Ticket>> + Send + '_>> {
        Box::pin(async move { self.account().await?.ticket(challenge).await })
    }
}

/// The user whom `--to` or `--from` names: one of our own server.
///
/// # Errors
/// It is somebody else's.
pub fn user(callee: &Callee, realm: &str, context: &Context) -> Result<UserName, Failure> {
    match callee {
        Callee::User(user) => Ok(user.clone()),
        Callee::Uri(uri) => {
            let ours = uri.sip().filter(|sip| dialog::server(context).is_host_of(sip) || sip.host.to_string() == realm);
            let named = ours.and_then(SipUri::decoded_user).and_then(|user| user.parse().ok());
            named.ok_or_else(|| {
                Failure::usage(format!("{callee} is not a user of {}", context.settings.server))
                    .hint("files go between users of one server: name a user of this one, such as bob, or another server with --server")
            })
        }
    }
}

impl Signed {
    /// Signs in; its messages are written down in `trace`, where there is one, under its name there.
    ///
    /// # Errors
    /// There is no account, or it is refused, or the server has another realm than it had (3); the server does not answer (7); an identity
    /// cannot be used (1).
    pub async fn open(
        relay: &RelayFlag,
        identities: Identities,
        trace: Option<(Trace, String)>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let account = Account::new(context).await?;
        let context = &account.0.clone();
        let identity = dialog::account(context).await?;
        let Some(user) = context.settings.config.user.clone() else {
            return Err(Failure::new(ExitCode::Denied, "this needs an account on the server"));
        };
        let files = identities.clone();
        let own = Arc::new(on_disk(move || files.own(&user)).await?.map_err(|error| unusable(&error))?);
        let transports = match trace {
            Some((trace, name)) => dialog::transports_traced(context, Some(trace), Some(name)).await?,
            None => dialog::transports(context).await?,
        };
        let local = transports.local;
        let config = TerminalConfig {
            identity,
            server: dialog::server(context),
            audio: LocalAudio::new(SocketAddr::new(local.ip(), 0), Vec::new()),
            session_id: 0,
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        let endpoint = transports.endpoint(EndpointConfig::default());
        let machine = TransferTerminal::new(endpoint, config, Arc::clone(&own), Patience::default(), clock::seed());
        let session = transports.run(machine);
        let (realm, relays) = (context.settings.server.host.to_string(), relay.relays(context)?);
        let mut signed = Self { session, local, realm, own, identities, relays, account };
        let patience = context.settings.config.timeout.get();
        let begun = tokio::select! {
            begun = timeout(patience, signed.begin(relay, context)) => begun,
            () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
        };
        begun.unwrap_or_else(|_| {
            let waited = humantime::format_duration(patience);
            Err(Failure::new(ExitCode::Unreachable, format!("no answer from {} in {waited}", context.settings.server)).hint(SILENT))
        })?;
        Ok(signed)
    }

    async fn begin(&mut self, relay: &RelayFlag, context: &Context) -> Result<(), Failure> {
        self.tell(TransferCommand::SignIn(REGISTERED)).await;
        loop {
            match self.next().await? {
                TransferEvent::SignedIn(_) => break,
                TransferEvent::NotSignedIn(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
        self.tell(TransferCommand::Inquire).await;
        loop {
            if let TransferEvent::Services(told) = self.next().await? {
                let told = told.map_err(Failure::from)?;
                let named = told.uri("relay").and_then(|relay| relay.parse::<RelayAddress>().ok());
                self.relays = relay.relays_or(named.map(|named| named.with_port(super::PORT)), context)?;
                self.realm = told.realm.unwrap_or_else(|| self.realm.clone());
                break;
            }
        }
        self.settle_realm(context).await
    }

    /// Sees to it that the server names the realm that it named at first: contacts are users of it, and all of them would be new in another.
    async fn settle_realm(&self, context: &Context) -> Result<(), Failure> {
        let uri = &context.settings.server;
        let server = uri.port.map_or_else(|| uri.host.to_string(), |port| format!("{}:{port}", uri.host));
        let name: ServerName = server.parse().map_err(|why| Failure::usage(format!("{server}: {why}")))?;
        let (files, realm) = (self.identities.clone(), self.realm.clone());
        let standing = on_disk(move || files.pin_realm(name, &realm)).await?.map_err(|error| unusable(&error))?;
        match standing {
            RealmStanding::Known | RealmStanding::New => Ok(()),
            RealmStanding::Changed { known } => Err(ending::moved(&server, &known, &self.realm, &self.identities)),
        }
    }

    /// Tells the terminal something; one that is over tells so by [`Signed::next`].
    pub async fn tell(&self, command: TransferCommand) {
        self.session.tell(command).await;
    }

    /// What happens next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The terminal is over.
    pub async fn next(&mut self) -> Result<TransferEvent, Failure> {
        self.session.next().await.ok_or_else(|| Failure::new(ExitCode::Unreachable, "the account is no longer signed in"))
    }

    /// Where the relay is.
    pub fn relays(&self) -> &Relays {
        &self.relays
    }

    /// What says to the relay who we are.
    pub fn account(&self) -> Arc<dyn Vouch> {
        Arc::new(self.account.clone())
    }

    /// A user of the server, as a contact.
    ///
    /// # Errors
    /// The realm is none that contacts can have.
    pub fn contact(&self, user: &UserName) -> Result<Contact, Failure> {
        Contact::new(user, &self.realm).map_err(|why| Failure::new(ExitCode::Failed, format!("the server's realm is not usable: {why}")))
    }

    /// The words that this account's identity has for others.
    ///
    /// # Errors
    /// As [`Signed::contact`].
    pub fn own_words(&self) -> Result<String, Failure> {
        Ok(words(&self.contact(&self.own.user)?, &self.own.key.public()))
    }

    /// Applies for a channel as this account. A relay that asks for a pause is asked again after it, where all pauses stay below
    /// [`COURTESY`](crate::channel::attempt::COURTESY); not after Ctrl-C.
    ///
    /// # Errors
    /// The relay cannot be reached, or refuses.
    pub async fn apply(&self, peer: &UserName, kind: String) -> Result<(Connection, Grant), RelayError> {
        let context = &self.account.0;
        let (mut attempts, mut rng) = (Attempts::new(Duration::ZERO), ChaCha12Rng::from_seed(clock::seed()));
        loop {
            let refused = match Box::pin(self.apply_once(peer, &kind)).await {
                Err(RelayError::Refused(refused)) if refused.code == RefusalCode::Rate => refused,
                applied => return applied,
            };
            let wait = refused.retry.map(|seconds| Duration::from_secs(seconds.into()));
            let Next::Again { after } = attempts.handle_end(clock::now(), Ending::Passing { wait }, None, &mut rng) else {
                return Err(RelayError::Refused(refused));
            };
            // Where nobody reads it, what comes of it says so.
            let _ = Carried::paused(&refused.text, after).tell(&context.output);
            tokio::select! {
                () = sleep(after) => {}
                () = context.leaving.cancelled() => return Err(RelayError::Refused(refused)),
            }
        }
    }

    /// With a ticket of its server, or without one where the relay knows no tickets of it.
    async fn apply_once(&self, peer: &UserName, kind: &str) -> Result<(Connection, Grant), RelayError> {
        let patience = self.account.0.settings.config.timeout.get();
        let wanted = || Apply { ticket: None, peer: Some(peer.to_string()), kind: Some(kind.to_owned()), receivers: 1, nameplate: None };
        let applied = match apply(&self.relays, patience, Some(&self.account), wanted()).await {
            Err(refused) if is_unknown(&refused) => apply(&self.relays, patience, None, wanted()).await.map_err(|second| match second {
                RelayError::Refused(second) if second.code == RefusalCode::Rate => RelayError::Refused(second),
                _ => refused,
            }),
            first => first,
        };
        applied.map(|(control, allocated)| (control, grant(&allocated)))
    }

    /// Keeps the identity of a contact whose first transfer is accepted.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn pin(&self, contact: &Contact, agreed: &Agreed, standing: Standing) -> Result<(), Failure> {
        if standing != Standing::New {
            return Ok(());
        }
        let (files, contact, key) = (self.identities.clone(), contact.clone(), agreed.peer);
        match on_disk(move || files.pin(contact, key)).await? {
            // Another process has pinned another one meanwhile.
            Ok(Standing::Changed { .. }) => {
                Err(Failure::new(ExitCode::Denied, "another identity of this contact was recorded a moment ago"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// The pinned identity of a contact.
    ///
    /// # Errors
    /// The file cannot be used.
    pub async fn known(&self, contact: &Contact) -> Result<Option<PublicKey>, Failure> {
        let files = self.identities.clone();
        Ok(on_disk(move || files.known()).await?.map_err(|error| unusable(&error))?.get(contact))
    }

    /// Signs out, when what is to be said has been said.
    pub async fn leave(self) {
        let mut session = self.session;
        let parting = async {
            session.tell(TransferCommand::Leave).await;
            while session.next().await.is_some() {}
            session.over().await;
        };
        let _ = timeout(PARTING, parting).await;
    }
}

/// Whether the relay does not know who applies.
pub fn is_unknown(error: &RelayError) -> bool {
    matches!(error, RelayError::Refused(refused) if refused.code == RefusalCode::NotAuthenticated)
}

/// What an identity that cannot be used means.
pub fn unusable(error: &IdentityError) -> Failure {
    let code = if matches!(error, IdentityError::Io { .. }) { ExitCode::Failed } else { ExitCode::Usage };
    Failure::new(code, error.to_string())
}
