//! Reading a socket until it is empty, several datagrams a system call, with the times at which they arrived.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant, SystemTime},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg},
        time::TimeSpec,
    },
};

use crate::media::rtp::MAX_DATAGRAM;

/// Datagrams that one call reads.
const BATCH: usize = 4;
/// Calls per socket and tick: what is still there after them waits for the next tick, so that a flood on one port costs no more than this.
const CALLS: usize = 4;
/// Most datagrams read from one socket in one tick.
pub const MAX_PER_TICK: usize = BATCH * CALLS;

/// Room for one call's datagrams, used for one socket after the other.
pub struct Batch {
    buffers: Box<[[u8; MAX_DATAGRAM]; BATCH]>,
    // Of its own for each family: the kernel shortens the space for the address to what it used last.
    ipv4: MultiHeaders<SockaddrIn>,
    ipv6: MultiHeaders<SockaddrIn6>,
}

/// The same moment on both clocks: the kernel stamps arrivals with the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Monotonic.
    pub now: Instant,
    /// Wall clock.
    pub wall: SystemTime,
}

impl Moment {
    /// When something stamped with the wall clock was, not after now and not long before: a wall clock that is set must not upset anything.
    fn arrival(&self, stamp: Duration) -> Instant {
        let wall = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let before = wall.saturating_sub(stamp).min(Duration::from_secs(1));
        self.now.checked_sub(before).unwrap_or(self.now)
    }
}

impl Batch {
    /// Empty.
    pub fn new() -> Self {
        Self {
            buffers: Box::new([[0; MAX_DATAGRAM]; BATCH]),
            ipv4: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            ipv6: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
        }
    }

    /// Gives every datagram that waits in a non-blocking socket to `take`, with its sender and the time of its arrival; at most [`MAX_PER_TICK`].
    ///
    /// # Errors
    /// The system's, but for an empty socket and for what a peer's refusal left behind.
    pub fn drain(
        &mut self,
        socket: &UdpSocket,
        ipv6: bool,
        moment: Moment,
        mut take: impl FnMut(Instant, SocketAddr, &[u8]),
    ) -> io::Result<()> {
        for _ in 0..CALLS {
            let count = if ipv6 {
                receive(socket, &mut self.ipv6, &mut self.buffers, moment, &mut take)
            } else {
                receive(socket, &mut self.ipv4, &mut self.buffers, moment, &mut take)
            };
            match count {
                Ok(BATCH) | Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
                Ok(_) | Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

fn receive<S: SockaddrLike + Copy + Into<SocketAddr>>(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<S>,
    buffers: &mut [[u8; MAX_DATAGRAM]; BATCH],
    moment: Moment,
    take: &mut impl FnMut(Instant, SocketAddr, &[u8]),
) -> Result<usize, Errno> {
    let mut slices = buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
    let messages = recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
    let mut count = 0;
    for message in messages {
        count += 1;
        let Some(from) = message.address else { continue };
        let stamp = message.cmsgs().into_iter().flatten().find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        let arrival = stamp.map_or(moment.now, |stamp| moment.arrival(stamp));
        // An empty datagram has no slice to give.
        take(arrival, from.into(), message.iovs().next().unwrap_or_default());
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, media::io::pair::Pair};

    fn moment() -> Moment {
        Moment { now: clock::now(), wall: clock::wall() }
    }

    #[test]
    fn everything_that_waits_is_read_in_order_with_its_sender_and_time() {
        for ip in ["127.0.0.1", "::1"] {
            let pair = Pair::bind_any(ip.parse().unwrap()).unwrap();
            let sender = UdpSocket::bind((ip, 0)).unwrap();
            let start = clock::now();
            for number in 0..10u8 {
                sender.send_to(&vec![number; usize::from(number)], pair.local_addr().unwrap()).unwrap();
            }
            let mut batch = Batch::new();
            let mut lengths = Vec::new();
            let mut last = start - Duration::from_millis(1);
            batch
                .drain(&pair.media, ip.contains(':'), moment(), |arrival, from, bytes| {
                    assert_eq!(from, sender.local_addr().unwrap());
                    assert!(arrival >= last && arrival <= clock::now(), "arrivals are in order and not in the future");
                    last = arrival;
                    lengths.push(bytes.len());
                })
                .unwrap();
            assert_eq!(lengths, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        }
    }

    #[test]
    fn a_flood_on_one_port_is_read_a_bounded_number_at_a_time() {
        let pair = Pair::bind_any("127.0.0.1".parse().unwrap()).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 20], pair.local_addr().unwrap()).unwrap();
        }
        let mut read = 0;
        Batch::new().drain(&pair.media, false, moment(), |_, _, _| read += 1).unwrap();
        assert_eq!(read, MAX_PER_TICK);
    }
}
