//! Who waits for whom: requests for the completion of calls that met busy or no answer.
//!
//! A queue for each called line, first come, first served; a request whose caller cannot be rung now
//! keeps its place while the next one is served. Source: TAPI lineCompleteCall; sip-mapping §3.8.

use std::collections::{BTreeMap, HashMap};

use tapi::LineErr;
use tapi::constant::{CallComplCond, CallComplMode};

/// Requests of the whole switch; one more gets COMPLETIONOVERRUN.
pub const MAX_REQUESTS: usize = 20_000;
/// Messages that wait for one line; one more gets COMPLETIONOVERRUN.
pub const MAX_MESSAGES: usize = 50;

/// A line waits for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The completion identifier.
    pub id: u32,
    /// The line that asked.
    pub line: String,
    /// The line that could not be reached.
    pub callee: String,
    /// How the call is to be completed.
    pub mode: CallComplMode,
    /// What the call met.
    pub condition: CallComplCond,
    /// dwCallID of the call that failed.
    pub call_id: u32,
    /// The called line must have been used before it counts as free: nobody was there, or nobody saw
    /// what made it busy.
    pub needs_activity: bool,
    /// When it was asked for, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// When it is forgotten, in milliseconds since 1970.
    pub expires_at_unix_ms: u64,
    /// Its caller is being rung, or was and now waits for the called line.
    pub is_recalling: bool,
    /// How often the phone of its caller said busy although nothing was seen of a call there.
    pub refusals: u32,
}

/// The requests of all lines.
#[derive(Debug, Default)]
pub struct Queue {
    /// Identifiers rise, so their order is that of the requests.
    requests: BTreeMap<u32, Request>,
    by_callee: HashMap<String, Vec<u32>>,
    by_line: HashMap<String, Vec<u32>>,
}

impl Queue {
    /// Whether the queue has room for a request of `line` at `callee`, of which there may be `most` each.
    ///
    /// Errors: COMPLETIONOVERRUN.
    pub fn check_room(&self, line: &str, callee: &str, most: usize) -> Result<(), LineErr> {
        let count = |of: &HashMap<String, Vec<u32>>, key: &str| of.get(key).map_or(0, Vec::len);
        let is_full = count(&self.by_callee, callee) >= most
            || count(&self.by_line, line) >= most
            || self.requests.len() >= MAX_REQUESTS;
        if is_full { Err(LineErr::CompletionOverrun) } else { Ok(()) }
    }

    /// The request of a line at another one.
    pub fn find(&self, line: &str, callee: &str) -> Option<&Request> {
        self.of_line(line).find(|request| request.callee == callee)
    }

    /// Adds a request, or puts it in the place of the one with its identifier.
    pub fn insert(&mut self, request: Request) {
        let keys = [(&mut self.by_callee, &request.callee), (&mut self.by_line, &request.line)];
        for (of, key) in keys {
            let ids = of.entry(key.clone()).or_default();
            if !ids.contains(&request.id) {
                ids.push(request.id);
                ids.sort_unstable();
            }
        }
        self.requests.insert(request.id, request);
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: u32) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        let keys = [(&mut self.by_callee, &request.callee), (&mut self.by_line, &request.line)];
        for (of, key) in keys {
            if let Some(ids) = of.get_mut(key) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    of.remove(key);
                }
            }
        }
        Some(request)
    }

    /// A request by its identifier.
    pub fn get(&self, id: u32) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// The same, to be changed; neither identifier nor lines may be.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Request> {
        self.requests.get_mut(&id)
    }

    /// All requests in the order of their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether a line waits for another, or is waited for.
    pub fn concerns(&self, line: &str) -> bool {
        self.by_callee.contains_key(line) || self.by_line.contains_key(line)
    }

    /// What a line has asked for.
    pub fn of_line(&self, line: &str) -> impl Iterator<Item = &Request> {
        let ids = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.requests.get(id))
    }

    /// Who waits for a line, in the order in which they are served.
    pub fn at(&self, callee: &str) -> impl Iterator<Item = &Request> {
        let ids = self.by_callee.get(callee).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.requests.get(id))
    }

    /// The called line has been used.
    pub fn note_activity(&mut self, callee: &str) -> Vec<u32> {
        let ids = self.by_callee.get(callee).cloned().unwrap_or_default();
        let mut changed = Vec::new();
        for id in ids {
            if let Some(request) = self.requests.get_mut(&id).filter(|r| r.needs_activity) {
                request.needs_activity = false;
                changed.push(id);
            }
        }
        changed
    }

    /// Whose turn it is at a line that is free: one at a time, and of those that wait the first whose
    /// own line can be rung.
    pub fn next(&self, callee: &str, can_be_rung: impl Fn(&str) -> bool) -> Option<&Request> {
        if self.at(callee).any(|request| request.is_recalling) {
            return None;
        }
        self.at(callee).find(|request| !request.needs_activity && can_be_rung(&request.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u32, line: &str, callee: &str) -> Request {
        Request {
            id,
            line: line.to_owned(),
            callee: callee.to_owned(),
            mode: CallComplMode::Callback,
            condition: CallComplCond::Busy,
            call_id: 0,
            needs_activity: false,
            since_unix_ms: 0,
            expires_at_unix_ms: 0,
            is_recalling: false,
            refusals: 0,
        }
    }

    fn queue(rows: &[(u32, &str, &str)]) -> Queue {
        let mut queue = Queue::default();
        rows.iter().for_each(|(id, line, callee)| queue.insert(request(*id, line, callee)));
        queue
    }

    #[test]
    fn the_first_whose_line_can_be_rung_is_served_and_the_others_keep_their_places() {
        let queue = queue(&[(2, "203", "202"), (1, "201", "202"), (3, "204", "206")]);
        let next = |free: &[&str]| queue.next("202", |line| free.contains(&line)).map(|r| r.id);
        assert_eq!(next(&["201", "203"]), Some(1));
        assert_eq!(next(&["203", "204"]), Some(2));
        assert_eq!(next(&["204"]), None);
    }

    #[test]
    fn one_caller_is_rung_at_a_time() {
        let mut queue = queue(&[(1, "201", "202"), (2, "203", "202")]);
        queue.get_mut(1).unwrap().is_recalling = true;
        assert_eq!(queue.next("202", |_| true), None);
        queue.remove(1);
        assert_eq!(queue.next("202", |_| true).map(|request| request.id), Some(2));
    }

    #[test]
    fn a_line_where_nobody_was_counts_as_free_only_after_it_was_used() {
        let mut queue = queue(&[(1, "201", "202"), (2, "203", "202")]);
        queue.get_mut(1).unwrap().needs_activity = true;
        assert_eq!(queue.next("202", |_| true).map(|request| request.id), Some(2));
        assert_eq!(queue.note_activity("202"), [1]);
        assert_eq!(queue.note_activity("202"), [0_u32; 0]);
        assert_eq!(queue.next("202", |_| true).map(|request| request.id), Some(1));
    }

    #[test]
    fn both_the_asking_and_the_called_line_have_a_limit() {
        let queue = queue(&[(1, "201", "202"), (2, "203", "202"), (3, "201", "204")]);
        assert_eq!(queue.check_room("204", "202", 2), Err(LineErr::CompletionOverrun));
        assert_eq!(queue.check_room("201", "206", 2), Err(LineErr::CompletionOverrun));
        assert_eq!(queue.check_room("203", "206", 2), Ok(()));
    }

    #[test]
    fn a_removed_request_leaves_nothing_behind() {
        let mut queue = queue(&[(1, "201", "202")]);
        assert!(queue.concerns("201") && queue.concerns("202"));
        assert_eq!(queue.find("201", "202").map(|request| request.id), Some(1));
        assert_eq!(queue.remove(1).map(|request| request.id), Some(1));
        assert!(queue.is_empty() && !queue.concerns("201") && !queue.concerns("202"));
        assert!(queue.by_callee.is_empty() && queue.by_line.is_empty());
    }
}
