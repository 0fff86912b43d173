//! XML → values.

use std::net::SocketAddr;

use roxmltree::Node;

use super::{
    Batch, Body, ControlError, DownloadOffer, Endpoint, Failure, FailureCode, FileFacts, Fingerprint, Limits, MAX_FILES, MAX_MEMBERS,
    MAX_RETRY_SECONDS, MAX_SHARES, Member, MemberState, Message, NAMESPACE, ShareRequest, ShareSummary, Status, TransferKey,
};
use crate::{
    conference::wire::{
        fields::{self, Why, flag, maybe_flag, maybe_number, maybe_text, missing, number, shown, text, word},
        xml,
    },
    fileshare::{BatchId, wire::fingerprint::from_hex},
};

pub(super) fn body(bytes: &[u8]) -> Result<Body, ControlError> {
    let document = xml::read(bytes)?;
    let root = document.root_element();
    if root.tag_name().namespace() != Some(NAMESPACE) {
        return Err(ControlError::OtherDocument);
    }
    let id = text(root, "id").map_err(ControlError::Malformed)?;
    about(root, id.clone()).map_err(|text| ControlError::Refused { id, text })
}

fn about(root: Node<'_, '_>, id: String) -> Why<Body> {
    let share = maybe_text(root, "share")?.map(|share| share.parse().map_err(odd)).transpose()?;
    let conf = maybe_text(root, "conf")?.map(|conf| conf.parse().map_err(odd)).transpose()?;
    let message = message(root)?;
    let needless = matches!(message, Message::ShareRequest(_) | Message::SharesRequest | Message::Shares { .. } | Message::Refusal(_));
    if share.is_none() && conf.is_none() && !needless {
        return Err("the body says neither the share nor the conf".to_owned());
    }
    Ok(Body { id, share, conf, message })
}

fn message(root: Node<'_, '_>) -> Why<Message> {
    Ok(match root.tag_name().name() {
        "share-request" => Message::ShareRequest(share_request(root)?),
        "share-answer" => Message::ShareAnswer(endpoint(root)?),
        "download-offer" => Message::DownloadOffer(DownloadOffer {
            from: text(root, "from")?,
            batch: batch(root)?,
            address: address(root, "address")?,
            fingerprint: fingerprint(root)?,
        }),
        "download-answer" => Message::DownloadAnswer { source: address(root, "source")? },
        "download-go" => Message::DownloadGo(endpoint(root)?),
        "go-acknowledged" => Message::GoAcknowledged,
        "upload-request" => Message::UploadRequest { files: files(root)? },
        "upload-ready" => Message::UploadReady,
        "upload-not-ready" => Message::UploadNotReady { retry_seconds: retry(root)?, reason: maybe_text(root, "reason")? },
        "upload-complete" => Message::UploadComplete { bytes: number(root, "bytes")? },
        "download-prepare" => Message::DownloadPrepare { files: files(root)? },
        "download-ready" => Message::DownloadReady,
        "download-request" => Message::DownloadRequest,
        "download-complete" => Message::DownloadComplete { bytes: number(root, "bytes")? },
        "download-error" => Message::DownloadError(failure(root)?),
        "share-complete" => Message::ShareComplete { members: members(root)?, more: more(root)? },
        "share-ended" => Message::ShareEnded(failure(root)?),
        "share-suspended" => Message::ShareSuspended,
        "reconnect" => Message::Reconnect { source: address(root, "source")? },
        "reconnected" => Message::Reconnected(endpoint(root)?),
        "status-request" => Message::StatusRequest,
        "status" => Message::Status(Status {
            batch: batch(root)?,
            uploaded: number(root, "uploaded")?,
            complete: flag(root, "complete")?,
            members: members(root)?,
            more: more(root)?,
        }),
        "shares-request" => Message::SharesRequest,
        "shares" => {
            let shares = all(root, "share", MAX_SHARES)?.into_iter().map(share_summary).collect::<Why<_>>()?;
            Message::Shares { shares, more: more(root)? }
        }
        "limits" => Message::Limits(Limits { total: maybe_number(root, "total")?, each: maybe_number(root, "each")? }),
        "done" => Message::Done,
        "refusal" => Message::Refusal(failure(root)?),
        other => return Err(format!("there is no message {}", shown(other))),
    })
}

fn share_request(root: Node<'_, '_>) -> Why<ShareRequest> {
    let recipients = fields::list(root, NAMESPACE, "recipient")?;
    if recipients.len() > MAX_MEMBERS {
        return Err(format!("a share takes at most {MAX_MEMBERS} recipients"));
    }
    if recipients.iter().any(String::is_empty) {
        return Err(missing("recipient"));
    }
    let plain = maybe_flag(root, "plain")?.unwrap_or(false);
    Ok(ShareRequest { batch: batch(root)?, source: address(root, "source")?, plain, recipients })
}

fn batch(parent: Node<'_, '_>) -> Why<Batch> {
    let node = xml::child(parent, NAMESPACE, "batch").ok_or_else(|| missing("batch"))?;
    Ok(Batch {
        id: BatchId(number(node, "id")?),
        entries: number(node, "entries")?,
        bytes: maybe_number(node, "bytes")?,
        manifest: digest(node, "manifest")?,
        files: files(node)?,
    })
}

fn files(node: Node<'_, '_>) -> Why<Vec<FileFacts>> {
    let files = all(node, "file", MAX_FILES)?;
    let file = |file| {
        let (name, size) = (text(file, "name")?, maybe_number(file, "size")?);
        Ok(FileFacts { name, size, mime: maybe_text(file, "mime")?, sha256: digest(file, "sha256")? })
    };
    files.into_iter().map(file).collect()
}

fn share_summary(node: Node<'_, '_>) -> Why<ShareSummary> {
    Ok(ShareSummary {
        share: text(node, "share")?.parse().map_err(odd)?,
        from: text(node, "from")?,
        own: maybe_flag(node, "own")?.unwrap_or(false),
        batch: batch(node)?,
        uploaded: number(node, "uploaded")?,
        complete: flag(node, "complete")?,
        finished: number(node, "finished")?,
        members: number(node, "members")?,
    })
}

fn members(node: Node<'_, '_>) -> Why<Vec<Member>> {
    all(node, "member", MAX_MEMBERS)?.into_iter().map(member).collect()
}

fn member(node: Node<'_, '_>) -> Why<Member> {
    Ok(Member {
        who: text(node, "who")?,
        state: word(node, "state", MemberState::from_word)?,
        bytes: number(node, "bytes")?,
        failure: xml::child(node, NAMESPACE, "failure").map(failure).transpose()?,
    })
}

/// A code that we do not know is [`FailureCode::Failed`], as in packets: the text says the rest.
fn failure(node: Node<'_, '_>) -> Why<Failure> {
    let code = FailureCode::from_word(&text(node, "code")?).unwrap_or(FailureCode::Failed);
    Ok(Failure { code, text: maybe_text(node, "text")?.unwrap_or_default() })
}

fn endpoint(node: Node<'_, '_>) -> Why<Endpoint> {
    // A key is not shown, not even a malformed one.
    let key: TransferKey = text(node, "key")?.parse().map_err(odd)?;
    Ok(Endpoint { address: address(node, "address")?, fingerprint: fingerprint(node)?, key })
}

fn fingerprint(node: Node<'_, '_>) -> Why<Option<Fingerprint>> {
    maybe_text(node, "fingerprint")?.map(|text| text.parse().map_err(odd)).transpose()
}

/// Where one host can be reached: no port 0, nothing unspecified, nobody's group.
fn address(node: Node<'_, '_>, name: &'static str) -> Why<SocketAddr> {
    let address: SocketAddr = number(node, name)?;
    let ip = address.ip().to_canonical();
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
        return Err(format!("the {name} is not the address and port of one host"));
    }
    Ok(SocketAddr::new(ip, address.port()))
}

fn retry(node: Node<'_, '_>) -> Why<u32> {
    match number(node, "retry-after")? {
        seconds if seconds > MAX_RETRY_SECONDS => Err(format!("the retry-after is longer than an hour ({MAX_RETRY_SECONDS} s)")),
        seconds => Ok(seconds),
    }
}

fn more(node: Node<'_, '_>) -> Why<bool> {
    Ok(maybe_flag(node, "more")?.unwrap_or(false))
}

fn all<'a, 'i>(node: Node<'a, 'i>, name: &'static str, max: usize) -> Why<Vec<Node<'a, 'i>>> {
    let all: Vec<_> = xml::children(node, NAMESPACE).filter(|child| child.tag_name().name() == name).collect();
    if all.len() > max { Err(format!("a body takes at most {max} of {name}")) } else { Ok(all) }
}

fn digest(node: Node<'_, '_>, name: &'static str) -> Why<Option<[u8; 32]>> {
    let Some(hex) = maybe_text(node, name)? else { return Ok(None) };
    from_hex(&hex).map(Some).ok_or_else(|| format!("the {name} is not 64 hexadecimal digits"))
}

#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
fn odd(error: impl ToString) -> String {
    error.to_string()
}
