//! When the switch registers at a trunk's peer, and what an answer means (RFC 3261 §10.2).

use std::time::Duration;

/// How long to wait after the first failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// How long to wait at most: a peer that has refused us a hundred times is not to be flooded.
const LAST_RETRY: Duration = Duration::from_secs(1800);
/// Registrations are never renewed more often than this.
const SHORTEST: Duration = Duration::from_secs(5);

/// How far a registration has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The peer's address is not known yet.
    Waiting,
    /// A REGISTER is on its way, and none has been answered before.
    Asking,
    /// The peer has accepted.
    Registered,
    /// The peer has refused or not answered; it will be asked again.
    Failed(u16),
}

/// The registration at one trunk's peer.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Names it to timers and answers.
    pub id: u32,
    /// Call-ID of all its requests (RFC 3261 §10.2.4).
    pub call_id: String,
    /// How far it has come.
    pub standing: Standing,
    cseq: u32,
    failures: u32,
    /// What is asked for.
    expires: Duration,
    /// Which of the peer's addresses is asked.
    target: usize,
}

/// What an answer says.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status code; 408 and 503 also stand for silence.
    pub status: u16,
    /// How long our binding lives.
    pub granted: Option<Duration>,
    /// Min-Expires of a 423.
    pub min_expires: Option<Duration>,
    /// Retry-After.
    pub retry_after: Option<Duration>,
}

impl Enrolment {
    /// One that has not asked yet.
    pub fn new(id: u32, call_id: String, expires: Duration) -> Self {
        let standing = Standing::Waiting;
        Self { id, call_id, standing, cseq: 0, failures: 0, expires, target: 0 }
    }

    /// Begins a request: its CSeq. A challenged request is sent again with the one after it.
    pub fn ask(&mut self) -> u32 {
        if self.standing == Standing::Waiting {
            self.standing = Standing::Asking;
        }
        self.cseq = self.cseq.wrapping_add(2) & 0x7fff_ffff;
        self.cseq
    }

    /// What is asked for.
    pub fn expires(&self) -> Duration {
        self.expires
    }

    /// Which of so many addresses is asked.
    pub fn target(&self, addresses: usize) -> usize {
        self.target.checked_rem(addresses).unwrap_or(0)
    }

    /// Takes an answer in; the result is when to ask again.
    pub fn answered(&mut self, answer: Answer) -> Duration {
        match (answer.status, answer.min_expires) {
            (200..300, _) => {
                self.standing = Standing::Registered;
                self.failures = 0;
                // Soon enough for a second try, without keeping the peer busy.
                (answer.granted.unwrap_or(self.expires) * 4 / 5).max(SHORTEST)
            }
            (423, Some(least)) if least > self.expires => {
                self.expires = least;
                Duration::ZERO
            }
            (status, _) => {
                self.standing = Standing::Failed(status);
                if matches!(status, 408 | 480 | 500..600) {
                    self.target = self.target.wrapping_add(1);
                }
                let doubled = FIRST_RETRY * 2_u32.pow(self.failures.min(6));
                self.failures = self.failures.saturating_add(1);
                answer.retry_after.unwrap_or(doubled).clamp(SHORTEST, LAST_RETRY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolment() -> Enrolment {
        Enrolment::new(1, "a".to_owned(), Duration::from_secs(3600))
    }

    fn refusal(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    #[test]
    fn is_renewed_before_what_the_peer_granted_is_over() {
        let mut one = enrolment();
        let granted = Some(Duration::from_secs(100));
        let again = one.answered(Answer { status: 200, granted, ..Answer::default() });
        assert_eq!(again, Duration::from_secs(80));
        assert_eq!(one.standing, Standing::Registered);
        let again = one.answered(refusal(200));
        assert_eq!(again, Duration::from_secs(2880), "what was asked for, where nothing is said");
    }

    #[test]
    fn asks_at_once_for_as_long_as_the_peer_wants_it_and_only_once() {
        let mut one = enrolment();
        let min_expires = Some(Duration::from_secs(7200));
        let too_brief = Answer { status: 423, min_expires, ..Answer::default() };
        assert_eq!(one.answered(too_brief), Duration::ZERO);
        assert_eq!(one.expires(), Duration::from_secs(7200));
        assert_eq!(one.answered(too_brief), FIRST_RETRY);
        assert_eq!(one.standing, Standing::Failed(423));
    }

    #[test]
    fn asks_less_and_less_often_where_it_is_refused() {
        let mut one = enrolment();
        let waits: Vec<u64> = (0..8).map(|_| one.answered(refusal(403)).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1800, 1800]);
        one.answered(refusal(200));
        assert_eq!(one.answered(refusal(403)), FIRST_RETRY);
    }

    #[test]
    fn waits_as_long_as_it_is_told_to_within_reason() {
        let mut one = enrolment();
        let told = |seconds| Answer {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
            ..Answer::default()
        };
        assert_eq!(one.answered(told(90)), Duration::from_secs(90));
        assert_eq!(one.answered(told(0)), SHORTEST);
        assert_eq!(one.answered(told(1_000_000)), LAST_RETRY);
    }

    #[test]
    fn silence_leads_to_the_next_address_and_refusal_does_not() {
        let mut one = enrolment();
        one.answered(refusal(403));
        assert_eq!(one.target(3), 0);
        one.answered(refusal(408));
        assert_eq!(one.target(3), 1);
        assert_eq!(one.target(0), 0);
    }

    #[test]
    fn each_request_leaves_a_number_for_its_repetition() {
        let mut one = enrolment();
        assert_eq!((one.ask(), one.ask()), (2, 4));
    }
}
