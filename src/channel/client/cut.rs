//! Data connections as threads use them: each waits in its connection, and is woken by its being cut.

use std::{
    io,
    net::{Shutdown, TcpStream},
};

use tokio_util::sync::CancellationToken;

/// Cuts connections when it is dropped, and says so to whoever waits for something else.
#[derive(Debug, Default)]
pub(super) struct Cut {
    over: CancellationToken,
    connections: Vec<TcpStream>,
}

impl Cut {
    /// A connection for a thread that waits in it.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    pub(super) fn take(&mut self, stream: tokio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        self.connections.push(stream.try_clone()?);
        Ok(stream)
    }

    /// Cancelled when the connections are cut.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// All is done: the threads close what they have.
    pub(super) fn spare(mut self) {
        self.connections.clear();
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.over.cancel();
        for connection in &self.connections {
            // It may have broken.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
