//! Who has a share of ours, and who still lacks it.

use std::collections::{BTreeMap, BTreeSet};

use super::Sharing;
use crate::{
    cli::{
        ExitCode, Failure,
        fshare::{
            shares,
            show::{Moved, at, tell},
        },
        output::safe_line,
    },
    clock,
    conference::wire::Timestamp,
    fileshare::{
        client::transfers::{RESUME_WINDOW, Transfers},
        wire::{
            FailureCode,
            control::{Member, MemberState},
        },
    },
};

impl Sharing<'_> {
    /// All who were asked have finished.
    pub(super) fn on_report(&mut self, members: Vec<Member>, more: bool) -> Option<Result<(), Failure>> {
        self.members.extend(members);
        if let Err(failure) = shares::bounded(self.members.len()) {
            return Some(Err(failure));
        }
        if more {
            return None;
        }
        let told = std::mem::take(&mut self.members);
        let ended = self.fared(&told);
        if let Some((share, _)) = &self.ours
            && let Err(failure) = tell(&self.context.output, &Moved::finished(*share, &told, ended.is_some()))
        {
            return Some(Err(failure));
        }
        if ended.is_none() {
            self.context.output.note("nobody has it yet; waiting for somebody to join (Ctrl-C ends the share)");
        }
        ended
    }

    /// What it means that members fared so; `None` where somebody may still come who wants it.
    fn fared(&self, members: &[Member]) -> Option<Result<(), Failure>> {
        let all = |state: MemberState| members.iter().all(|member| member.state == state);
        let complete = |who: &str| members.iter().any(|member| member.state == MemberState::Complete && member.who == who);
        // Whoever has it by another of its dialogs has it.
        let without = |member: &&Member| member.state == MemberState::Failed && !complete(&member.who);
        let some = members.iter().any(|member| member.state == MemberState::Complete);
        // Whoever can mend it may ask again, as long as nobody else has ended the wait.
        let waits = !some && members.iter().filter(without).all(is_by_itself);
        if let Some(member) = members.iter().find(without).filter(|_| !waits) {
            let others = members.iter().filter(without).count().saturating_sub(1);
            let others = if others == 0 { String::new() } else { format!(", nor did {others} more") };
            let who = member.failure.as_ref().map_or_else(String::new, |why| format!(": {}", safe_line(&why.text)));
            let text =
                if some { format!("{} did not receive it{others}{who}", safe_line(&member.who)) } else { "nobody received it".to_owned() };
            return Some(Err(Failure::new(ExitCode::Failed, text)));
        }
        if some {
            return Some(Ok(()));
        }
        if !self.to.is_empty() && all(MemberState::Declined) {
            return Some(Err(Failure::new(ExitCode::Declined, "everybody it was offered to declined")));
        }
        None
    }

    /// It was asked how members stand: after the upload, or when the time was up.
    pub(super) async fn on_status(&mut self, transfers: &mut Transfers, members: Vec<Member>, more: bool) -> Option<Result<(), Failure>> {
        self.standing.extend(members);
        if let Err(failure) = shares::bounded(self.standing.len()) {
            return Some(Err(failure));
        }
        if more {
            return None;
        }
        let members = std::mem::take(&mut self.standing);
        if self.closing.is_some() {
            self.end(transfers).await;
            let anybody = members.iter().any(|member| member.state == MemberState::Complete);
            let failed = members.iter().find_map(|member| Some((&member.who, member.failure.as_ref()?)));
            let nobody = || {
                let why = failed.map_or_else(String::new, |(who, why)| format!(": {}: {}", safe_line(who), safe_line(&why.text)));
                Failure::new(ExitCode::Unreachable, format!("the time was up before anybody received it{why}"))
            };
            return Some(if anybody { Ok(()) } else { Err(nobody()) });
        }
        if let Err(failure) = self.on_broken(&members) {
            return Some(Err(failure));
        }
        let missing = missing(&self.to, &members);
        if !missing.is_empty() && !std::mem::replace(&mut self.missed, true) {
            let missing = missing.iter().map(|who| safe_line(who)).collect::<Vec<_>>().join(", ");
            self.context
                .output
                .warn(format!("nobody here is called {missing}; whoever joins by that name receives it (Ctrl-C ends the share)"));
        }
        if self.uploaded && members.is_empty() && self.to.is_empty() && !std::mem::replace(&mut self.alone, true) {
            self.context.output.note("nobody here can receive it; waiting for somebody to join (Ctrl-C ends the share)");
        }
        None
    }

    /// Says who broke off and is waited for, once each time.
    fn on_broken(&mut self, members: &[Member]) -> Result<(), Failure> {
        let Some((share, bar)) = &mut self.ours else { return Ok(()) };
        // Whoever has it, or is at it, by another of its dialogs is not missed.
        let is_broken = |member: &&Member| {
            let others = |other: &Member| other.who == member.who && !matches!(other.state, MemberState::Broken | MemberState::Left);
            member.state == MemberState::Broken && !members.iter().any(others)
        };
        let now: BTreeMap<&str, u64> = members.iter().filter(is_broken).map(|member| (member.who.as_str(), member.bytes)).collect();
        self.broken.retain(|who, _| now.contains_key(who.as_str()));
        for (who, bytes) in now {
            if self.broken.contains_key(who) {
                continue;
            }
            let until = Timestamp::from(clock::wall() + RESUME_WINDOW);
            self.broken.insert(who.to_owned(), (bytes, until));
            let event = Moved::Waiting { at: at(), share: share.to_string(), who: who.to_owned(), bytes, until };
            tell(&self.context.output, &event)?;
        }
        if let Some(bar) = bar {
            let first = self.broken.iter().next();
            let more = if self.broken.len() > 1 { format!(" and {} more", self.broken.len() - 1) } else { String::new() };
            let running: BTreeSet<&str> = members.iter().filter(|member| is_under_way(member)).map(|member| member.who.as_str()).collect();
            let others = || match running.len() {
                0 => String::new(),
                1 => format!(", waiting for {}", running.iter().map(|who| safe_line(who)).collect::<String>()),
                several => format!(", waiting for {several}"),
            };
            bar.waits(first.map_or_else(others, |(who, (_, until))| format!(", waiting for {}{more} until {until}", safe_line(who))));
        }
        Ok(())
    }
}

/// Whether a member failed by what is its own to mend: a name that is taken, its disk, its permissions.
fn is_by_itself(member: &Member) -> bool {
    use FailureCode::{Cancelled, Conflict, Declined, Failed, NoSpace, Usage};
    member.failure.as_ref().is_some_and(|why| matches!(why.code, Cancelled | Conflict | Declined | Failed | NoSpace | Usage))
}

/// Of those whom a share is for, who is not among its members. A participant's id is not told of members: it fits whoever fits nobody else.
fn missing<'a>(to: &'a [String], members: &[Member]) -> Vec<&'a str> {
    let is = |member: &Member, who: &str| {
        let user = member.who.split_once(':').and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user);
        member.who == who || user.is_some_and(|user| user.eq_ignore_ascii_case(who))
    };
    let is_number =
        |who: &str| who.strip_prefix('p').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        to.iter().map(String::as_str).partition(|who| members.iter().any(|member| is(member, who)));
    let mut others = members.iter().filter(|member| !known.iter().any(|who| is(member, who))).count();
    let lacks = |who: &&str| {
        let fits = is_number(who) && others > 0;
        others -= usize::from(fits);
        !fits
    };
    unknown.into_iter().filter(lacks).collect()
}

/// Whether somebody has still to receive it.
fn is_under_way(member: &Member) -> bool {
    matches!(member.state, MemberState::Offered | MemberState::Accepted | MemberState::Transferring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_of_those_whom_it_is_for_is_not_here_is_told_by_name_address_and_number() {
        let member = |who: &str| Member { who: who.to_owned(), state: MemberState::Offered, bytes: 0, failure: None };
        let members = [member("sip:bob@192.0.2.1"), member("sip:carol@192.0.2.1")];
        for (to, gone) in [
            (vec!["bob", "Carol"], vec![]),
            (vec!["sip:bob@192.0.2.1", "dave"], vec!["dave"]),
            (vec!["bob", "p4"], vec![]),
            (vec!["bob", "p4", "p99"], vec!["p99"]),
            (vec!["pat"], vec!["pat"]),
        ] {
            let to: Vec<String> = to.into_iter().map(str::to_owned).collect();
            assert_eq!(missing(&to, &members), gone, "{to:?}");
        }
        assert_eq!(missing(&["p1".to_owned()], &[]), ["p1"]);
    }
}
