//! Who may connect to the port of a data conference (S412, claims 6 and 13): whoever comes from exactly the address and port that it
//! declared, and proves its transfer key. Decided here; whoever has the sockets does as told.
//!
//! Behind NAT (configuration) addresses are not what terminals think they are: then the key alone admits.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use crate::fileshare::{
    BatchId, ConfId,
    wire::{
        Failure, FailureCode, Header, TransferKey,
        packet::canonical,
        payload,
        proof::{Admission, Binding, Mac, Nonce, Role},
    },
};

/// A member of a data conference, unique in its file server. Numbers are never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u64);

/// What a member's terminal has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// What it connects for.
    pub role: Role,
    /// Where it said that it will connect from.
    pub source: SocketAddr,
    /// Its key.
    pub key: TransferKey,
}

/// The list at the door of one data conference.
#[derive(Debug, Clone)]
pub struct Door {
    conf: ConfId,
    behind_nat: bool,
    batch: Option<BatchId>,
    passes: BTreeMap<MemberId, Pass>,
}

/// Who was let in, and what to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The member.
    pub member: MemberId,
    /// What it connects for.
    pub role: Role,
    /// The batch.
    pub batch: BatchId,
    /// As it declared it: what its packets must say.
    pub terminal: SocketAddr,
    /// What the FS proves in its welcome.
    pub proof: Mac,
}

/// Why somebody is turned away. Its fault, and nobody else's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Turned {
    /// Nobody on the list said that it comes from there.
    #[error("nobody declared this address and port")]
    Stranger,
    /// The packet names another terminal than the one that connected.
    #[error("the proof names another address and port than those declared")]
    Terminal,
    /// Another data conference.
    #[error("the proof is for another data conference")]
    Conference,
    /// Not what the member was admitted for.
    #[error("the proof is for another direction than was declared")]
    Role,
    /// Another batch than the data conference shares.
    #[error("the proof is for another batch")]
    Batch,
    /// Without the key.
    #[error("the proof of the transfer key is wrong")]
    Key,
}

impl Turned {
    /// What the peer is told. A stranger is told nothing.
    pub fn failure(self) -> Option<Failure> {
        let code = match self {
            Self::Stranger => return None,
            Self::Terminal | Self::Conference | Self::Role | Self::Batch => FailureCode::Conflict,
            Self::Key => FailureCode::Forbidden,
        };
        Some(Failure::new(code, self.to_string()))
    }
}

impl Door {
    /// A door that nobody may pass yet.
    pub fn new(conf: ConfId, behind_nat: bool) -> Self {
        Self { conf, behind_nat, batch: None, passes: BTreeMap::new() }
    }

    /// Puts a member on the list, in place of its former entry.
    pub fn admit(&mut self, member: MemberId, pass: Pass) {
        let pass = Pass { source: canonical(pass.source), ..pass };
        self.passes.insert(member, pass);
    }

    /// Strikes a member from the list.
    pub fn strike(&mut self, member: MemberId) {
        self.passes.remove(&member);
    }

    /// The batch is known; before, the sharer's first proof says it.
    pub fn set_batch(&mut self, batch: BatchId) {
        self.batch = Some(batch);
    }

    /// The batch, once known.
    pub fn batch(&self) -> Option<BatchId> {
        self.batch
    }

    /// Somebody has connected, and has said nothing yet: the role of whoever declared that address and port, `None` where that will show.
    ///
    /// # Errors
    /// [`Turned::Stranger`].
    pub fn knock(&self, remote: SocketAddr) -> Result<Option<Role>, Turned> {
        if self.behind_nat {
            return Ok(None);
        }
        let remote = canonical(remote);
        self.passes.values().find(|pass| pass.source == remote).map(|pass| Some(pass.role)).ok_or(Turned::Stranger)
    }

    /// Whoever has connected proves its key.
    ///
    /// # Errors
    /// [`Turned`] says why not.
    pub fn prove(
        &self,
        remote: SocketAddr,
        header: &Header,
        proof: &payload::Proof,
        server_nonce: &Nonce,
        binding: Binding,
    ) -> Result<Admitted, Turned> {
        let declared = canonical(header.terminal);
        // The list may have changed since the knock.
        if !self.behind_nat {
            self.knock(remote)?;
            if declared != canonical(remote) {
                return Err(Turned::Terminal);
            }
        }
        if proof.conf != self.conf {
            return Err(Turned::Conference);
        }
        if self.batch.is_some_and(|batch| batch != header.batch) {
            return Err(Turned::Batch);
        }
        let admission = Admission {
            role: proof.role,
            conf: &self.conf,
            batch: header.batch,
            terminal: declared,
            server_nonce,
            terminal_nonce: &proof.nonce,
            binding,
        };
        let mut turned = Turned::Stranger;
        // Behind NAT two members may have declared the same private address.
        for (member, pass) in self.passes.iter().filter(|(_, pass)| pass.source == declared) {
            if pass.role != proof.role {
                turned = Turned::Role;
            } else if !admission.terminal_has(&pass.key, &proof.proof) {
                turned = Turned::Key;
            } else if self.batch.is_none() && pass.role == Role::Download {
                // Nobody can know the id of a batch that its sharer has not told.
                return Err(Turned::Batch);
            } else {
                let proof = admission.server_proof(&pass.key);
                return Ok(Admitted { member: *member, role: pass.role, batch: header.batch, terminal: declared, proof });
            }
        }
        Err(turned)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("m{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fileshare::wire::{Kind, Route, Way};

    const SERVER: Nonce = [1; 32];
    const TERMINAL: Nonce = [2; 32];

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn key(seed: u8) -> TransferKey {
        TransferKey::from_bytes([seed; 32])
    }

    fn door(behind_nat: bool) -> Door {
        let mut door = Door::new("c1".parse().expect("an id"), behind_nat);
        door.admit(MemberId(1), Pass { role: Role::Upload, source: at("192.0.2.1:4000"), key: key(1) });
        door.admit(MemberId(2), Pass { role: Role::Download, source: at("192.0.2.2:4000"), key: key(2) });
        door.admit(MemberId(3), Pass { role: Role::Download, source: at("192.0.2.3:4000"), key: key(3) });
        door
    }

    /// A proof as a terminal makes it that declares `terminal`.
    fn proof(conf: &str, batch: u64, role: Role, terminal: &str, key: &TransferKey) -> (Header, payload::Proof) {
        let conf: ConfId = conf.parse().expect("an id");
        let route = Route { way: Way::ToServer, terminal: at(terminal), batch: BatchId(batch) };
        let admission = Admission {
            role,
            conf: &conf,
            batch: BatchId(batch),
            terminal: at(terminal),
            server_nonce: &SERVER,
            terminal_nonce: &TERMINAL,
            binding: Binding::Plain,
        };
        let proof = admission.terminal_proof(key);
        (route.header(Kind::Proof, 0, 0, 0), payload::Proof { role, nonce: TERMINAL, proof, conf })
    }

    fn prove(door: &Door, remote: &str, (header, proof): &(Header, payload::Proof)) -> Result<MemberId, Turned> {
        door.prove(at(remote), header, proof, &SERVER, Binding::Plain).map(|admitted| admitted.member)
    }

    #[test]
    fn only_whoever_declared_the_address_and_the_port_may_knock() {
        let door = door(false);
        for (remote, expected) in [
            ("192.0.2.1:4000", Ok(Some(Role::Upload))),
            ("192.0.2.2:4000", Ok(Some(Role::Download))),
            ("[::ffff:192.0.2.2]:4000", Ok(Some(Role::Download))),
            ("192.0.2.2:4001", Err(Turned::Stranger)),
            ("192.0.2.9:4000", Err(Turned::Stranger)),
        ] {
            assert_eq!(door.knock(at(remote)), expected, "{remote}");
        }
    }

    #[test]
    fn the_key_must_fit_address_port_role_batch_and_conference() {
        let mut door = door(false);
        let sharer = proof("c1", 7, Role::Upload, "192.0.2.1:4000", &key(1));
        assert_eq!(prove(&door, "192.0.2.1:4000", &sharer), Ok(MemberId(1)), "the sharer says which batch it is");
        let bob = proof("c1", 7, Role::Download, "192.0.2.2:4000", &key(2));
        assert_eq!(prove(&door, "192.0.2.2:4000", &bob), Err(Turned::Batch), "nobody can know the batch yet");
        door.set_batch(BatchId(7));
        for (what, remote, proof, expected) in [
            ("all is right", "192.0.2.2:4000", bob.clone(), Ok(MemberId(2))),
            ("the right key from a wrong port", "192.0.2.2:4001", bob.clone(), Err(Turned::Stranger)),
            ("the right key from somebody else's port", "192.0.2.3:4000", bob, Err(Turned::Terminal)),
            (
                "the right address with another's key",
                "192.0.2.2:4000",
                proof("c1", 7, Role::Download, "192.0.2.2:4000", &key(3)),
                Err(Turned::Key),
            ),
            ("as if sharing", "192.0.2.2:4000", proof("c1", 7, Role::Upload, "192.0.2.2:4000", &key(2)), Err(Turned::Role)),
            ("another batch", "192.0.2.2:4000", proof("c1", 8, Role::Download, "192.0.2.2:4000", &key(2)), Err(Turned::Batch)),
            ("another conference", "192.0.2.2:4000", proof("c2", 7, Role::Download, "192.0.2.2:4000", &key(2)), Err(Turned::Conference)),
        ] {
            assert_eq!(prove(&door, remote, &proof), expected, "{what}");
        }
    }

    #[test]
    fn another_connection_cannot_use_a_proof() {
        let mut door = door(false);
        door.set_batch(BatchId(7));
        let (header, proof) = proof("c1", 7, Role::Download, "192.0.2.2:4000", &key(2));
        let from = at("192.0.2.2:4000");
        let turned = |nonce, binding| door.prove(from, &header, &proof, nonce, binding).map(|a| a.member);
        assert_eq!(turned(&[9; 32], Binding::Plain), Err(Turned::Key));
        assert_eq!(turned(&SERVER, Binding::Exporter([0; 32])), Err(Turned::Key));
    }

    #[test]
    fn a_new_declaration_replaces_the_old_and_a_struck_member_is_a_stranger() {
        let mut door = door(false);
        door.admit(MemberId(2), Pass { role: Role::Download, source: at("192.0.2.2:5000"), key: key(2) });
        assert_eq!(door.knock(at("192.0.2.2:4000")), Err(Turned::Stranger));
        assert_eq!(door.knock(at("192.0.2.2:5000")), Ok(Some(Role::Download)));
        door.strike(MemberId(2));
        assert_eq!(door.knock(at("192.0.2.2:5000")), Err(Turned::Stranger));
    }

    #[test]
    fn behind_nat_the_key_alone_admits() {
        let mut door = door(true);
        door.set_batch(BatchId(7));
        assert_eq!(door.knock(at("203.0.113.5:60000")), Ok(None));
        let bob = proof("c1", 7, Role::Download, "192.0.2.2:4000", &key(2));
        assert_eq!(prove(&door, "203.0.113.5:60000", &bob), Ok(MemberId(2)));
        let forged = proof("c1", 7, Role::Download, "192.0.2.2:4000", &key(9));
        assert_eq!(prove(&door, "203.0.113.5:60000", &forged), Err(Turned::Key));
        let unknown = proof("c1", 7, Role::Download, "192.0.2.8:4000", &key(2));
        assert_eq!(prove(&door, "203.0.113.5:60000", &unknown), Err(Turned::Stranger));
    }
}
