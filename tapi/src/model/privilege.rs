//! Who becomes owner of a call that nobody asked for.

use std::collections::BTreeMap;

use crate::constant::{CallPrivilege, Mask, MediaMode};

use super::AddressId;

/// Names in one priority list.
pub(crate) const MAX_PRIORITY_NAMES: usize = 256;

/// The priority lists of lineSetAppPriority: names of applications, first is highest.
#[derive(Debug, Default)]
pub(crate) struct Priorities {
    lists: BTreeMap<MediaMode, Vec<String>>,
}

impl Priorities {
    /// Makes the application first for the media mode, or takes it out.
    pub(crate) fn set(&mut self, mode: MediaMode, name: &str, is_first: bool) {
        let list = self.lists.entry(mode).or_default();
        list.retain(|listed| listed != name);
        if is_first {
            list.insert(0, name.to_owned());
            list.truncate(MAX_PRIORITY_NAMES);
        }
    }

    /// The place of the application from 1, or 0.
    pub(crate) fn place(&self, mode: MediaMode, name: &str) -> usize {
        let list = self.lists.get(&mode);
        list.and_then(|list| list.iter().position(|listed| listed == name)).map_or(0, |i| i + 1)
    }
}

/// An open line that may be offered a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) privileges: Mask<CallPrivilege>,
    pub(crate) media_modes: Mask<MediaMode>,
    pub(crate) single_address: Option<AddressId>,
}

impl Candidate<'_> {
    fn may_own(&self, media: Mask<MediaMode>, address: AddressId) -> bool {
        self.privileges.contains(CallPrivilege::Owner)
            && self.media_modes.intersects(media)
            && self.single_address.is_none_or(|only| only == address)
    }
}

impl Priorities {
    /// The index of the candidate that owns a new call: the highest in the priority list of a
    /// media mode of the call, else the first that opened the line with OWNER for one of them.
    pub(crate) fn choose_owner(
        &self,
        candidates: &[Candidate<'_>],
        media: Mask<MediaMode>,
        address: AddressId,
    ) -> Option<usize> {
        let rank = |candidate: &Candidate<'_>| {
            let modes = (media & candidate.media_modes).iter();
            let places = modes.map(|mode| self.place(mode, candidate.name));
            places.filter(|place| *place > 0).min().unwrap_or(usize::MAX)
        };
        candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.may_own(media, address))
            .min_by_key(|(index, candidate)| (rank(candidate), *index))
            .map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, privileges: impl Into<Mask<CallPrivilege>>) -> Candidate<'_> {
        Candidate {
            name,
            privileges: privileges.into(),
            media_modes: MediaMode::InteractiveVoice.into(),
            single_address: None,
        }
    }

    const VOICE: MediaMode = MediaMode::InteractiveVoice;

    #[test]
    fn the_first_that_opened_with_owner_for_the_media_mode_owns() {
        let fax = Candidate {
            media_modes: MediaMode::G3Fax.into(),
            ..candidate("fax", CallPrivilege::Owner)
        };
        let all = [
            candidate("watch", CallPrivilege::Monitor),
            fax,
            candidate("one", CallPrivilege::Owner | CallPrivilege::Monitor),
            candidate("two", CallPrivilege::Owner),
        ];
        let priorities = Priorities::default();
        assert_eq!(priorities.choose_owner(&all, VOICE.into(), AddressId(0)), Some(2));
        assert_eq!(priorities.choose_owner(&all[..2], VOICE.into(), AddressId(0)), None);
    }

    #[test]
    fn the_priority_list_goes_before_the_order_of_opening() {
        let all = [candidate("one", CallPrivilege::Owner), candidate("two", CallPrivilege::Owner)];
        let mut priorities = Priorities::default();
        priorities.set(VOICE, "two", true);
        assert_eq!(priorities.choose_owner(&all, VOICE.into(), AddressId(0)), Some(1));
        priorities.set(VOICE, "one", true);
        assert_eq!(priorities.place(VOICE, "two"), 2);
        assert_eq!(priorities.choose_owner(&all, VOICE.into(), AddressId(0)), Some(0));
        priorities.set(VOICE, "one", false);
        assert_eq!(priorities.choose_owner(&all, VOICE.into(), AddressId(0)), Some(1));
    }

    #[test]
    fn a_single_address_open_is_not_offered_other_addresses() {
        let only = Candidate {
            single_address: Some(AddressId(1)),
            ..candidate("one", CallPrivilege::Owner)
        };
        let priorities = Priorities::default();
        assert_eq!(priorities.choose_owner(&[only], VOICE.into(), AddressId(0)), None);
        assert_eq!(priorities.choose_owner(&[only], VOICE.into(), AddressId(1)), Some(0));
    }
}
