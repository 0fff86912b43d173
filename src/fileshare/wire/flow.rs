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
