//! Which data packet may follow which: the check of table 1's Id, Total, Seq and Len at the receiving end.

use super::{
    FailureCode,
    packet::{Header, Kind},
};
use crate::fileshare::BatchId;

/// The data packets of one batch on one connection, as they must come: each number once, in order, of the fixed size.
#[derive(Debug, Clone)]
pub struct Flow {
    batch: BatchId,
    payload: u32,
    next: u64,
    total: u64,
    ended: bool,
}

/// What is wrong with a data packet. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// Of another batch.
    #[error("packet of batch {got}, where batch {wanted} is transferred")]
    Batch {
        /// As the header says.
        got: BatchId,
        /// What is transferred.
        wanted: BatchId,
    },
    /// Repeated, left out or out of order.
    #[error("packet {got} came where packet {wanted} was due")]
    Sequence {
        /// As the header says.
        got: u64,
        /// What was due.
        wanted: u64,
    },
    /// The total changed after it was known, or is below what came.
    #[error("the batch has {got} packets by this one and {wanted} by those before")]
    Total {
        /// As the header says.
        got: u64,
        /// As was known.
        wanted: u64,
    },
    /// Not the fixed payload size, and not the last packet.
    #[error("packet {sequence} holds {got} bytes, where {wanted} were due")]
    Length {
        /// Which packet.
        sequence: u64,
        /// As the header says.
        got: u32,
        /// The fixed payload size, in bytes.
        wanted: u32,
    },
    /// Data behind the last packet.
    #[error("packet {sequence} came behind the last")]
    BehindTheLast {
        /// Which packet.
        sequence: u64,
    },
}

impl FlowError {
    /// The kind of failure that the peer is told.
    pub fn code(self) -> FailureCode {
        FailureCode::Protocol
    }
}

impl Flow {
    /// The flow of a batch of a fixed payload size, in bytes, that begins with packet `next`.
    pub fn new(batch: BatchId, payload: u32, next: u64) -> Self {
        Self { batch, payload, next, total: 0, ended: false }
    }

    /// The number of the next data packet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Data packets in the batch; `None` where not known yet.
    pub fn total(&self) -> Option<u64> {
        Some(self.total).filter(|total| *total != 0)
    }

    /// Takes the header of a data packet and gives the offset of its data in the batch, in bytes. A header of another kind is no matter
    /// of this: it gives the present offset and changes nothing.
    ///
    /// # Errors
    /// [`FlowError`]; the flow stays as it was.
    pub fn take(&mut self, header: &Header) -> Result<u64, FlowError> {
        let offset = self.next.saturating_mul(u64::from(self.payload));
        if header.kind != Kind::Data {
            return Ok(offset);
        }
        let sequence = header.sequence;
        if header.batch != self.batch {
            return Err(FlowError::Batch { got: header.batch, wanted: self.batch });
        }
        if self.ended {
            return Err(FlowError::BehindTheLast { sequence });
        }
        if sequence != self.next {
            return Err(FlowError::Sequence { got: sequence, wanted: self.next });
        }
        // A total that was known does not become unknown again.
        if self.total != 0 && header.total != self.total {
            return Err(FlowError::Total { got: header.total, wanted: self.total });
        }
        let last = header.total != 0 && sequence.saturating_add(1) == header.total;
        let short = header.length < self.payload;
        if header.length > self.payload || (short && header.total != 0 && !last) {
            return Err(FlowError::Length { sequence, got: header.length, wanted: self.payload });
        }
        self.total = header.total;
        self.ended = last || short;
        self.next = sequence.saturating_add(1);
        Ok(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fileshare::wire::{Route, Way};

    fn header(total: u64, sequence: u64, length: u32) -> Header {
        let terminal = ([192, 0, 2, 7], 40000).into();
        Route { way: Way::ToServer, terminal, batch: BatchId(1) }.header(Kind::Data, total, sequence, length)
    }

    #[test]
    fn packets_in_order_give_their_offsets() {
        let mut flow = Flow::new(BatchId(1), 1000, 3);
        assert_eq!(flow.take(&header(0, 3, 1000)), Ok(3000));
        assert_eq!(flow.take(&Header { kind: Kind::Heartbeat, ..header(0, 9, 0) }), Ok(4000), "others change nothing");
        assert_eq!(flow.take(&header(6, 4, 1000)), Ok(4000), "the total becomes known");
        assert_eq!((flow.take(&header(6, 5, 1)), flow.total(), flow.next()), (Ok(5000), Some(6), 6));
        assert_eq!(flow.take(&header(6, 6, 1)), Err(FlowError::BehindTheLast { sequence: 6 }));
    }

    #[test]
    fn a_stream_of_unknown_length_ends_with_the_first_short_packet() {
        let mut flow = Flow::new(BatchId(1), 1000, 0);
        assert_eq!(flow.take(&header(0, 0, 1000)), Ok(0));
        assert_eq!(flow.take(&header(0, 1, 999)), Ok(1000));
        assert_eq!(flow.take(&header(0, 2, 5)), Err(FlowError::BehindTheLast { sequence: 2 }));
    }

    #[test]
    fn wrong_packets_get_their_error_and_change_nothing() {
        let mut flow = Flow::new(BatchId(1), 1000, 0);
        assert_eq!(flow.take(&header(9, 0, 1000)), Ok(0));
        for (wrong, error) in [
            (Header { batch: BatchId(2), ..header(9, 1, 1000) }, FlowError::Batch { got: BatchId(2), wanted: BatchId(1) }),
            (header(9, 0, 1000), FlowError::Sequence { got: 0, wanted: 1 }),
            (header(9, 2, 1000), FlowError::Sequence { got: 2, wanted: 1 }),
            (header(9, u64::MAX, 1000), FlowError::Sequence { got: u64::MAX, wanted: 1 }),
            (header(8, 1, 1000), FlowError::Total { got: 8, wanted: 9 }),
            (header(0, 1, 1000), FlowError::Total { got: 0, wanted: 9 }),
            (header(9, 1, 999), FlowError::Length { sequence: 1, got: 999, wanted: 1000 }),
            (header(9, 1, 1001), FlowError::Length { sequence: 1, got: 1001, wanted: 1000 }),
        ] {
            assert_eq!(flow.take(&wrong), Err(error));
        }
        assert_eq!(flow.take(&header(9, 1, 1000)), Ok(1000));
    }
}
