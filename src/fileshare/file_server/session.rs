//! What the file server keeps of one dialog: one member of a data conference.

use std::net::SocketAddr;

use super::admission::MemberId;
use crate::{
    fileshare::{
        ConfId,
        outbox::Outbox,
        wire::{
            Failure, TransferKey,
            control::{Member, MemberState},
            line::Line,
            proof::Role,
        },
    },
    sdp::Negotiation,
};

/// One dialog with the application server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conf: ConfId,
    pub(super) member: MemberId,
    /// From of the INVITE: who this is, as the application server says it.
    pub(super) who: String,
    pub(super) role: Role,
    /// Where its terminal declared that it connects from.
    pub(super) source: SocketAddr,
    pub(super) key: TransferKey,
    pub(super) negotiation: Negotiation,
    /// Which of the m-lines is the share's; the others are refused.
    pub(super) place: usize,
    /// The share's line as last answered.
    pub(super) line: Line,
    pub(super) outbox: Outbox,
    pub(super) state: MemberState,
    /// Why it failed.
    pub(super) failure: Option<Failure>,
    /// Bytes that it has, from when it was struck from the list.
    pub(super) bytes: Option<u64>,
    /// The next id of a request of ours in this dialog.
    pub(super) next_id: u32,
}

impl Session {
    /// True when it will not transfer any more.
    pub(super) fn is_over(&self) -> bool {
        match self.state {
            MemberState::Complete | MemberState::Failed | MemberState::Declined | MemberState::NotTakingPart | MemberState::Left => true,
            MemberState::Offered | MemberState::Accepted | MemberState::Transferring | MemberState::Broken => false,
        }
    }

    /// How it stands; `bytes` are those that the plane knows of.
    pub(super) fn report(&self, bytes: u64) -> Member {
        Member { who: self.who.clone(), state: self.state, bytes: self.bytes.unwrap_or(bytes), failure: self.failure.clone() }
    }

    /// An id for a body of our own.
    pub(super) fn fresh_id(&mut self) -> String {
        self.next_id = self.next_id.wrapping_add(1);
        format!("fs-{}", self.next_id)
    }
}
