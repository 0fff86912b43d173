//! The documents of the protocols show what the programs read.

use std::{fs, path::Path};

use bytes::Bytes;
use confkit::{
    channel::wire::transfer,
    conference::wire::{conference_info::ConferenceInfo, control, mscml, services::Services},
    fileshare::{
        BatchId,
        wire::{self, FailureCode, Kind, Route, Way, line::Line},
    },
    sdp::Description,
};

fn document() -> String {
    named("conference")
}

fn named(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/protocols/{name}.md"))).expect("the document")
}

/// The blocks of a language in a document.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block)).collect()
}

#[test]
fn every_xml_example_is_read() {
    let document = document();
    let examples = blocks(&document, "xml");
    assert!(examples.len() > 10, "the examples are found");
    for xml in examples {
        let read = match xml.trim_start_matches('<').split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next() {
            Some("MediaServerControl") => mscml::Body::parse(xml.as_bytes()).map(drop).map_err(|e| e.to_string()),
            Some("conference-info") => ConferenceInfo::parse(xml.as_bytes()).map(drop).map_err(|e| e.to_string()),
            Some("services") => Services::parse(xml.as_bytes()).map(drop).map_err(|e| e.to_string()),
            _ => control::Body::parse(xml.as_bytes()).map(drop).map_err(|e| e.to_string()),
        };
        assert_eq!(read, Ok(()), "{xml}");
    }
}

#[test]
fn names_stand_in_the_document_as_in_the_program() {
    let document = document();
    let names = [
        control::CONTENT_TYPE,
        control::INFO_PACKAGE,
        control::NAMESPACE,
        mscml::CONTENT_TYPE,
        mscml::EXTENSION_NAMESPACE,
        confkit::conference::wire::conference_info::CONTENT_TYPE,
        confkit::conference::wire::services::CONTENT_TYPE,
    ];
    for name in names {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
    let codes = ["failed", "usage", "forbidden", "not-found", "conflict", "declined", "unreachable"];
    for code in codes {
        assert!(control::ErrorCode::from_word(code).is_some() && document.contains(&format!("| `{code}` |")), "{code}");
    }
}

#[test]
fn every_example_of_shares_is_read() {
    let document = named("fileshare");
    let (bodies, lines) = (blocks(&document, "xml"), blocks(&document, "sdp"));
    assert!(bodies.len() >= 7 && lines.len() >= 4, "the examples are found");
    for xml in bodies {
        assert_eq!(wire::control::Body::parse(xml.as_bytes()).map(drop), Ok(()), "{xml}");
    }
    for text in lines {
        let description = format!("v=0\no=- 1 1 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\n{text}\n");
        let media = description.parse::<Description>().expect(text).media.remove(0);
        let line = Line::read(&media).expect(text).expect("a line of a share");
        // Whatever its form, it says who connects where.
        assert!(line.source().is_ok() || line.endpoint().is_ok(), "{text}");
    }
}

#[test]
fn the_packet_of_the_document_is_the_one_that_is_written() {
    let document = named("fileshare");
    let route = Route { way: Way::ToServer, terminal: ([192, 0, 2, 7], 40000).into(), batch: BatchId(0x0102_0304_0506_0708) };
    let packet = route.packet(Kind::Data, 5, 2, Bytes::from_static(b"hello")).to_bytes();
    let hex: String = packet.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(blocks(&document, "hex").iter().map(|block| block.replace([' ', '\n'], "")).collect::<Vec<_>>(), [hex]);
    for kind in Kind::ALL {
        let row = format!("| {} | {} |", format!("{kind:?}").to_lowercase(), kind as u8);
        assert!(document.contains(&row), "{row}");
    }
}

#[test]
fn names_of_shares_stand_in_the_document_as_in_the_program() {
    let document = named("fileshare");
    let label = std::str::from_utf8(wire::proof::EXPORTER_LABEL).expect("ASCII");
    for name in [wire::control::CONTENT_TYPE, wire::control::INFO_PACKAGE, wire::control::NAMESPACE, label] {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
    for code in FailureCode::ALL {
        assert!(document.contains(&format!("| `{code}` | {} |", code.number())), "{code}");
    }
    for name in wire::control::MESSAGES {
        assert!(document.contains(&format!("\n| `{name}` ")), "{name}");
    }
}

#[test]
fn the_page_of_channels_shows_bodies_that_are_read_and_names_them_as_the_program_does() {
    let document = named("channel");
    let examples = blocks(&document, "xml");
    assert!(examples.len() >= 2, "the examples are found");
    for xml in examples {
        let read = transfer::Body::parse(xml.as_bytes()).unwrap_or_else(|why| panic!("{why}: {xml}"));
        assert!(read.to_xml().ends_with(xml), "{xml}");
    }
    for name in [transfer::CONTENT_TYPE, transfer::NAMESPACE, transfer::FEATURE_TAG] {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
}
