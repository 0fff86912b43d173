//! The batch's stream out of its chunks (step 8): taken as they come, given on in their order.

use super::{
    WINDOW,
    order::{Order, OrderError},
};
use crate::channel::wire::{
    chunk::Header,
    letter::{Failed, FailedCode},
};

/// How far the stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Landed {
    /// Up to which byte of the batch's stream.
    pub received: u64,
    /// In so many chunks.
    pub chunks: u64,
    /// The last chunk is among them, and all before it.
    pub complete: bool,
    /// Chunks that came after one of a higher number.
    pub inversions: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Intake {
    order: Order<Vec<u8>>,
    total: Option<u64>,
    received: u64,
}

impl Intake {
    /// Expects the stream from a byte on, to its end where that is known, in chunks of at most so many bytes by so many connections. What waits
    /// for a chunk that is missing is at most [`WINDOW`].
    pub fn new(from: u64, total: Option<u64>, chunk: u32, streams: u8) -> Self {
        let window = (WINDOW / u64::from(chunk.max(1))).max(u64::from(streams) + 1);
        Self { order: Order::new(window), total, received: from }
    }

    /// Whether a chunk may come, before it is read and opened.
    ///
    /// # Errors
    /// It may not: the sender's fault.
    pub fn check(&self, header: &Header) -> Result<(), Failed> {
        self.order.check(header.index, header.is_last()).map_err(disordered)
    }

    /// Takes a chunk that was opened, and has put down what is now in order.
    ///
    /// # Errors
    /// It does not fit with those that came, the batch has no such bytes, or they could not be put down.
    pub fn take<E: From<Failed>>(&mut self, header: &Header, plain: &[u8], mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if !self.order.pass(header.index, header.is_last()).map_err(disordered)? {
            return Ok(self.order.put(header.index, header.is_last(), plain.to_vec()).map_err(disordered)?);
        }
        self.give(plain, &mut put)?;
        while let Some(waited) = self.order.poll() {
            self.give(&waited, &mut put)?;
        }
        Ok(())
    }

    /// How far it is.
    pub fn landed(&self) -> Landed {
        let order = &self.order;
        Landed { received: self.received, chunks: order.count(), complete: order.is_complete(), inversions: order.inversions() }
    }

    fn give<E: From<Failed>>(&mut self, bytes: &[u8], put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.received = self.received.saturating_add(bytes.len() as u64);
        if let Some(total) = self.total.filter(|total| self.received > *total) {
            return Err(Failed::new(FailedCode::Protocol, format!("more bytes came than the {total} of the manifest")).into());
        }
        put(bytes)
    }
}

fn disordered(why: OrderError) -> Failed {
    Failed::new(FailedCode::Integrity, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::wire::chunk::LAST;

    fn header(index: u64, flags: u8) -> Header {
        Header { length: 16, index, flags }
    }

    #[test]
    fn chunks_of_any_order_are_put_down_in_theirs() {
        let (mut intake, mut put) = (Intake::new(0, Some(10), 4096, 2), Vec::new());
        for (index, flags, plain) in [(2, 0, &b"ef"[..]), (0, 0, b"ab"), (4, LAST, b""), (1, 0, b"cd"), (3, 0, b"ghij")] {
            let mut now = Vec::new();
            intake.check(&header(index, flags)).expect("it may come");
            let taken: Result<(), Failed> = intake.take(&header(index, flags), plain, |bytes| {
                now.extend_from_slice(bytes);
                Ok(())
            });
            taken.expect("it fits");
            put.push(String::from_utf8(now).expect("text"));
        }
        assert_eq!(put, ["", "ab", "", "cdef", "ghij"]);
        assert_eq!(intake.landed(), Landed { received: 10, chunks: 5, complete: true, inversions: 3 });
    }

    #[test]
    fn what_cannot_be_put_down_and_what_is_too_much_are_told() {
        let mut intake = Intake::new(4, Some(8), 4096, 1);
        let full = |_: &[u8]| Err(Failed::new(FailedCode::NoSpace, "full"));
        assert_eq!(intake.take(&header(0, 0), b"abcd", full).expect_err("full").code, FailedCode::NoSpace);
        let fits = |_: &[u8]| Ok::<_, Failed>(());
        assert_eq!(intake.take(&header(1, 0), b"e", fits).expect_err("too much").code, FailedCode::Protocol);
        assert_eq!(intake.take(&header(1, 0), b"e", fits).expect_err("twice").code, FailedCode::Integrity);
        assert_eq!(intake.check(&header(1 << 20, 0)).expect_err("beyond the window").code, FailedCode::Integrity);
    }
}
