//! Seeded simulations: machines on both sides of a bad network, on virtual time.

#[path = "support/net.rs"]
mod net;
#[path = "simulation/transactions.rs"]
mod transactions;
