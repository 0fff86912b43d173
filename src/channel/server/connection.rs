//! One connection: its frames to the machine, the machine's frames to it, until it ends or is handed to a pump.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::{Buf as _, BytesMut};
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot},
    task::consume_budget,
    time::timeout,
};

use super::actor::Input;
use crate::channel::{
    link::Link,
    relay::ConnectionId,
    wire::{
        Decoder, Frame, Kind,
        frame::{MAX_BODY, PREFACE},
    },
};

/// Orders that wait for a connection: more frames than the machine lets wait for a terminal. One that takes none of them is closed.
pub(super) const ORDERS: usize = 256;
/// Frames that wait to be written to a connection at most. Who sends letters is held back long before; what the machine itself has to tell, of comings
/// and goings, is bounded by this: a terminal that reads none of it is ended.
const UNREAD: usize = 1024;
/// Most bytes of memory that a connection keeps for what is to be written while nothing is.
const KEPT: usize = 64 * 1024;
/// How long a connection that is to be closed may take for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long, and for how many bytes at most, one that is closed is read on: what it had sent meanwhile would otherwise take our last words from it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 256 * 1024);
/// Most connections that are closed and still have their last words written, or are read on. The machine knows and counts them no more: one more gets
/// what goes at once, and is closed.
pub(super) const LINGERING: usize = 256;
/// How long the kernel waits for a sign of life of an other end: idle, then between two probes, of which three are sent.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(5), Duration::from_secs(3), 3);
/// How long bytes may be unacknowledged before the connection is broken.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// What a connection is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Write this.
    Send(Frame),
    /// Its next frame may come.
    Read,
    /// Write what is to be written, and close.
    Close,
    /// Write what is to be written, and give the stream away with what was read behind the last frame.
    HandOver(oneshot::Sender<(TcpStream, BytesMut)>),
}

/// Has the kernel notice that the other end is gone.
pub(in crate::channel) fn watch_over(stream: &TcpStream) -> io::Result<()> {
    let (idle, between, probes) = KEEPALIVE;
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(between).with_retries(probes))?;
    let milliseconds = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, TcpUserTimeout, &milliseconds).map_err(io::Error::from)
}

/// Runs a connection until it ends. What comes goes to `inputs`; a frame is given when the one before was taken ([`Order::Read`]). `lingering` has
/// [`LINGERING`] permits.
pub(super) async fn run(
    id: ConnectionId,
    link: Link,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    lingering: Arc<Semaphore>,
) {
    let mut line = Line::new(id, link);
    match line.talk(&mut orders, &inputs).await {
        // Whoever wanted it is gone, or it is none that can be handed over: then it is closed by being dropped.
        Over::Handed(reply) => drop(line.link.into_socket().map(|stream| reply.send((stream, line.decoder.into_rest())))),
        // The machine may be over: then nobody needs to know.
        Over::Told => drop(inputs.send(Input::Closed { id }).await),
        Over::Close => line.close(&lingering).await,
    }
}

struct Line {
    id: ConnectionId,
    link: Link,
    /// The machine is to hear by what way it speaks.
    unknown: bool,
    decoder: Decoder,
    out: BytesMut,
    /// Most bytes that were in `out` since it was given back.
    grown: usize,
    /// Of each frame in `out`: where it ends in all that was ever to be written.
    frames: VecDeque<u64>,
    /// Bytes that were ever to be written.
    queued: u64,
    /// And those that were.
    sent: u64,
    /// The next frame may be given to the machine.
    reading: bool,
}

/// How a connection is over.
enum Over {
    /// It is to be given away.
    Handed(oneshot::Sender<(TcpStream, BytesMut)>),
    /// It ended, and the machine is to know.
    Told,
    /// The machine wants it closed, or is gone.
    Close,
}

impl Line {
    fn new(id: ConnectionId, link: Link) -> Self {
        Self {
            id,
            unknown: link.way().is_none(),
            link,
            decoder: Decoder::default(),
            out: BytesMut::from(&PREFACE[..]),
            grown: 0,
            frames: VecDeque::new(),
            queued: PREFACE.len() as u64,
            sent: 0,
            reading: true,
        }
    }

    async fn talk(&mut self, orders: &mut mpsc::Receiver<Order>, inputs: &mpsc::Sender<Input>) -> Over {
        let mut hand = None;
        loop {
            if self.reading && hand.is_none() {
                match self.decoder.next_frame() {
                    Ok(None) => {}
                    Ok(Some(frame)) => {
                        self.reading = false;
                        // A stranger has shown what it wants: longer frames are letters.
                        self.decoder.set_limit(MAX_BODY);
                        if inputs.send(Input::Frame { id: self.id, frame }).await.is_err() {
                            return Over::Close;
                        }
                    }
                    Err(error) => {
                        self.reading = false;
                        if inputs.send(Input::Fault { id: self.id, error }).await.is_err() {
                            return Over::Close;
                        }
                    }
                }
            }
            if self.out.is_empty()
                && let Some(reply) = hand.take()
            {
                return Over::Handed(reply);
            }
            let reads = self.reading && hand.is_none();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Send(frame)) => {
                        // What comes behind it is no frame, and for the pump.
                        self.reading &= frame.kind != Kind::Joined;
                        self.say(&frame);
                        if self.frames.len() > UNREAD {
                            return Over::Told;
                        }
                    }
                    Some(Order::Read) => self.reading = true,
                    Some(Order::HandOver(reply)) => hand = Some(reply),
                    Some(Order::Close) | None => return Over::Close,
                },
                ready = self.link.socket().readable(), if reads => match ready.and_then(|()| self.link.try_read(self.decoder.room())) {
                    Ok(Some(0)) => return Over::Told,
                    // Frames that are passed over cost no turn of the machine: who sends nothing else must not keep a thread to itself.
                    Ok(_) => {
                        consume_budget().await;
                        if !self.tell_way(inputs).await {
                            return Over::Close;
                        }
                    }
                    Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                    Err(error) => {
                        if error.kind() == io::ErrorKind::InvalidData {
                            tracing::debug!(connection = self.id.0, %error, "no TLS that can be spoken");
                        }
                        return Over::Told;
                    }
                },
                ready = self.link.socket().writable(), if self.link.has_to_write(&self.out) => {
                    if ready.is_err() || self.write(inputs).await.is_err() {
                        return Over::Told;
                    }
                }
            }
        }
    }

    /// The machine knows by what way it speaks before it gets its first frame. False where the machine is gone.
    async fn tell_way(&mut self, inputs: &mpsc::Sender<Input>) -> bool {
        let Some(way) = self.link.way().filter(|_| self.unknown) else { return true };
        self.unknown = false;
        inputs.send(Input::Way { id: self.id, way }).await.is_ok()
    }

    fn say(&mut self, frame: &Frame) {
        self.queued += frame.length() as u64;
        self.frames.push_back(self.queued);
        frame.write(&mut self.out);
        self.grown = self.grown.max(self.out.len());
    }

    /// Writes what can be written, and tells the machine of it, and of the frames that are through with it.
    async fn write(&mut self, inputs: &mpsc::Sender<Input>) -> io::Result<()> {
        let bytes = match self.link.try_write(&self.out) {
            Ok(wrote) => wrote,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error),
        };
        if bytes == 0 {
            // What went was of TLS.
            return Ok(());
        }
        self.out.advance(bytes);
        self.sent += bytes as u64;
        self.give_back();
        let mut frames = 0;
        while self.frames.pop_front_if(|end| *end <= self.sent).is_some() {
            frames += 1;
        }
        // Without a machine there is nobody to count.
        let _ = inputs.send(Input::Written { id: self.id, frames, bytes }).await;
        Ok(())
    }

    /// What was needed for much is not kept for nothing.
    fn give_back(&mut self) {
        if self.out.is_empty() && self.grown > KEPT {
            (self.out, self.grown) = (BytesMut::new(), 0);
        }
    }

    async fn close(mut self, lingering: &Semaphore) {
        let Ok(_lingers) = lingering.try_acquire() else {
            // What does not go at once does not go.
            let _ = self.link.try_write(&self.out);
            return;
        };
        // Whoever is gone already has nothing to hear.
        let _ = timeout(LAST_WORDS, async {
            while self.link.has_to_write(&self.out) {
                self.link.socket().writable().await?;
                match self.link.try_write(&self.out) {
                    Ok(wrote) => self.out.advance(wrote),
                    Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                    Err(error) => return Err(error),
                }
            }
            self.link.shut_down().await
        })
        .await;
        let (awhile, mut left) = LINGER;
        let _ = timeout(awhile, async {
            let mut dropped = [0; 4096];
            while let Ok(read @ 1..) = self.link.socket_mut().read(&mut dropped).await {
                match left.checked_sub(read) {
                    Some(fewer) => left = fewer,
                    None => return,
                }
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use bytes::Bytes;

    use super::*;
    use crate::channel::{Peer, server::pump::tests::pair, wire::frame::FIRST_OPTIONAL};

    fn letter() -> Frame {
        Frame { kind: Kind::Letter, peer: Peer::SENDER, body: Bytes::from(vec![7; MAX_BODY]) }
    }

    /// A connection whose other end reads nothing, with as many frames as it takes until some of them wait.
    async fn unread(frames: usize) -> (TcpStream, TcpStream, mpsc::Sender<Order>, mpsc::Receiver<Order>) {
        let (terminal, stream) = pair(Some(8 * 1024)).await;
        let (orders, inbox) = mpsc::channel(frames + 1);
        for _ in 0..frames {
            orders.send(Order::Send(letter())).await.expect("room");
        }
        (terminal, stream, orders, inbox)
    }

    #[tokio::test]
    async fn one_that_is_closed_and_reads_nothing_costs_no_turns_until_its_time_is_over() {
        let (_terminal, stream, orders, inbox) = unread(128).await;
        let (inputs, _heard) = mpsc::channel(1024);
        orders.send(Order::Close).await.expect("room");
        // The machine knows it no more.
        drop(orders);
        let mut running = pin!(run(ConnectionId(1), Link::plain(stream), inbox, inputs, Arc::new(Semaphore::new(1))));
        let mut turns = 0;
        let over = poll_fn(|context| {
            turns += 1;
            assert!(turns < 500, "it is busy with waiting");
            running.as_mut().poll(context)
        });
        timeout(2 * LAST_WORDS + LINGER.0, over).await.expect("it ends in time");
    }

    #[tokio::test]
    async fn once_enough_that_are_closed_linger_another_is_closed_at_once_with_what_goes_of_its_last_words() {
        let lingering = Arc::new(Semaphore::new(1));
        let (inputs, _heard) = mpsc::channel(8);
        let closed = async |stream| {
            let (orders, inbox) = mpsc::channel(2);
            orders
                .send(Order::Send(Frame { kind: Kind::Refused, peer: Peer::SENDER, body: Bytes::from_static(b"{}") }))
                .await
                .expect("room");
            orders.send(Order::Close).await.expect("room");
            run(ConnectionId(1), Link::plain(stream), inbox, inputs.clone(), Arc::clone(&lingering)).await;
        };
        let ((_first, one), (mut second, two)) = (pair(None).await, pair(None).await);
        let mut lingers = pin!(closed(one));
        assert!(timeout(Duration::from_millis(50), &mut lingers).await.is_err(), "the first stays as long as its terminal does");
        timeout(LINGER.0 / 2, closed(two)).await.expect("the second does not");
        let mut heard = Vec::new();
        second.read_to_end(&mut heard).await.expect("its last words");
        assert!(heard.starts_with(&PREFACE) && heard.ends_with(b"{}"), "{heard:?}");
        lingers.await;
    }

    #[tokio::test]
    async fn what_was_needed_for_much_is_given_back_once_all_of_it_is_written() {
        let (mut terminal, stream) = pair(Some(8 * 1024)).await;
        let (inputs, mut told) = mpsc::channel(64);
        let mut line = Line::new(ConnectionId(1), Link::plain(stream));
        for _ in 0..16 {
            line.say(&letter());
        }
        let length = line.out.len();
        let write = async {
            while !line.out.is_empty() {
                line.link.socket().writable().await.expect("up");
                line.write(&inputs).await.expect("written");
            }
        };
        let mut read = vec![0; length];
        let ((), read) = tokio::join!(write, terminal.read_exact(&mut read));
        assert_eq!(read.expect("read"), length);
        assert!(!line.out.try_reclaim(KEPT), "a mebibyte is kept for nothing");
        told.close();
        let mut frames = 0;
        while let Some(Input::Written { frames: more, .. }) = told.recv().await {
            frames += more;
        }
        assert_eq!(frames, 16);
        // Little stays where it is.
        line.say(&Frame { kind: Kind::Pong, peer: Peer::SENDER, body: Bytes::from_static(b"anybody?") });
        line.write(&inputs).await.expect("written");
        assert!(line.out.is_empty() && line.grown > 0);
    }

    #[tokio::test]
    async fn who_sends_nothing_but_what_is_passed_over_does_not_keep_a_thread_to_itself() {
        let (terminal, stream) = pair(None).await;
        let (_orders, mut inbox) = mpsc::channel(8);
        let (inputs, _heard) = mpsc::channel(8);
        let mut line = Line::new(ConnectionId(1), Link::plain(stream));
        let mut passed_over = Frame { kind: Kind::Pong, peer: Peer::SENDER, body: Bytes::from(vec![0; 4000]) }.to_bytes().to_vec();
        passed_over[0] = FIRST_OPTIONAL;
        let said = [&PREFACE[..], &passed_over.repeat(1000)].concat();
        terminal.writable().await.expect("up");
        let mut sent = 0;
        while let Ok(more @ 1..) = terminal.try_write(&said[sent..]) {
            sent += more;
        }
        line.link.socket().readable().await.expect("readable");
        {
            let mut talks = pin!(line.talk(&mut inbox, &inputs));
            poll_fn(|context| {
                assert!(talks.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        let left = line.link.socket().try_read(&mut [0; 1]);
        assert!(matches!(left, Ok(1)), "all {sent} bytes were read in one turn");
    }

    #[tokio::test]
    async fn one_that_reads_nothing_is_ended_when_too_much_waits_for_it() {
        let (_terminal, stream, orders, inbox) = unread(UNREAD).await;
        let (inputs, mut heard) = mpsc::channel(2 * UNREAD);
        // Behind them come those that the kernel took the place of.
        let more = async { while orders.send(Order::Send(letter())).await.is_ok() {} };
        tokio::join!(run(ConnectionId(1), Link::plain(stream), inbox, inputs, Arc::new(Semaphore::new(1))), more);
        let mut last = None;
        while let Some(input) = heard.recv().await {
            last = Some(input);
        }
        assert!(matches!(last, Some(Input::Closed { id: ConnectionId(1) })), "{last:?}");
    }
}
