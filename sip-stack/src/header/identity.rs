//! Privacy (RFC 3323, RFC 3325). The identity headers themselves are name-addrs.

use std::fmt;

/// One privacy service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrivacyLevel {
    /// Hide what the headers say.
    Header,
    /// Hide the session description's addresses.
    Session,
    /// Act for the user agent (RFC 3323 §4.3).
    User,
    /// Hide P-Asserted-Identity (RFC 3325 §9.3).
    Id,
    /// Hide History-Info (RFC 7044).
    History,
    /// Nothing may be hidden.
    None,
    /// Refuse the request if privacy cannot be given.
    Critical,
}

const LEVELS: [(PrivacyLevel, &str); 7] = [
    (PrivacyLevel::Header, "header"),
    (PrivacyLevel::Session, "session"),
    (PrivacyLevel::User, "user"),
    (PrivacyLevel::Id, "id"),
    (PrivacyLevel::History, "history"),
    (PrivacyLevel::None, "none"),
    (PrivacyLevel::Critical, "critical"),
];

/// The privacy that a user asked for; unknown services are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Privacy {
    levels: u8,
}

impl Privacy {
    /// Reads the value: services separated by `;`, or by `,` as old phones do.
    #[must_use]
    pub fn parse(value: &str) -> Privacy {
        let mut privacy = Privacy::default();
        for word in value.split([';', ',']).map(str::trim) {
            if let Some((level, _)) =
                LEVELS.iter().find(|(_, text)| text.eq_ignore_ascii_case(word))
            {
                privacy = privacy.with(*level);
            }
        }
        privacy
    }

    /// With one service more.
    #[must_use]
    pub fn with(self, level: PrivacyLevel) -> Privacy {
        Privacy { levels: self.levels | 1 << level as u8 }
    }

    /// Whether a service was asked for.
    #[must_use]
    pub fn has(self, level: PrivacyLevel) -> bool {
        self.levels & 1 << level as u8 != 0
    }

    /// Whether the caller's identity must not reach an untrusted peer.
    #[must_use]
    pub fn hides_identity(self) -> bool {
        !self.has(PrivacyLevel::None)
            && (self.has(PrivacyLevel::Id)
                || self.has(PrivacyLevel::User)
                || self.has(PrivacyLevel::Header))
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (level, text) in LEVELS {
            if self.has(level) {
                write!(f, "{separator}{text}")?;
                separator = ";";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_services_and_writes_them() {
        let privacy = Privacy::parse("id; Critical;x-unknown");
        assert!(privacy.hides_identity());
        assert_eq!(privacy.to_string(), "id;critical");
        assert!(!Privacy::parse("none;id").hides_identity());
        assert!(!Privacy::parse("").hides_identity());
    }
}
