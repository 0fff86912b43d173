//! One function per parser of remote bytes, for `fuzz/` and for the replay of its corpus (`tests/fuzz_corpus.rs`).
//!
//! Each takes any bytes and panics when the parser does, or when what it read breaks a law: what is printed is read back the
//! same, however a stream is cut. To add a parser: a function in a file of this folder, a line in [`TARGETS`], a folder of
//! small files `fuzz/corpus/NAME/`, and the two-line file `fuzz/fuzz_targets/NAME.rs` with its `[[bin]]` in
//! `fuzz/Cargo.toml`. The tests say what was forgotten.

mod account;
mod channel;
mod conference;
mod fileshare;
mod media;
mod sdp;
mod sip;
mod transfer;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("account_ticket", account::ticket),
    ("channel_body", channel::body),
    ("channel_exchange", channel::exchange),
    ("channel_letter", channel::letter),
    ("channel_pass", channel::pass),
    ("channel_session", channel::session),
    ("channel_stream", channel::stream),
    ("channel_transfer", channel::transfer),
    ("conference_control", conference::control),
    ("conference_info", conference::info),
    ("conference_mscml", conference::mscml),
    ("conference_multipart", conference::multipart),
    ("conference_services", conference::services),
    ("fileshare_control", fileshare::control),
    ("fileshare_line", fileshare::line),
    ("fileshare_packet", fileshare::packet),
    ("fileshare_payload", fileshare::payload),
    ("media_event", media::event),
    ("media_rtcp", media::rtcp),
    ("media_rtp", media::rtp),
    ("media_wav", media::wav),
    ("sdp_description", sdp::description),
    ("sip_digest", sip::digest),
    ("sip_message", sip::message),
    ("sip_stream", sip::stream),
    ("sip_values", sip::values),
    ("transfer_frame", transfer::frame),
    ("transfer_manifest", transfer::manifest),
];

/// Runs the target called `name`.
///
/// # Panics
/// There is none, or it has found something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| target);
    target.unwrap_or_else(|| panic!("no fuzz target is called {name}"))(data);
}
