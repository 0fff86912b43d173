//! XML → values.

use std::str::FromStr;

use roxmltree::Node;

use super::{
    Accepted, Applies, Body, Cancelled, Channel, DeclineReason, Declined, Grant, MAX_ADDRESSES, MAX_BODY, MAX_TEXT, MAX_TOLD, NAMESPACE,
    Offer, TransferError, is_address, is_kind,
};
use crate::conference::wire::{
    fields::{self, Why, maybe_number, maybe_text, missing, number, shown, text, word},
    xml,
};

pub(super) fn body(bytes: &[u8]) -> Result<Body, TransferError> {
    if bytes.len() > MAX_BODY {
        return Err(TransferError::TooLong);
    }
    let document = xml::read(bytes)?;
    let root = document.root_element();
    if root.tag_name().namespace() != Some(NAMESPACE) {
        return Err(TransferError::OtherDocument);
    }
    about(root).map_err(TransferError::Malformed)
}

fn about(root: Node<'_, '_>) -> Why<Body> {
    let transfer = parsed(root, "transfer")?;
    Ok(match root.tag_name().name() {
        "offer" => Body::Offer(Offer {
            transfer,
            from: parsed(root, "from")?,
            to: parsed(root, "to")?,
            count: number(root, "count")?,
            size: maybe_number(root, "size")?,
            kind: text(root, "kind")
                .and_then(|kind| if is_kind(&kind) { Ok(kind) } else { Err(format!("{} is no kind", shown(&kind))) })?,
            applies: word(root, "applies", Applies::from_word)?,
            share: parsed(root, "share")?,
            identity: parsed(root, "identity")?,
            signature: parsed(root, "signature")?,
        }),
        "accepted" => Body::Accepted(Accepted {
            transfer,
            share: parsed(root, "share")?,
            identity: parsed(root, "identity")?,
            signature: parsed(root, "signature")?,
        }),
        "declined" => {
            // A later version may have further reasons; the text says the rest.
            let reason = DeclineReason::from_word(&text(root, "reason")?).unwrap_or(DeclineReason::Other);
            Body::Declined(Declined { transfer, reason, text: people(root)? })
        }
        "channel" => Body::Channel(Channel { transfer, grant: grant(root)?, keys: keys(root)?, signature: parsed(root, "signature")? }),
        "cancelled" => Body::Cancelled(Cancelled { transfer, text: people(root)? }),
        other => return Err(format!("there is no body {}", shown(other))),
    })
}

fn grant(root: Node<'_, '_>) -> Why<Grant> {
    let addresses = fields::list(root, NAMESPACE, "address")?;
    let sound = addresses.iter().all(|address| is_address(address));
    if !sound || addresses.len() > MAX_ADDRESSES || addresses.iter().map(String::len).sum::<usize>() > MAX_TOLD {
        return Err("the addresses are none, or too many".to_owned());
    }
    Ok(Grant { number: parsed(root, "number")?, addresses, key: parsed(root, "key")? })
}

fn keys<S: FromStr<Err: ToString>, I: FromStr<Err: ToString>>(root: Node<'_, '_>) -> Why<Option<(S, I)>> {
    match (root.has_attribute("share"), root.has_attribute("identity")) {
        (false, false) => Ok(None),
        (true, true) => Ok(Some((parsed(root, "share")?, parsed(root, "identity")?))),
        (true, false) => Err(missing("identity")),
        (false, true) => Err(missing("share")),
    }
}

fn people(root: Node<'_, '_>) -> Why<String> {
    match maybe_text(root, "text")?.unwrap_or_default() {
        text if text.len() > MAX_TEXT => Err(format!("the text is longer than {MAX_TEXT} bytes")),
        text => Ok(text),
    }
}

/// What stands in an attribute in a form of its own. It is not repeated: it may be a key.
fn parsed<T: FromStr<Err: ToString>>(node: Node<'_, '_>, name: &'static str) -> Why<T> {
    text(node, name)?.parse().map_err(|error: T::Err| format!("{name}: {}", error.to_string()))
}
