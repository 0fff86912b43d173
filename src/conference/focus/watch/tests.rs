//! Subscribers of a conference that is larger than the queue of their NOTIFYs.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    super::{Callee, FocusConfig, Users as Directory, conference::Conference},
    *,
};
use crate::{
    account::{KEY_LEN, SealKey},
    conference::{
        roster::{Role, Who},
        wire::{
            conference_info::{Applied, Coherent},
            control::{ErrorCode, Failure},
        },
    },
    id::{GuestNumber, UserName},
    sip::{
        Hop, Transport,
        endpoint::{Endpoint as UserAgent, EndpointConfig, Event, Subscribe, SubscriptionEnding},
        message::{Host, NameAddr, SipUri},
    },
    store::ConferenceRecord,
};

#[derive(Debug)]
struct Nobody;

impl Directory for Nobody {
    fn locate(&self, _: Instant, target: &str) -> Result<Callee, Failure> {
        Err(Failure { code: ErrorCode::NotFound, text: target.to_owned(), candidates: Vec::new() })
    }

    fn is_admin(&self, _: &UserName) -> Option<bool> {
        None
    }

    fn contacts(&self) -> usize {
        0
    }

    fn uptime(&self, _: Instant) -> Duration {
        Duration::ZERO
    }
}

/// A focus with one conference, and one subscriber.
struct World {
    now: Instant,
    focus: Focus,
    server: UserAgent,
    watcher: UserAgent,
    picture: Coherent,
    /// Documents that were not what had to come next.
    odd: Vec<Applied>,
    /// Most NOTIFYs that ever waited.
    most: usize,
    ended: Option<SubscriptionEnding>,
    subscription: Option<Subscription>,
}

const NAME: &str = "crowd";

fn address(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 5060).into()
}

fn agent(last: u8) -> UserAgent {
    let config = EndpointConfig { events: vec!["conference".to_owned()], large_request: None, ..EndpointConfig::default() };
    UserAgent::new(config.at(Transport::Tcp, Host::Ip(address(last).ip()), Some(5060)), [last; 32])
}

fn guest(id: u32) -> Entry {
    Entry {
        id: ParticipantId(id),
        who: Who::Guest(GuestNumber(id)),
        display: None,
        uri: format!("sip:guest-{id}@example.com").parse().expect("a URI"),
        endpoint: None,
        role: Role::Guest,
        state: CallState::Connected,
        audio: true,
        joining: Joining::DialedIn,
        joined: Some(SystemTime::UNIX_EPOCH),
        muted: false,
        deaf: false,
        gain_in_db: 0,
        gain_out_db: 0,
        talking: false,
        codec: None,
        agent: None,
    }
}

impl World {
    fn new(participants: u32) -> Self {
        let now = crate::clock::now();
        let name: ConferenceName = NAME.parse().expect("a name");
        let record = ConferenceRecord {
            name: name.clone(),
            title: String::new(),
            pin: None,
            guests: Some(true),
            max_participants: None,
            ttl: None,
            ends_with_chair: false,
            ends_when_empty: false,
            rights: String::new(),
            locked: false,
            creator: None,
            created: SystemTime::UNIX_EPOCH,
            revision: 1,
        };
        let config = FocusConfig { ping: None, ..FocusConfig::default() };
        let mut focus = Focus::new(now, config, Arc::new(SealKey::new(&[7; KEY_LEN])), [1; 32], []);
        let mut conference = Conference::new(record, true);
        (1..=participants).for_each(|id| conference.roster.insert(guest(id)));
        focus.conferences.insert(name, conference);
        Self {
            now,
            focus,
            server: agent(1),
            watcher: agent(2),
            picture: Coherent::new(),
            odd: Vec::new(),
            most: 0,
            ended: None,
            subscription: None,
        }
    }

    fn subscribe(&mut self, expires: u32) {
        let uri = SipUri::at(Some(NAME), address(1));
        let us = NameAddr::new(SipUri::at(Some("watcher"), address(2)));
        let subscribe = Subscribe {
            uri: uri.clone().into(),
            to: NameAddr::new(uri),
            from: us.clone(),
            contact: us,
            hop: Hop::new(Transport::Tcp, address(1)),
            route: Vec::new(),
            event: "conference".to_owned(),
            expires,
            accept: vec![CONTENT_TYPE.to_owned()],
            headers: Vec::new(),
            body: None,
            credentials: None,
        };
        self.watcher.subscribe(self.now, subscribe).expect("room for a subscription");
    }

    fn with<T>(&mut self, what: impl FnOnce(&mut Focus, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx { now: self.now, wall: SystemTime::UNIX_EPOCH, endpoint: &mut self.server, users: &Nobody };
        what(&mut self.focus, &mut cx)
    }

    /// Carries messages until nothing is left to carry.
    fn settle(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(transmit) = self.server.poll_transmit() {
                self.watcher.handle_bytes(self.now, transmit.bytes, Hop::new(Transport::Tcp, address(1)));
                quiet = false;
            }
            while let Some(transmit) = self.watcher.poll_transmit() {
                self.server.handle_bytes(self.now, transmit.bytes, Hop::new(Transport::Tcp, address(2)));
                quiet = false;
            }
            while let Some(event) = self.server.poll_event() {
                if self.with(|focus, cx| focus.handle_event(cx, &event)) {
                    continue;
                }
                if let Event::Request { incoming, request, .. } = event {
                    let caller = Caller { user: None, admin: false, admitted: true, address: NameAddr::new(SipUri::at(None, address(2))) };
                    self.with(|focus, cx| focus.handle_request(cx, incoming, &request, &caller));
                    self.subscription = self.focus.watches.keys().next().copied();
                }
            }
            if let Some(subscription) = self.subscription {
                self.most = self.most.max(self.server.notify_backlog(subscription));
            }
            while let Some(event) = self.watcher.poll_event() {
                match event {
                    Event::Notify { incoming, request, .. } => {
                        self.watcher.respond(self.now, incoming, 200, Vec::new(), None);
                        if !request.body.is_empty() {
                            let applied = self.picture.apply(ConferenceInfo::parse(&request.body).expect("a document"));
                            self.odd.extend((applied != Applied::Updated).then_some(applied));
                        }
                    }
                    Event::SubscriptionEnded { why, .. } => self.ended = Some(why),
                    _ => {}
                }
            }
        }
    }

    /// Lets time pass, timer by timer.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let next = [self.server.next_timeout(), self.watcher.next_timeout(), self.focus.next_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            self.watcher.handle_timeout(self.now);
            self.with(Focus::handle_timeout);
            self.settle();
        }
        self.now = end;
    }

    /// The users that the subscriber knows of, and whether any is muted.
    fn seen(&self) -> (usize, bool) {
        let users = self.picture.info().and_then(|info| info.users.as_ref()).map(|users| users.users.as_slice()).unwrap_or_default();
        let muted = |u: &User| u.endpoints.iter().any(|e| e.status == Some(EndpointStatus::MutedViaFocus));
        (users.len(), users.iter().any(muted))
    }

    fn mute(&mut self, id: u32) {
        let name: ConferenceName = NAME.parse().expect("a name");
        let id = ParticipantId(id);
        let entry = self.focus.conferences.get_mut(&name).and_then(|c| c.roster.get_mut(id));
        entry.expect("a participant").muted = true;
        self.with(|focus, cx| focus.publish_user(cx, &name, id));
    }
}

#[test]
fn a_subscriber_of_a_crowd_gets_it_part_by_part_and_what_changes_meanwhile() {
    let mut world = World::new(2500);
    world.subscribe(600);
    world.settle();
    assert!((1..2500).contains(&world.seen().0), "not all at once: {:?}", world.seen());
    world.mute(1);
    world.run(Duration::from_secs(20));
    assert_eq!((world.seen(), &world.odd), ((2500, true), &Vec::new()));
    assert!(world.most <= PARTS_AHEAD + 2, "{} NOTIFYs waited", world.most);
    assert_eq!(world.ended, None);
}

#[test]
fn who_fetches_a_crowd_gets_all_of_it_and_then_the_end() {
    let mut world = World::new(2500);
    world.subscribe(0);
    world.run(Duration::from_secs(20));
    assert_eq!((world.seen().0, &world.odd), (2500, &Vec::new()));
    assert!(matches!(world.ended, Some(SubscriptionEnding::Unsubscribed)), "{:?}", world.ended);
    assert_eq!(world.server.subscriptions(), 0);
}

#[test]
fn a_server_that_stops_ends_the_subscriptions_of_conferences_that_stay() {
    let mut world = World::new(1);
    world.subscribe(600);
    world.run(Duration::from_secs(1));
    world.with(Focus::shut_down);
    world.run(Duration::from_secs(1));
    let reason = Some("deactivated".to_owned());
    assert!(matches!(&world.ended, Some(SubscriptionEnding::Terminated { reason: told, .. }) if *told == reason), "{:?}", world.ended);
    assert_eq!(world.server.subscriptions(), 0);
}
