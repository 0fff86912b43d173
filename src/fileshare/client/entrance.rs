//! Admission as a terminal sees it: the challenge comes, the proof goes, the welcome shows that the other side has the key, too.

use crate::fileshare::wire::{
    Failure, Kind, Packet, Way,
    payload::{Cancel, Challenge, Proof, Welcome},
    proof::{Admission, Binding, Nonce, Role},
};

use super::{fault::Fault, ticket::Place};

/// A connection that is not admitted yet.
#[derive(Debug)]
pub(super) struct Entrance {
    place: Place,
    role: Role,
    binding: Binding,
    nonce: Nonce,
    /// The first data packet that is wanted.
    sequence: u64,
    /// The nonce of the challenge, once that came.
    challenge: Option<Nonce>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Step {
    /// The proof goes.
    Prove(Packet),
    /// Admitted: what the file server says, and the data packet to go on with.
    Enter(Welcome, u64),
}

impl Entrance {
    pub(super) fn new(place: Place, role: Role, binding: Binding, nonce: Nonce, sequence: u64) -> Self {
        Self { place, role, binding, nonce, sequence, challenge: None }
    }

    pub(super) fn handle_packet(&mut self, packet: &Packet) -> Result<Step, Fault> {
        match (packet.header.kind, self.challenge) {
            (Kind::Challenge, None) => {
                let Challenge { nonce } = Challenge::read(&packet.data)?;
                self.challenge = Some(nonce);
                let proof = self.admission(&nonce).terminal_proof(&self.place.key);
                let proof = Proof { role: self.role, nonce: self.nonce, proof, conf: self.place.conf.clone() };
                let route = self.place.route(Way::ToServer);
                Ok(Step::Prove(route.packet(Kind::Proof, 0, self.sequence, proof.to_bytes())))
            }
            (Kind::Welcome, Some(challenge)) => {
                let welcome = Welcome::read(&packet.data)?;
                if !self.admission(&challenge).server_has(&self.place.key, &welcome.proof) {
                    return Err(Fault::Impostor);
                }
                if !self.place.route(Way::ToTerminal).carries(&packet.header) {
                    return Err(Fault::Route);
                }
                Ok(Step::Enter(welcome, packet.header.sequence))
            }
            (kind, _) => Err(ending(packet)?.unwrap_or(Fault::Unexpected(kind))),
        }
    }

    fn admission<'a>(&'a self, server_nonce: &'a Nonce) -> Admission<'a> {
        Admission {
            role: self.role,
            conf: &self.place.conf,
            batch: self.place.batch,
            terminal: self.place.source,
            server_nonce,
            terminal_nonce: &self.nonce,
            binding: self.binding,
        }
    }
}

/// Why the file server ends the transfer, where the packet says that.
pub(super) fn ending(packet: &Packet) -> Result<Option<Fault>, Fault> {
    Ok(match packet.header.kind {
        Kind::Error => Some(Fault::Refused(Failure::read(&packet.data)?)),
        Kind::Cancel => Some(Fault::CancelledThere(Cancel::read(&packet.data)?.reason)),
        _ => None,
    })
}
