//! The bodies of conferences.

use bytes::Bytes;

use crate::conference::wire::{
    conference_info::{Coherent, ConferenceInfo},
    control,
    mscml::{self, MscmlError},
    multipart,
    services::Services,
};

/// What is printed is read, and printed the same again. (What is read first may hold what our printing does not keep: fractions
/// of milliseconds, line ends in attributes.)
fn settles<T, E: std::fmt::Display>(read: impl Fn(&[u8]) -> Result<T, E>, print: impl Fn(&T) -> String, value: &T) {
    let first = print(value);
    let again = read(first.as_bytes()).unwrap_or_else(|e| panic!("{e} in what was printed:\n{first}"));
    assert_eq!(print(&again), first);
}

/// Control bodies; a refusal can be sent back.
pub fn control(data: &[u8]) {
    match control::Body::parse(data) {
        Ok(body) => settles(control::Body::parse, control::Body::to_xml, &body),
        Err(control::ControlError::Refused { id, text }) => {
            let reply = control::Reply::failed(id, control::Failure::new(control::ErrorCode::Usage, text));
            settles(control::Body::parse, control::Body::to_xml, &control::Body::Reply(reply));
        }
        Err(_) => {}
    }
}

/// MSCML bodies; a refusal can be sent back.
pub fn mscml(data: &[u8]) {
    match mscml::Body::parse(data) {
        Ok(body) => settles(mscml::Body::parse, mscml::Body::to_xml, &body),
        Err(MscmlError::Refused(response)) => settles(mscml::Body::parse, mscml::Body::to_xml, &mscml::Body::Response(*response)),
        Err(_) => {}
    }
}

/// Conference documents, and a subscriber's picture made of them.
pub fn info(data: &[u8]) {
    let Ok(document) = ConferenceInfo::parse(data) else { return };
    settles(ConferenceInfo::parse, ConferenceInfo::to_xml, &document);
    let mut picture = Coherent::new();
    picture.apply(ConferenceInfo { state: crate::conference::wire::conference_info::State::Full, version: 0, ..document.clone() });
    for part in document.split(2) {
        picture.apply(part);
    }
    if let Some(info) = picture.info() {
        settles(ConferenceInfo::parse, ConferenceInfo::to_xml, info);
    }
}

/// Services documents.
pub fn services(data: &[u8]) {
    if let Ok(services) = Services::parse(data) {
        settles(Services::parse, Services::to_xml, &services);
    }
}

/// Multiparts: the first line is the Content-Type, the rest the body. Parts are read back as they were written.
pub fn multipart(data: &[u8]) {
    let Some(end) = data.iter().position(|b| *b == b'\n') else { return };
    let (first, rest) = data.split_at(end);
    let Ok(content_type) = std::str::from_utf8(first) else { return };
    let Ok(parts) = multipart::bodies(content_type.trim(), &Bytes::copy_from_slice(rest)) else { return };
    let headers = parts.iter().map(|p| p.content_type.len() + p.disposition.as_ref().map_or(0, String::len)).max().unwrap_or(0);
    // Field names may grow when they are written out.
    if !parts.is_empty() && headers < multipart::MAX_PART_HEADERS / 2 && !content_type.contains('\r') {
        let (content_type, body) = multipart::write("mixed", &parts);
        assert_eq!(multipart::read(&content_type, &body), Ok(parts));
    }
}
