//! What a server offers and carries: `application/vnd.confkit.services+xml`, namespace `urn:confkit:services:1`.
//!
//! It is the body of the answer to `OPTIONS sip:control@as`, from which a program that knows only a SIP address learns
//! the rest, and of the answers of media and file servers, from which the AS learns legs, capacity and load.

use roxmltree::Node;
use serde::Serialize;

use super::{
    XmlError,
    xml::{self, Element},
};

/// Content type of these bodies.
pub const CONTENT_TYPE: &str = "application/vnd.confkit.services+xml";
/// XML namespace of every element.
pub const NAMESPACE: &str = "urn:confkit:services:1";
/// Most services in a body that is read. More make it unreadable.
pub const MAX_SERVICES: usize = 64;

/// What one server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Services {
    /// The role that answered: `as`, `ms`, `fs`, ….
    pub role: String,
    /// Version of the program.
    pub version: String,
    /// Realm of its accounts, when it has any.
    pub realm: Option<String>,
    /// Takes no new calls.
    pub draining: bool,
    /// Which run of the program this is: another one than before knows nothing of the calls of before. Media servers say so.
    pub instance: Option<String>,
    /// Where else things are, by purpose: `control`, `factory`, `http`, `relay`, `swarm`, ….
    pub services: Vec<Service>,
    /// What it carries; media and file servers say so.
    pub load: Option<Load>,
    /// The certificate authority to trust, in PEM.
    pub ca: Option<String>,
    /// What its tickets are verified with: an Ed25519 key in base64url. An `as` says so.
    pub ticket_key: Option<String>,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// What it is for.
    pub purpose: String,
    /// Where it is: a URI, or `host:port`.
    pub uri: String,
}

/// What a media or file server carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Load {
    /// Legs in use.
    pub legs: u32,
    /// Most legs.
    pub capacity: u32,
    /// Load of the busiest thread, in thousandths of a core.
    pub load: u32,
}

/// Why a body is not one of these. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServicesError {
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML of another kind.
    #[error("the body is no {NAMESPACE} document")]
    OtherDocument,
    /// Something required is missing or no value of its type.
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
}

impl Services {
    /// Where a service is.
    pub fn uri(&self, purpose: &str) -> Option<&str> {
        self.services.iter().find(|s| s.purpose == purpose).map(|s| s.uri.as_str())
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`ServicesError`] says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServicesError> {
        let document = xml::read(bytes)?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "services")) {
            return Err(ServicesError::OtherDocument);
        }
        let required = |node: Node<'_, '_>, name: &'static str| {
            node.attribute(name).filter(|v| !v.is_empty()).map(str::to_owned).ok_or(ServicesError::Malformed(name))
        };
        let mut services = Vec::new();
        for node in xml::children(root, NAMESPACE).filter(|n| n.tag_name().name() == "service") {
            if services.len() == MAX_SERVICES {
                return Err(ServicesError::Malformed("too many services"));
            }
            services.push(Service { purpose: required(node, "purpose")?, uri: required(node, "uri")? });
        }
        let number = |node: Node<'_, '_>, name: &'static str| {
            node.attribute(name).and_then(|v| v.parse().ok()).ok_or(ServicesError::Malformed(name))
        };
        let load = xml::child(root, NAMESPACE, "load")
            .map(|node| {
                Ok::<_, ServicesError>(Load {
                    legs: number(node, "legs")?,
                    capacity: number(node, "capacity")?,
                    load: number(node, "load")?,
                })
            })
            .transpose()?;
        Ok(Self {
            role: required(root, "role")?,
            version: required(root, "version")?,
            realm: root.attribute("realm").map(str::to_owned),
            draining: root.attribute("draining").and_then(xml::yes_no).unwrap_or(false),
            instance: root.attribute("instance").map(str::to_owned),
            services,
            load,
            ca: xml::child_text(root, NAMESPACE, "ca"),
            ticket_key: root.attribute("ticket-key").map(str::to_owned),
        })
    }

    /// The body as XML.
    pub fn to_xml(&self) -> String {
        Element::new("services")
            .attr("xmlns", NAMESPACE)
            .attr("role", &self.role)
            .attr("version", &self.version)
            .maybe_attr("realm", self.realm.as_ref())
            .maybe_attr("draining", self.draining.then_some("yes"))
            .maybe_attr("instance", self.instance.as_ref())
            .maybe_attr("ticket-key", self.ticket_key.as_ref())
            .children(self.services.iter().map(|s| Element::new("service").attr("purpose", &s.purpose).attr("uri", &s.uri)))
            .maybe_child(self.load.map(|l| Element::new("load").attr("legs", l.legs).attr("capacity", l.capacity).attr("load", l.load)))
            .maybe_text("ca", self.ca.as_ref())
            .to_xml()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_servers_answer_reads_as_written() {
        let services = Services {
            role: "ms".into(),
            version: "0.1.0".into(),
            instance: Some("1f".into()),
            load: Some(Load { legs: 3, capacity: 1000, load: 120 }),
            ..Services::default()
        };
        let xml = services.to_xml();
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><services xmlns=\"urn:confkit:services:1\" role=\"ms\" version=\"0.1.0\" \
             instance=\"1f\"><load legs=\"3\" capacity=\"1000\" load=\"120\"/></services>"
        );
        assert_eq!(Services::parse(xml.as_bytes()), Ok(services));
    }

    #[test]
    fn an_as_names_its_other_doors_and_its_authority() {
        let services = Services {
            role: "as".into(),
            version: "0.1.0".into(),
            realm: Some("conf.example".into()),
            draining: true,
            instance: None,
            services: vec![Service { purpose: "http".into(), uri: "https://127.0.0.1:8443".into() }],
            load: None,
            ca: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".into()),
            ticket_key: Some("6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw".into()),
        };
        let read = Services::parse(services.to_xml().as_bytes());
        assert_eq!(read, Ok(services));
        assert_eq!(read.expect("read").uri("http"), Some("https://127.0.0.1:8443"));
    }

    #[test]
    fn odd_bodies_are_refused() {
        let odd = |text: &str| Services::parse(text.as_bytes()).expect_err(text);
        assert_eq!(odd("<services role=\"as\" version=\"1\"/>"), ServicesError::OtherDocument);
        assert_eq!(odd("<services xmlns=\"urn:confkit:services:1\" role=\"ms\"/>"), ServicesError::Malformed("version"));
        let load =
            "<services xmlns=\"urn:confkit:services:1\" role=\"ms\" version=\"1\"><load legs=\"-1\" capacity=\"1\" load=\"0\"/></services>";
        assert_eq!(odd(load), ServicesError::Malformed("legs"));
    }
}
