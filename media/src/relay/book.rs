//! Whose packets come to a port that streams share: what a worker knows of their sources.
//!
//! A source that has proved to be one stream's is that stream's alone. Any other packet is given to
//! a stream only if no second one could be meant: by what signalling says of addresses and SSRCs, by
//! the user name of a check, by the SSRC that was heard before, by who is heard elsewhere meanwhile. What
//! stays ambiguous goes to nobody. Whether a stream takes what it is given is decided by its lock, as ever.
//!
//! LIMIT: two streams of one port whose peers have one source address (calls between two switches that both
//! share ports) are told apart by SSRC alone: as SDP names it, as it was heard, or because all others of the
//! address go on with theirs. While another one is silent (on hold), a new SSRC is nobody's.
//! LIMIT: media that comes before its SDP is nobody's, or that of the one stream whose source it shares.
//! LIMIT: a phone behind NAT that names all its streams alike (one SSRC for ever) is not heard in the next
//! call of one port until the old one's source has rested, unless it has another source.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;

use super::handful::{Handful, remove};
use crate::ice::fragment;
use crate::plan::{Component, LatchRules, next_port};
use crate::rtcp;
use crate::spare::Table;

/// Streams of one host that are looked at for one packet; of more, only SDP's own addresses are.
const NEAR_MAX: usize = 4_096;
/// How long packets of a stream that ended before the first one may still come from its hosts.
const HOST_REST_US: u64 = 2_000_000;
/// A stream that is still heard so long after an SSRC was first seen does not send that.
const SURE_US: u64 = 100_000;
/// But a stream that was not heard for so long may send that instead of what it sent before.
const SILENT_US: u64 = 500_000;
/// So long after signalling spoke of a stream it may still send what it sent before.
const OVERLAP_US: u64 = 400_000;
/// An SSRC that nobody may have is forgotten when it was not seen for so long.
const CONTEST_US: u64 = 2_000_000;
/// Contested sources that are remembered for one socket, and SSRCs of each.
const CONTESTS_MAX: usize = 4_096;
const CONTESTS_OF_SOURCE_MAX: usize = 4;
/// What comes with the SSRC of a stream that has ended is still that stream's, until it pauses for so long.
const LATE_US: u64 = 5_000_000;
/// Ended streams of one source whose SSRCs are remembered.
const ENDED_MAX: usize = 8;
/// Sources that are remembered after their streams have ended; of more, the oldest are forgotten.
const RESTING_MAX: usize = 65_536;

/// What signalling says of a stream's packets besides addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Signs {
    /// Hosts that they may come from, before there is an SDP.
    pub(super) hosts: Vec<IpAddr>,
    /// SSRCs.
    pub(super) ssrcs: Vec<u32>,
    /// What its checks are addressed to.
    pub(super) fragment: Option<String>,
    /// They come from a port that its SDP does not name.
    pub(super) is_hidden: bool,
}

/// What signalling says of where a stream's packets come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// It says nothing, the stream's plan is made anew for another reason.
    None,
    /// It speaks of the stream, perhaps as before: what is sent may change.
    Told,
    /// Its sources are to be learnt anew.
    Elsewhere,
}

/// What a stream has taken last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Heard {
    pub(super) ssrc: u32,
    pub(super) at_us: u64,
}

/// Why a packet is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missed {
    /// No stream expects it.
    Stranger,
    /// More than one might.
    Ambiguous,
}

pub(super) struct Book {
    lines: Vec<Line>,
    /// By slot.
    streams: Vec<Option<Stream>>,
    /// By pair and by what checks are addressed to.
    fragments: HashMap<(usize, String), Vec<usize>>,
    /// Sources of streams that have ended, in that order.
    resting: VecDeque<(u64, usize, SocketAddr)>,
    rest_us: u64,
}

/// One socket.
struct Line {
    fd: RawFd,
    pair: usize,
    component: Component,
    sources: HashMap<SocketAddr, Source>,
    /// Streams by the hosts that signalling names.
    hosts: HashMap<IpAddr, Vec<usize>>,
    /// Hosts of streams that ended before their first packet, and until when one may come.
    ended: HashMap<IpAddr, u64>,
    /// Sources with SSRCs that more than one stream may have.
    contests: HashMap<SocketAddr, Vec<Contest>>,
}

/// An SSRC of which it is not known whose it is.
struct Contest {
    ssrc: u32,
    began_us: u64,
    last_us: u64,
}

/// What is known of one address.
#[derive(Default)]
struct Source {
    /// Whose packets it has sent.
    settled: Vec<usize>,
    /// Who expects packets from it by SDP.
    announced: Vec<usize>,
    /// The one stream whose packets it sends, where nobody else expects any.
    sole: Option<usize>,
    /// A stream that has ended: its SSRC, and until when late packets of it may come.
    stale: Option<(Option<u32>, u64)>,
    /// Streams that have ended, for when others go on here.
    ended: Vec<Ended>,
}

/// A stream that has ended at a source that others share.
struct Ended {
    ssrc: u32,
    /// Until then what has its SSRC is late.
    late_us: u64,
    /// Then it is forgotten.
    over_us: u64,
}

struct Stream {
    pair: usize,
    /// Its lines: media, control.
    lines: [usize; 2],
    rules: LatchRules,
    signs: Signs,
    /// What it was entered under.
    announced: [Option<SocketAddr>; 2],
    hosts: Vec<IpAddr>,
    /// Where its packets come from.
    at: [Option<SocketAddr>; 2],
    /// Whether that is to be learnt, or learnt anew.
    is_sought: [bool; 2],
    /// When signalling spoke of it last.
    told_us: u64,
}

impl Book {
    /// Of the worker with this number. Sources of streams that have ended rest for so long.
    pub(super) fn new(handful: &Arc<Handful>, worker: usize, rest_us: u64) -> Self {
        let line = |(pair, component, fd)| Line {
            fd,
            pair,
            component,
            sources: HashMap::new(),
            hosts: HashMap::new(),
            ended: HashMap::new(),
            contests: HashMap::new(),
        };
        Self {
            lines: handful.sockets(worker).map(line).collect(),
            streams: Vec::new(),
            fragments: HashMap::new(),
            resting: VecDeque::new(),
            rest_us,
        }
    }

    /// Its sockets, by line.
    pub(super) fn sockets(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.lines.iter().map(|line| line.fd)
    }

    /// What a line carries.
    pub(super) fn line(&self, line: usize) -> Option<(RawFd, Component)> {
        self.lines.get(line).map(|line| (line.fd, line.component))
    }

    /// Whose a packet is: the slot of its lane. `heard` gives what a lane has taken last.
    pub(super) fn find(
        &mut self,
        line: usize,
        (from, packet): (SocketAddr, &[u8]),
        heard: impl Fn(usize) -> Option<Heard>,
        now_us: u64,
    ) -> Result<usize, Missed> {
        let found = self.look_up(line, (from, packet), &heard, now_us);
        let rivals = match found {
            Found::Is(found) => return found,
            Found::Among(rivals) => rivals,
            Found::Late(ssrc) => {
                self.prolong(line, from, ssrc, now_us);
                return Err(Missed::Stranger);
            }
        };
        let ssrc = ssrc(packet).ok_or(Missed::Ambiguous)?;
        let began_us = self.contest(line, from, ssrc, now_us).ok_or(Missed::Ambiguous)?;
        // Who is heard all the same sends something else; what is left must await a new SSRC.
        let is_silent = |slot: &usize| {
            heard(*slot).is_none_or(|heard| {
                heard.at_us <= began_us.saturating_add(SURE_US)
                    || now_us.saturating_sub(heard.at_us) > SILENT_US
            })
        };
        let slot = only(rivals.into_iter().filter(is_silent))?;
        let stream = self.stream(slot).ok_or(Missed::Ambiguous)?;
        let until_us = stream.told_us.saturating_add(OVERLAP_US);
        let awaits_new = heard(slot).is_none_or(|heard| heard.at_us < until_us);
        // An SDP alone could name anybody's address.
        let is_vouched = stream.peer() == Some(from.ip());
        if awaits_new && is_vouched { Ok(slot) } else { Err(Missed::Ambiguous) }
    }

    fn look_up(
        &self,
        line: usize,
        (from, packet): (SocketAddr, &[u8]),
        heard: &impl Fn(usize) -> Option<Heard>,
        now_us: u64,
    ) -> Found {
        let Some(line) = self.lines.get(line) else { return Found::Is(Err(Missed::Stranger)) };
        let source = line.sources.get(&from);
        if let Some(slot) = source.and_then(|source| source.sole) {
            return Found::Is(Ok(slot));
        }
        if let Some(fragment) = fragment(packet) {
            let key = (line.pair, fragment.to_owned());
            return Found::Is(only(self.fragments.get(&key).into_iter().flatten().copied()));
        }
        let ssrc = ssrc(packet);
        if source.is_some_and(|source| source.is_late(ssrc, now_us)) {
            return Found::Is(Err(Missed::Stranger));
        }
        let settled = source.map_or(&[][..], |source| &source.settled);
        let expected = self.expected(line.component, source, from);
        if let (&[slot], true, []) = (&expected.vouched[..], expected.is_alone, settled) {
            return Found::Is(Ok(slot));
        }
        let near = line.hosts.get(&from.ip()).map_or(&[][..], Vec::as_slice);
        if near.len() > NEAR_MAX {
            return Found::Is(Err(Missed::Ambiguous));
        }
        let at = line.component as usize;
        let is_heard = |slot: usize| heard(slot).is_some_and(|heard| Some(heard.ssrc) == ssrc);
        let is_sought = |slot: &usize| self.stream(*slot).is_some_and(|s| s.is_sought[at]);
        let (mut named, mut twins): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for slot in near.iter().chain(settled).copied() {
            let Some(stream) = self.stream(slot) else { continue };
            let is_elsewhere =
                line.component == Component::Media && stream.at[at].is_some_and(|at| at != from);
            if ssrc.is_some_and(|ssrc| stream.signs.ssrcs.contains(&ssrc)) {
                named.push(slot);
            } else if is_heard(slot) {
                // Its NAT has moved it; or another phone, which is awaited, has the same SSRC.
                let has_rival = near.iter().any(|other| *other != slot && is_sought(other));
                let of_this = if is_elsewhere && has_rival { &mut twins } else { &mut named };
                of_this.push(slot);
            }
        }
        match (&named[..], &twins[..], settled) {
            ([], [], []) => Found::Is(self.guess((line, from), (&expected, near), now_us)),
            // Whose SSRC is new at an address that is somebody's already?
            ([], [], [slot]) if expected.vouched[..] == [*slot] => Found::Is(Ok(*slot)),
            ([], [], _) => match source.and_then(|source| source.ended(ssrc?, now_us)) {
                Some(ended) => Found::Late(ended),
                None => Found::Among([settled, &expected.all].concat()),
            },
            ([], ..) => {
                let awaited = near.iter().copied().filter(is_sought);
                twins.extend(awaited.chain(settled.iter().copied()));
                Found::Among(twins)
            }
            _ => Found::Is(only(named.into_iter())),
        }
    }

    /// When an SSRC was first seen at a source; `None` the first time.
    fn contest(&mut self, line: usize, from: SocketAddr, ssrc: u32, now_us: u64) -> Option<u64> {
        let contests = &mut self.lines.get_mut(line)?.contests;
        if contests.len() >= CONTESTS_MAX && !contests.contains_key(&from) {
            return None;
        }
        let of_source = contests.entry(from).or_default();
        if let Some(known) = of_source.iter_mut().find(|known| known.ssrc == ssrc) {
            known.last_us = now_us;
            return Some(known.began_us);
        }
        let new = Contest { ssrc, began_us: now_us, last_us: now_us };
        if of_source.len() < CONTESTS_OF_SOURCE_MAX {
            of_source.push(new);
        } else if let Some(oldest) = of_source.iter_mut().min_by_key(|known| known.last_us) {
            *oldest = new;
        }
        None
    }

    /// A stream that has ended is still sent: as long as that goes on it is nobody else's.
    fn prolong(&mut self, line: usize, from: SocketAddr, ssrc: u32, now_us: u64) {
        let source = self.lines.get_mut(line).and_then(|line| line.sources.get_mut(&from));
        let ended = source.and_then(|source| source.ended.iter_mut().find(|e| e.ssrc == ssrc));
        if let Some(ended) = ended {
            ended.late_us = now_us.saturating_add(LATE_US);
        }
    }

    /// Whose packet it is by what signalling says of addresses alone.
    fn guess(
        &self,
        (line, from): (&Line, SocketAddr),
        (expected, near): (&Expected, &[usize]),
        now_us: u64,
    ) -> Result<usize, Missed> {
        let at = line.component as usize;
        let streams = near.iter().filter_map(|slot| Some((*slot, self.stream(*slot)?)));
        let mut sought = streams.filter(|(_, stream)| stream.is_sought[at]);
        match (&expected.vouched[..], &expected.all[..]) {
            ([slot], _) => Ok(*slot),
            ([], [slot]) => {
                // Its host is one from which hidden packets of somebody else may come.
                let peer = Some(from.ip());
                let is_other = |(other, stream): (usize, &Stream)| {
                    other != *slot && stream.signs.is_hidden && stream.peer() == peer
                };
                if sought.any(is_other) { Err(Missed::Ambiguous) } else { Ok(*slot) }
            }
            ([], []) => {
                let slot = only(sought.map(|(slot, _)| slot))?;
                let has_ended = line.ended.get(&from.ip()).is_some_and(|until| now_us < *until);
                let is_described = |stream: &Stream| stream.rules.remote.is_some();
                match self.stream(slot).filter(|stream| is_described(stream)) {
                    Some(_) if has_ended => Err(Missed::Ambiguous),
                    Some(_) => Ok(slot),
                    None => Err(Missed::Stranger),
                }
            }
            _ => Err(Missed::Ambiguous),
        }
    }

    /// Who expects packets from an address by SDP, and has not been found elsewhere.
    fn expected(
        &self,
        component: Component,
        source: Option<&Source>,
        from: SocketAddr,
    ) -> Expected {
        let at = component as usize;
        let announced = source.map_or(&[][..], |source| &source.announced);
        let may_come = |stream: &Stream| stream.is_sought[at] || stream.at[at] == Some(from);
        let live = |slot: &&usize| self.stream(**slot).is_some_and(may_come);
        let all: Vec<usize> = announced.iter().filter(live).copied().collect();
        // Who was found elsewhere for a few packets may still turn out to be here.
        let all = if all.is_empty() { announced.to_vec() } else { all };
        let is_vouched = |slot: &&usize| {
            self.stream(**slot).is_some_and(|stream| stream.peer() == Some(from.ip()))
        };
        let vouched = all.iter().filter(is_vouched).copied().collect();
        Expected { is_alone: all.len() == 1, vouched, all }
    }

    /// Enters a stream, or what signalling says of it now.
    pub(super) fn update(
        &mut self,
        (slot, pair): (usize, usize),
        rules: &LatchRules,
        signs: Signs,
        news: News,
        now_us: u64,
    ) {
        let mut lines = self.lines.iter().enumerate().filter(|(_, line)| line.pair == pair);
        let (Some((media, _)), Some((control, _))) = (lines.next(), lines.next()) else { return };
        while self.streams.len() <= slot {
            self.streams.push(None);
        }
        let Some(place) = self.streams.get_mut(slot) else { return };
        let is_entered = place.is_some();
        let mut stream = place.take().unwrap_or_else(|| Stream {
            pair,
            lines: [media, control],
            rules: LatchRules::default(),
            signs: Signs::default(),
            announced: [None; 2],
            hosts: Vec::new(),
            at: [None; 2],
            is_sought: [true; 2],
            told_us: 0,
        });
        if news == News::Elsewhere {
            stream.is_sought = [true; 2];
        }
        // An address that a hold by c=0.0.0.0 hides is still the peer's.
        let is_known =
            rules.remote.is_some() || stream.rules.remote.is_none() || signs.fragment.is_some();
        let has_changed = stream.rules != *rules || stream.signs != signs || !is_entered;
        if has_changed || news != News::None {
            stream.told_us = now_us;
        }
        if has_changed && is_known {
            self.strike(slot, &stream);
            (stream.rules, stream.signs) = (*rules, signs);
            self.enter(slot, &mut stream);
        }
        if let Some(place) = self.streams.get_mut(slot) {
            *place = Some(stream);
        }
    }

    /// Whether a packet that a stream took says anything new of where its packets come from.
    pub(super) fn is_new(&self, slot: usize, component: Component, from: SocketAddr) -> bool {
        let at = component as usize;
        let stream = self.stream(slot);
        stream.is_some_and(|stream| stream.is_sought[at] || stream.at[at] != Some(from))
    }

    /// Notes where a stream's packets come from.
    pub(super) fn settle(&mut self, slot: usize, component: Component, from: SocketAddr) {
        let at = component as usize;
        let Some(Some(stream)) = self.streams.get_mut(slot) else { return };
        stream.is_sought[at] = false;
        let (line, former) = (stream.lines[at], stream.at[at].replace(from));
        let Some(line) = self.lines.get_mut(line) else { return };
        if let Some(former) = former.filter(|former| *former != from) {
            line.change(former, |source| source.settled.retain(|known| *known != slot));
        }
        line.change(from, |source| {
            source.stale = None;
            if !source.settled.contains(&slot) {
                source.settled.push(slot);
            }
        });
    }

    /// A stream has ended; `ssrc` is what was heard of it last.
    pub(super) fn close(&mut self, slot: usize, ssrc: Option<u32>, now_us: u64) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::take) else { return };
        self.strike(slot, &stream);
        let until_us = now_us.saturating_add(self.rest_us);
        for (line, at) in stream.lines.into_iter().zip(stream.at) {
            let (Some(from), Some(known)) = (at, self.lines.get_mut(line)) else { continue };
            known.change(from, |source| {
                source.settled.retain(|known| *known != slot);
                source.stale = Some((ssrc, until_us));
                let Some(ssrc) = ssrc else { return };
                source.ended.retain(|known| known.ssrc != ssrc);
                if source.ended.len() == ENDED_MAX {
                    source.ended.remove(0);
                }
                let late_us = now_us.saturating_add(LATE_US);
                source.ended.push(Ended { ssrc, late_us, over_us: until_us });
            });
            self.resting.push_back((until_us, line, from));
        }
        if stream.is_sought[0] {
            for line in stream.lines {
                let Some(line) = self.lines.get_mut(line) else { continue };
                let until_us = now_us.saturating_add(HOST_REST_US);
                line.ended.extend(stream.hosts.iter().map(|host| (*host, until_us)));
            }
        }
        while self.resting.len() > RESTING_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets sources that have rested.
    pub(super) fn sweep(&mut self, now_us: u64) {
        while self.resting.front().is_some_and(|(until_us, ..)| *until_us <= now_us) {
            self.forget_oldest();
        }
        for line in &mut self.lines {
            line.ended.retain(|_, until_us| now_us < *until_us);
            line.contests.retain(|_, contests| {
                contests.retain(|contest| now_us.saturating_sub(contest.last_us) < CONTEST_US);
                !contests.is_empty()
            });
            line.contests.shrink();
            line.sources.shrink();
            line.hosts.shrink();
            line.ended.shrink();
        }
        self.fragments.shrink();
        let used = self.streams.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.streams.truncate(used);
        self.streams.shrink();
        self.resting.shrink();
    }

    fn forget_oldest(&mut self) {
        let Some((oldest_us, line, from)) = self.resting.pop_front() else { return };
        let Some(line) = self.lines.get_mut(line) else { return };
        line.change(from, |source| {
            source.stale = source.stale.filter(|(_, until_us)| *until_us > oldest_us);
            source.ended.retain(|ended| ended.over_us > oldest_us);
        });
    }

    fn stream(&self, slot: usize) -> Option<&Stream> {
        self.streams.get(slot)?.as_ref()
    }

    fn enter(&mut self, slot: usize, stream: &mut Stream) {
        let rules = &stream.rules;
        let control = rules.remote_rtcp.or_else(|| rules.remote.map(next_port));
        stream.announced = [rules.remote, control];
        stream.hosts.clear();
        let known = [rules.remote, rules.remote_rtcp].into_iter().flatten();
        stream.hosts.extend(known.map(|known| known.ip()).chain(rules.peer));
        if rules.remote.is_none() && stream.signs.fragment.is_none() {
            stream.hosts.extend(&stream.signs.hosts);
        }
        stream.hosts.sort_unstable();
        stream.hosts.dedup();
        for (line, announced) in stream.lines.into_iter().zip(stream.announced) {
            let Some(line) = self.lines.get_mut(line) else { continue };
            if let Some(announced) = announced {
                line.change(announced, |source| source.announced.push(slot));
            }
            for host in &stream.hosts {
                line.hosts.entry(*host).or_default().push(slot);
            }
        }
        if let Some(fragment) = &stream.signs.fragment {
            self.fragments.entry((stream.pair, fragment.clone())).or_default().push(slot);
        }
    }

    /// What [`Book::enter`] did is undone.
    fn strike(&mut self, slot: usize, stream: &Stream) {
        for (line, announced) in stream.lines.into_iter().zip(stream.announced) {
            let Some(line) = self.lines.get_mut(line) else { continue };
            if let Some(announced) = announced {
                line.change(announced, |source| source.announced.retain(|known| *known != slot));
            }
            for host in &stream.hosts {
                remove(&mut line.hosts, host, &slot);
            }
        }
        if let Some(fragment) = &stream.signs.fragment {
            remove(&mut self.fragments, &(stream.pair, fragment.clone()), &slot);
        }
    }
}

/// Whose a packet is.
enum Found {
    Is(Result<usize, Missed>),
    /// That of one of these.
    Among(Vec<usize>),
    /// That of a stream that has ended, which had this SSRC.
    Late(u32),
}

/// Who expects packets from an address.
struct Expected {
    all: Vec<usize>,
    /// Those whose signalling comes from its host.
    vouched: Vec<usize>,
    is_alone: bool,
}

impl Stream {
    fn peer(&self) -> Option<IpAddr> {
        self.rules.peer.or(self.rules.remote.map(|remote| remote.ip()))
    }
}

impl Line {
    /// Changes what is known of an address, and forgets it where nothing is left.
    fn change(&mut self, from: SocketAddr, change: impl FnOnce(&mut Source)) {
        let source = self.sources.entry(from).or_default();
        change(source);
        source.sole = match source.settled[..] {
            [slot] if source.announced.iter().all(|other| *other == slot) => Some(slot),
            _ => None,
        };
        let is_of_somebody = !source.settled.is_empty() || !source.announced.is_empty();
        if !is_of_somebody && source.stale.is_none() && source.ended.is_empty() {
            self.sources.remove(&from);
        }
    }
}

impl Source {
    /// Whether a packet with this SSRC is a late one of a stream that has ended. Who is expected here
    /// by SDP may go on with the SSRC that he had.
    fn is_late(&self, ssrc: Option<u32>, now_us: u64) -> bool {
        let is_late = |(known, until_us): (Option<u32>, u64)| {
            now_us < until_us && (known.is_none() || known == ssrc)
        };
        self.announced.is_empty() && self.stale.is_some_and(is_late)
    }

    /// The SSRC, if a stream that has ended had it and still goes on, late.
    fn ended(&self, ssrc: u32, now_us: u64) -> Option<u32> {
        let is_late =
            |ended: &Ended| ended.ssrc == ssrc && now_us < ended.late_us.min(ended.over_us);
        self.ended.iter().any(is_late).then_some(ssrc)
    }
}

/// The one slot there is.
fn only(mut slots: impl Iterator<Item = usize>) -> Result<usize, Missed> {
    let first = slots.next().ok_or(Missed::Stranger)?;
    if slots.any(|other| other != first) { Err(Missed::Ambiguous) } else { Ok(first) }
}

/// Who says that he sent a packet (RFC 3550 §5.1, §6.4); of other datagrams anything or nothing.
fn ssrc(packet: &[u8]) -> Option<u32> {
    let at = if rtcp::is_rtcp(packet) { 4 } else { 8 };
    let is_rtp = packet.first().is_some_and(|first| first >> 6 == 2);
    let word = packet.get(at..at + 4).filter(|_| is_rtp)?;
    word.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
