//! What the fields of a message must be (RFC 3261 §8.1.1, §20, §25.1), as far as routing and dialogs rest on it.

use super::{
    super::{CSeq, Headers, Method, NameAddr, Via, scan, via::MAGIC_COOKIE},
    Malformed,
    start::Start,
};

/// Fields that stand once. Of others the first counts.
const SINGLE: [&str; 16] = [
    "Call-ID",
    "Content-Disposition",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Event",
    "Expires",
    "From",
    "Max-Forwards",
    "Min-Expires",
    "Min-SE",
    "Refer-To",
    "Replaces",
    "Session-Expires",
    "Subscription-State",
    "To",
];

/// The first rule that a message breaks.
pub(super) fn check(start: &Start, fields: &Headers) -> Option<Malformed> {
    common(fields)
        .and_then(|cseq| match start {
            Start::Request { method, .. } => request(method, &cseq, fields),
            // The other fields of a response are left to their readers: a response cannot be sent back.
            Start::Response(_) | Start::Noise => Ok(()),
        })
        .err()
}

fn common(fields: &Headers) -> Result<CSeq, Malformed> {
    let mut seen = [false; SINGLE.len()];
    for (name, _) in fields.iter() {
        if let Some((seen, name)) = seen.iter_mut().zip(SINGLE).find(|(_, n)| name.eq_ignore_ascii_case(n))
            && std::mem::replace(seen, true)
        {
            return Err(Malformed::Repeated(name));
        }
    }
    let one = |name: &'static str| fields.get(name).ok_or(Malformed::Missing(name));
    one("Via")?.parse::<Via>().map_err(|_| Malformed::Field("Via"))?;
    for name in ["From", "To"] {
        one(name)?.parse::<NameAddr>().map_err(|_| Malformed::Field(name))?;
    }
    let call_id = one("Call-ID")?;
    if call_id.is_empty() || !call_id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Malformed::Field("Call-ID"));
    }
    CSeq::parse(one("CSeq")?).ok_or(Malformed::Field("CSeq"))
}

fn request(method: &Method, cseq: &CSeq, fields: &Headers) -> Result<(), Malformed> {
    // A method that nobody knows gets its 501 from above, whatever CSeq says (RFC 4475 §3.1.2.18).
    if cseq.method != *method && !matches!(method, Method::Other(_)) {
        return Err(Malformed::CSeqMethod);
    }
    for (at, value) in fields.all("Via").enumerate() {
        let via: Via = value.parse().map_err(|_| Malformed::Field("Via"))?;
        if at == 0 && via.branch().is_some_and(|b| b.eq_ignore_ascii_case(MAGIC_COOKIE)) {
            return Err(Malformed::Branch);
        }
    }
    if fields.get("Max-Forwards").is_some_and(|v| v.is_empty() || !v.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Malformed::Field("Max-Forwards"));
    }
    for name in ["Route", "Record-Route", "Path"] {
        all_parse(name, fields)?;
    }
    if *method == Method::Register && fields.all("Contact").eq(["*"]) {
        return Ok(());
    }
    all_parse("Contact", fields)
}

fn all_parse(name: &'static str, fields: &Headers) -> Result<(), Malformed> {
    let good = |value: &str| scan::trim(value).parse::<NameAddr>().is_ok();
    if fields.all(name).all(good) { Ok(()) } else { Err(Malformed::Field(name)) }
}
