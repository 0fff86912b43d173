//! The socket between a terminal and its relay: TCP, or TLS over it (RFC 8446), done between waiting for the socket and reading or writing it.
//!
//! It is used as a socket is: wait until it can be read or written, then try. So what is asked of a connection of either kind (its bounds, its signs of
//! life, what happens when nobody reads) is asked in one place. What TLS has taken and the kernel has not yet is at most [`MOST`] bytes of the caller's,
//! and [`Link::has_to_write`] knows of it.
//!
//! An end without a `close_notify` is an end: a frame is whole or not there, and whether it was meant is said by `leave`.

use std::{
    io::{self, BufRead as _, Read, Write},
    os::fd::AsRawFd as _,
    sync::Arc,
};

use bytes::BytesMut;
use nix::sys::socket::{MsgFlags, recv};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::TcpStream,
};

use super::relay::Way;

/// Bytes that TLS takes at once: those of a record.
const MOST: usize = 16 * 1024;
/// Most bytes that a terminal may send for its handshake, in which it shows a certificate at most. More is refused, so that half a handshake costs no
/// more memory than half a request does.
const MAX_HANDSHAKE: usize = 16 * 1024;
/// What a record of a handshake begins with (RFC 8446 §5.1), and no preface.
const HANDSHAKE: u8 = 22;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    session: Session,
    /// Bytes that came for the handshake.
    shaking: usize,
    /// Bytes that the kernel took.
    sent: u64,
}

#[derive(Debug)]
enum Session {
    Plain,
    /// The first byte says whether it is TLS.
    Open(Arc<ServerConfig>),
    Tls(Box<Connection>),
}

impl Link {
    /// Without TLS.
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream, session: Session::Plain, shaking: 0, sent: 0 }
    }

    /// The relay's end at a listener that speaks TLS: the terminal's first byte says whether it does, too.
    pub(super) fn open(stream: TcpStream, config: Arc<ServerConfig>) -> Self {
        Self { session: Session::Open(config), ..Self::plain(stream) }
    }

    /// A terminal's end.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub(super) fn secured(stream: TcpStream, config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, rustls::Error> {
        let session = ClientConnection::new(config, name)?;
        Ok(Self { session: Session::Tls(Box::new(session.into())), ..Self::plain(stream) })
    }

    /// By which way a terminal speaks at a listener that speaks TLS; none as long as it has said nothing.
    pub(super) fn way(&self) -> Option<Way> {
        match self.session {
            Session::Open(_) => None,
            Session::Plain => Some(Way::Bare),
            Session::Tls(_) => Some(Way::Secured),
        }
    }

    /// The socket, to be waited for.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket below what is said, to throw away what comes.
    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The socket; none where it speaks TLS.
    pub(super) fn into_socket(self) -> Option<TcpStream> {
        matches!(self.session, Session::Plain).then_some(self.stream)
    }

    /// Bytes that the kernel took in all.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The two have not agreed on keys yet, or not whether they want to.
    pub(super) fn is_handshaking(&self) -> bool {
        match &self.session {
            Session::Plain => false,
            Session::Open(_) => true,
            Session::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Whether there is anything to write, where this waits: otherwise the socket needs not be waited for.
    pub(super) fn has_to_write(&self, waiting: &[u8]) -> bool {
        let wants = matches!(&self.session, Session::Tls(tls) if tls.wants_write());
        wants || (!waiting.is_empty() && !self.is_handshaking())
    }

    /// What came first, as far as there is room for it, and leaves it there. Zero at the end.
    ///
    /// # Errors
    /// As of a socket.
    pub(super) fn try_peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let fd = self.stream.as_raw_fd();
        self.stream.try_io(Interest::READABLE, || Ok(recv(fd, into, MsgFlags::MSG_PEEK)?))
    }

    /// Reads what comes at once: how much of it is the caller's. Zero at the end, none where something came and none of it was.
    ///
    /// # Errors
    /// As of a socket. Where it is no TLS, or none that we believe, [`io::ErrorKind::InvalidData`] with the [`rustls::Error`] in it.
    pub(super) fn try_read(&mut self, into: &mut BytesMut) -> io::Result<Option<usize>> {
        let before = into.len();
        let config = match &mut self.session {
            Session::Plain => return self.stream.try_read_buf(into).map(Some),
            Session::Tls(tls) => {
                let read = tls.read_tls(&mut Raw(&self.stream, &mut self.sent))?;
                if read == 0 {
                    return Ok(Some(0));
                }
                self.take(read, into)?;
                return Ok(Some(into.len() - before).filter(|come| *come > 0));
            }
            Session::Open(config) => Arc::clone(config),
        };
        let read = self.stream.try_read_buf(into)?;
        if into.get(before) != Some(&HANDSHAKE) {
            if read > 0 {
                self.session = Session::Plain;
            }
            return Ok(Some(read));
        }
        let first = into.split_off(before);
        self.session = Session::Tls(Box::new(ServerConnection::new(config).map_err(unfit)?.into()));
        let mut rest = &first[..];
        while let Session::Tls(tls) = &mut self.session
            && !rest.is_empty()
            && let read @ 1.. = tls.read_tls(&mut rest)?
        {
            self.take(read, into)?;
        }
        Ok(Some(into.len() - before).filter(|come| *come > 0))
    }

    /// Writes what goes at once: how much of it went, or will by itself.
    ///
    /// # Errors
    /// As of a socket.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.session, Session::Plain) {
            let wrote = self.stream.try_write(bytes)?;
            self.sent += wrote as u64;
            return Ok(wrote);
        }
        // What was taken before goes first: no more than one piece ever waits here.
        self.push()?;
        let Session::Tls(tls) = &mut self.session else { return Ok(0) };
        let took = tls.writer().write(bytes.get(..MOST).unwrap_or(bytes))?;
        match self.push() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(took),
        }
    }

    /// Says that nothing more is said (`close_notify`), where TLS is spoken and it goes at once.
    pub(super) fn say_goodbye(&mut self) {
        if let Session::Tls(tls) = &mut self.session {
            tls.send_close_notify();
            let _ = self.push();
        }
    }

    /// Ends what is written.
    ///
    /// # Errors
    /// As of a socket.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        self.say_goodbye();
        self.stream.shutdown().await
    }

    fn push(&mut self) -> io::Result<()> {
        if let Session::Tls(tls) = &mut self.session {
            while tls.wants_write() {
                tls.write_tls(&mut Raw(&self.stream, &mut self.sent))?;
            }
        }
        Ok(())
    }

    /// Takes what was read by TLS.
    fn take(&mut self, read: usize, into: &mut BytesMut) -> io::Result<()> {
        let Session::Tls(tls) = &mut self.session else { return Ok(()) };
        if tls.is_handshaking() && matches!(**tls, Connection::Server(_)) {
            self.shaking += read;
            if self.shaking > MAX_HANDSHAKE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake is too long"));
            }
        }
        if let Err(error) = tls.process_new_packets() {
            // The other end is told what was wrong with it, where that goes.
            let _ = tls.write_tls(&mut Raw(&self.stream, &mut self.sent));
            return Err(unfit(error));
        }
        let mut reader = tls.reader();
        while let Ok(piece @ [_, ..]) = reader.fill_buf() {
            let length = piece.len();
            into.extend_from_slice(piece);
            reader.consume(length);
        }
        Ok(())
    }
}

fn unfit(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What goes through the socket at once; counts what goes.
struct Raw<'a>(&'a TcpStream, &'a mut u64);

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wrote = self.0.try_write(bytes)?;
        *self.1 += wrote as u64;
        Ok(wrote)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
