//! By what way a terminal speaks to the relay, and what is said by it: where TLS is spoken, nobody applies, meets or enters without it, and what is
//! carried goes beside it.

use super::{ConnectionId, Relay};
use crate::channel::wire::{Kind, RefusalCode, Refused};

/// See the [module](self).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// At a listener without TLS: everything.
    #[default]
    Plain,
    /// By TLS: everything but data connections. What these carry is sealed already, and passed on by the kernel's buffers.
    Secured,
    /// Without TLS at a listener that speaks it: data connections alone, whose proof shows nothing of the key.
    Bare,
}

impl Way {
    /// Why a first word has to come by another.
    pub(super) fn bars(self, kind: Kind) -> Option<Refused> {
        let why = match (self, kind) {
            (Self::Plain, _)
            | (Self::Secured, Kind::Apply | Kind::Meet | Kind::Letter | Kind::Enter | Kind::Leave | Kind::Ping | Kind::Pong | Kind::Spent)
            | (Self::Bare, Kind::Join | Kind::Leave | Kind::Ping | Kind::Pong)
            // No way makes them a terminal's.
            | (
                _,
                Kind::Challenge
                | Kind::Allocated
                | Kind::Met
                | Kind::Entered
                | Kind::Joined
                | Kind::Pace
                | Kind::Gone
                | Kind::Refused,
            ) => return None,
            (Self::Secured, Kind::Join) => "data connections to this relay are without TLS, as what they carry is sealed",
            (Self::Bare, Kind::Apply | Kind::Meet | Kind::Letter | Kind::Enter | Kind::Spent) => {
                "this relay is spoken to by TLS: name it tls://HOST:PORT, as in --relay"
            }
        };
        Some(Refused::new(RefusalCode::NotPermitted, why))
    }
}

impl Relay {
    /// It has shown by what way a connection speaks, at a listener that speaks TLS; before its first frame.
    pub fn handle_way(&mut self, id: ConnectionId, way: Way) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.way = way;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tls_is_spoken_requests_come_by_it_and_data_beside_it() {
        let barred = |way: Way| Kind::ALL.into_iter().filter(move |kind| way.bars(*kind).is_some()).map(Kind::name).collect::<Vec<_>>();
        assert_eq!(barred(Way::Plain), [""; 0]);
        assert_eq!(barred(Way::Secured), ["join"]);
        assert_eq!(barred(Way::Bare), ["apply", "meet", "letter", "enter", "spent"]);
    }
}
