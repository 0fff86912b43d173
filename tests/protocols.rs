//! The documents of the protocols show what the programs read.

use std::{fs, path::Path};

use confkit::conference::wire::{conference_info::ConferenceInfo, control, mscml, services::Services};

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocols/conference.md")).expect("the document")
}

#[test]
fn every_xml_example_is_read() {
    let document = document();
    let examples: Vec<&str> = document.split("```xml\n").skip(1).filter_map(|rest| rest.split_once("\n```").map(|(xml, _)| xml)).collect();
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
