//! Values → XML.

use super::{Batch, Body, Endpoint, Failure, FileFacts, MAX_FILES, Member, Message, NAMESPACE, ShareSummary};
use crate::{
    conference::wire::{
        fields::cut,
        xml::{Element, yes_or_no},
    },
    fileshare::wire::fingerprint::hex,
};

pub(super) fn body(body: &Body) -> String {
    let root = Element::new(body.message.name())
        .attr("xmlns", NAMESPACE)
        .attr("id", &body.id)
        .maybe_attr("share", body.share)
        .maybe_attr("conf", body.conf.as_ref());
    message(root, &body.message).to_xml()
}

fn message(root: Element, message: &Message) -> Element {
    match message {
        Message::ShareRequest(request) => root
            .attr("source", request.source)
            .maybe_attr("plain", request.plain.then_some("yes"))
            .child(batch(&request.batch))
            .children(request.recipients.iter().map(|who| Element::of_text("recipient", who))),
        Message::ShareAnswer(endpoint) | Message::DownloadGo(endpoint) | Message::Reconnected(endpoint) => self::endpoint(root, endpoint),
        Message::DownloadOffer(offer) => root
            .attr("from", cut(&offer.from))
            .attr("address", offer.address)
            .maybe_attr("fingerprint", offer.fingerprint)
            .child(batch(&offer.batch)),
        Message::DownloadAnswer { source } | Message::Reconnect { source } => root.attr("source", source),
        Message::UploadRequest { files } | Message::DownloadPrepare { files } => self::files(root, files),
        Message::UploadNotReady { retry_seconds, reason } => {
            root.attr("retry-after", retry_seconds).maybe_attr("reason", reason.as_deref().map(cut))
        }
        Message::UploadComplete { bytes } | Message::DownloadComplete { bytes } => root.attr("bytes", bytes),
        Message::DownloadError(failure) | Message::ShareEnded(failure) | Message::Refusal(failure) => self::failure(root, failure),
        Message::ShareComplete { members, more } => root.maybe_attr("more", more.then_some("yes")).children(members.iter().map(member)),
        Message::Status(status) => root
            .attr("uploaded", status.uploaded)
            .attr("complete", yes_or_no(status.complete))
            .maybe_attr("more", status.more.then_some("yes"))
            .child(batch(&status.batch))
            .children(status.members.iter().map(member)),
        Message::Shares { shares, more } => root.maybe_attr("more", more.then_some("yes")).children(shares.iter().map(share_summary)),
        Message::Limits(limits) => root.maybe_attr("total", limits.total).maybe_attr("each", limits.each),
        Message::GoAcknowledged
        | Message::UploadReady
        | Message::DownloadReady
        | Message::DownloadRequest
        | Message::ShareSuspended
        | Message::StatusRequest
        | Message::SharesRequest
        | Message::Done => root,
    }
}

fn batch(batch: &Batch) -> Element {
    let node = Element::new("batch")
        .attr("id", batch.id)
        .attr("entries", batch.entries)
        .maybe_attr("bytes", batch.bytes)
        .maybe_attr("manifest", batch.manifest.map(|digest| hex(&digest)));
    files(node, &batch.files)
}

fn files(node: Element, files: &[FileFacts]) -> Element {
    node.children(files.iter().filter(|file| !file.name.is_empty()).take(MAX_FILES).map(|file| {
        Element::new("file")
            .attr("name", cut(&file.name))
            .maybe_attr("size", file.size)
            .maybe_attr("mime", file.mime.as_deref().map(cut))
            .maybe_attr("sha256", file.sha256.map(|digest| hex(&digest)))
    }))
}

fn share_summary(summary: &ShareSummary) -> Element {
    Element::new("share")
        .attr("share", summary.share)
        .attr("from", cut(&summary.from))
        .maybe_attr("own", summary.own.then_some("yes"))
        .attr("uploaded", summary.uploaded)
        .attr("complete", yes_or_no(summary.complete))
        .attr("finished", summary.finished)
        .attr("members", summary.members)
        .child(batch(&summary.batch))
}

fn member(member: &Member) -> Element {
    Element::new("member")
        .attr("who", cut(&member.who))
        .attr("state", member.state)
        .attr("bytes", member.bytes)
        .maybe_child(member.failure.as_ref().map(|failure| self::failure(Element::new("failure"), failure)))
}

fn failure(node: Element, failure: &Failure) -> Element {
    node.attr("code", failure.code).attr("text", cut(&failure.text))
}

fn endpoint(node: Element, endpoint: &Endpoint) -> Element {
    node.attr("address", endpoint.address).maybe_attr("fingerprint", endpoint.fingerprint).attr("key", endpoint.key.reveal().as_str())
}
