//! Direction of a stream as seen by the party that wrote the description (RFC 8866 §6.7).

/// Who sends: the direction attribute of the description's author.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    /// Sends and wants to receive; also what absence means.
    #[default]
    SendRecv,
    /// Sends only: the usual spelling of "you are on hold".
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction in which sending and receiving are as given.
    pub const fn from_flags(is_sending: bool, is_receiving: bool) -> Self {
        match (is_sending, is_receiving) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The attribute of this name, if it is a direction.
    pub fn from_attribute(name: &str) -> Option<Self> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| name.eq_ignore_ascii_case(direction.as_str()))
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Whether the author of the description sends.
    pub const fn is_sending(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the author of the description wants to receive.
    pub const fn is_receiving(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same stream from the other end: what one sends, the other receives.
    pub const fn reversed(self) -> Self {
        Direction::from_flags(self.is_receiving(), self.is_sending())
    }

    /// What both allow: an answer may only narrow an offer (RFC 3264 §6.1).
    pub const fn restricted_to(self, other: Self) -> Self {
        Direction::from_flags(
            self.is_sending() && other.is_sending(),
            self.is_receiving() && other.is_receiving(),
        )
    }
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
