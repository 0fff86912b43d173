//! What one REGISTER does to the bindings of its user (RFC 3261 §10.3 steps 6 and 7): all of it, or nothing.

use std::time::{Duration, Instant};

use super::{Binding, Limits, Outcome};
use crate::sip::{
    Hop,
    message::{CSeq, NameAddr, Request, scan},
};

/// The bindings after the update; `None` when the request only asks.
pub(super) fn update(
    old: &[Binding],
    now: Instant,
    request: &Request,
    from: &Hop,
    limits: &Limits,
) -> Result<Option<Vec<Binding>>, Outcome> {
    let bad = || Outcome::status(400);
    let call_id = request.call_id().ok_or_else(bad)?;
    let cseq = request.cseq().ok_or_else(bad)?;
    let contacts: Vec<&str> = request.headers.all("Contact").collect();
    if contacts.is_empty() {
        return Ok(None);
    }
    if contacts.contains(&"*") {
        let zero = request.expires() == Some(0);
        return if contacts.len() == 1 && zero { clear(old, call_id, &cseq).map(Some) } else { Err(bad()) };
    }
    let path = request.headers.all("Path").map(|p| p.parse().map_err(|_| bad())).collect::<Result<Vec<NameAddr>, _>>()?;
    // A binding of this very request may be named by it again; only older ones are guarded by their CSeq.
    let mut bindings: Vec<(Binding, bool)> = old.iter().map(|b| (b.clone(), false)).collect();
    for value in contacts {
        let (contact, q, time) = read(value, request, limits)?;
        let known = bindings.iter().position(|(b, _)| b.is_about(&contact));
        if let Some((old, false)) = known.and_then(|at| bindings.get(at)) {
            in_order(old, call_id, &cseq)?;
        }
        if let Some(at) = known {
            bindings.remove(at);
        }
        if !time.is_zero() {
            let binding = Binding {
                contact,
                q,
                expires: now + time,
                call_id: call_id.to_owned(),
                cseq: cseq.seq,
                hop: Some(from.clone()),
                path: path.clone(),
                registered: now,
            };
            bindings.push((binding, true));
        }
    }
    Ok(Some(bindings.into_iter().map(|(b, _)| b).collect()))
}

fn clear(old: &[Binding], call_id: &str, cseq: &CSeq) -> Result<Vec<Binding>, Outcome> {
    old.iter().try_for_each(|binding| in_order(binding, call_id, cseq)).map(|()| Vec::new())
}

/// A request that was overtaken by a later one of the same user agent must not undo it.
fn in_order(binding: &Binding, call_id: &str, cseq: &CSeq) -> Result<(), Outcome> {
    if binding.call_id == call_id && cseq.seq <= binding.cseq { Err(Outcome::status(500)) } else { Ok(()) }
}

/// One Contact: the address to keep, its preference in thousandths, the time granted.
fn read(value: &str, request: &Request, limits: &Limits) -> Result<(NameAddr, u16, Duration), Outcome> {
    let bad = || Outcome::status(400);
    let mut contact: NameAddr = value.parse().map_err(|_| bad())?;
    // Nothing else can be called from here.
    contact.uri.sip().ok_or_else(bad)?;
    let q = match contact.param("q") {
        Some(q) => thousandths(q).ok_or_else(bad)?,
        None => 1000,
    };
    // A number that makes no sense counts as the default (RFC 4475 §3.1.2.4).
    let asked = match contact.param("expires") {
        Some(seconds) => scan::delta_seconds(seconds),
        None => request.expires(),
    }
    .unwrap_or(limits.default_expires);
    if asked > 0 && asked < limits.min_expires.min(3600) {
        return Err(Outcome::status(423).with("Min-Expires", limits.min_expires.to_string()));
    }
    contact.params.retain(|(name, _)| name != "q" && name != "expires");
    Ok((contact, q, Duration::from_secs(asked.min(limits.max_expires).into())))
}

/// `qvalue` (RFC 3261 §25.1): 0 to 1 with three decimals at most.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, decimals) = q.split_once('.').unwrap_or((q, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}
