//! The dialogs of an endpoint and their usages (RFC 5057): a call, subscriptions, or both in one dialog.

use std::collections::BTreeMap;

use crate::sip::dialog::{Dialog, DialogId};

/// Number of a dialog in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogKey(u64);

/// A dialog and what goes on in it.
#[derive(Debug)]
pub(super) struct Entry {
    pub dialog: Dialog,
    pub call: Option<u64>,
    pub subscriptions: Vec<u64>,
    /// REFERs taken in it: from the second on, their NOTIFYs name them (RFC 3515 §2.4.6).
    pub refers: u32,
}

/// All dialogs. One lives as long as a usage does.
#[derive(Debug, Default)]
pub(super) struct Dialogs {
    entries: BTreeMap<u64, Entry>,
    by_id: BTreeMap<DialogId, u64>,
    made: u64,
}

impl Dialogs {
    /// Adds a dialog, as yet without usages.
    pub fn insert(&mut self, dialog: Dialog) -> DialogKey {
        self.made += 1;
        self.by_id.insert(dialog.id().clone(), self.made);
        self.entries.insert(self.made, Entry { dialog, call: None, subscriptions: Vec::new(), refers: 0 });
        DialogKey(self.made)
    }

    /// Adds the dialog of a call.
    pub fn insert_for_call(&mut self, dialog: Dialog, call: u64) -> DialogKey {
        let key = self.insert(dialog);
        if let Some(entry) = self.get_mut(key) {
            entry.call = Some(call);
        }
        key
    }

    /// The dialog that a message names.
    pub fn find(&self, id: &DialogId) -> Option<DialogKey> {
        self.by_id.get(id).copied().map(DialogKey)
    }

    /// A dialog.
    pub fn get(&self, key: DialogKey) -> Option<&Entry> {
        self.entries.get(&key.0)
    }

    /// A dialog, to be changed.
    pub fn get_mut(&mut self, key: DialogKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key.0)
    }

    /// All dialogs, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// Ends the call in a dialog, and the dialog when nothing else goes on in it.
    pub fn release_call(&mut self, key: DialogKey) {
        if let Some(entry) = self.get_mut(key) {
            entry.call = None;
        }
        self.sweep(key);
    }

    /// Ends a subscription in a dialog, and the dialog when nothing else goes on in it.
    pub fn release_subscription(&mut self, key: DialogKey, subscription: u64) {
        if let Some(entry) = self.get_mut(key) {
            entry.subscriptions.retain(|s| *s != subscription);
        }
        self.sweep(key);
    }

    /// True without dialogs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn sweep(&mut self, key: DialogKey) {
        if self.get(key).is_some_and(|entry| entry.call.is_none() && entry.subscriptions.is_empty())
            && let Some(entry) = self.entries.remove(&key.0)
            && self.by_id.get(entry.dialog.id()) == Some(&key.0)
        {
            self.by_id.remove(entry.dialog.id());
        }
    }
}
