//! The data plane over real sockets, with a small client of its own.
