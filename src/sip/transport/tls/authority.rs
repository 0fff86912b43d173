//! Certificates of our own making: an authority at the first start, and what it issues.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use super::{KeyPem, TlsError};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long an authority is good.
const AUTHORITY_LIFE: u32 = 3650;

/// How long what it issues is good, in days.
const CERTIFICATE_LIFE: u32 = 365;

/// A certificate authority of our own.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    key: KeyPem,
}

/// A certificate fresh from an [`Authority`].
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, then the authority's, in PEM: clients may pin either.
    pub chain: String,
    /// Its key.
    pub key: KeyPem,
}

impl Authority {
    /// Makes a new authority, good for ten years from `now`.
    ///
    /// # Errors
    /// The key could not be made.
    pub fn generate(now: SystemTime) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        // The key's digest makes the name of each authority its own, so that an old one and a new one are not confused.
        let digest = super::fingerprint_of(key.public_key_raw());
        let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = named(&format!("confkit authority {short}"));
        set_life(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?.pem();
        let pem = KeyPem::new(key.serialize_pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate, key: pem })
    }

    /// Takes an authority made before.
    ///
    /// # Errors
    /// It cannot be read, or the key is another's.
    pub fn from_pem(certificate: &str, key: &KeyPem) -> Result<Self, TlsError> {
        let pair = KeyPair::from_pem(key.expose()).map_err(|error| TlsError::Pem { what: "authority's key", why: error.to_string() })?;
        let der = super::certificates(certificate, "authority's certificate")?;
        let own = der.first().ok_or(TlsError::Empty { what: "authority's certificate" })?;
        let parsed = webpki::EndEntityCert::try_from(own).map_err(|error| TlsError::Identity(error.to_string()))?;
        if !parsed.subject_public_key_info().windows(pair.public_key_raw().len()).any(|part| part == pair.public_key_raw()) {
            return Err(TlsError::Identity("the authority's key belongs to another certificate".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_pem(certificate, pair)?;
        Ok(Self { issuer, certificate: certificate.to_owned(), key: key.clone() })
    }

    /// The authority's certificate in PEM: what clients trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The authority's key.
    pub fn key(&self) -> &KeyPem {
        &self.key
    }

    /// Issues a certificate for servers and clients, good for a year from `now`, for localhost, 127.0.0.1, ::1, `hosts`
    /// (names or addresses) and `roles` (as `<role>.invalid`, see [`PeerIdentity::is_role`](crate::sip::node::PeerIdentity::is_role)).
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn issue(&self, now: SystemTime, hosts: &[String], roles: &[String]) -> Result<Issued, TlsError> {
        let mut names = vec![SanType::DnsName("localhost".try_into()?)];
        names.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(SanType::IpAddress));
        for host in hosts {
            let name = match host.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(host.to_ascii_lowercase().try_into()?),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for role in roles {
            names.push(SanType::DnsName(format!("{role}.invalid").try_into()?));
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(roles.first().or(hosts.first()).map_or("confkit", String::as_str));
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, CERTIFICATE_LIFE);
        let own = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { chain: format!("{own}{}", self.certificate), key: KeyPem::new(key.serialize_pem()) })
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "confkit");
    name.push(DnType::CommonName, common_name);
    name
}

/// Good from a day before `now`, for clocks that go behind ours.
fn set_life(params: &mut CertificateParams, now: SystemTime, days: u32) {
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue(error.to_string())
    }
}
