//! Secrets: passwords and tokens, written in the file or kept outside it.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroize as _;

/// Longest secret file that is read; a longer one is no secret.
const MAX_SECRET_BYTES: u64 = 4096;

/// A password or token. Neither `Debug` nor an error message shows it (SEC-131).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the computation that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Nothing of it stays in memory that was given back.
impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Why a secret could not be had; each shows the reference, never the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFault {
    #[error("the {0} is empty")]
    Empty(&'static str),
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("the environment variable {0} is not UTF-8")]
    NotText(String),
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("the file {0} can be read by everyone")]
    ReadableByAll(PathBuf),
    #[error("the file {0} is longer than {MAX_SECRET_BYTES} bytes")]
    TooLong(PathBuf),
    #[error("the file {0} is empty")]
    EmptyFile(PathBuf),
    #[error("the file {0} is not one line of text")]
    NotOneLine(PathBuf),
}

impl SecretFault {
    /// What would be right.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Empty(what) => format!("a {what}, \"env:NAME\" or \"file:PATH\""),
            Self::NotSet(name) | Self::NotText(name) => {
                format!("{name} set to the secret in the environment of the switch")
            }
            Self::Unreadable(..) | Self::EmptyFile(_) => "a file that holds the secret".to_owned(),
            Self::ReadableByAll(path) => {
                format!("a file that only its owner can read (chmod 600 {})", path.display())
            }
            Self::TooLong(_) | Self::NotOneLine(_) => {
                "a file that holds the secret on one line".to_owned()
            }
        }
    }
}

/// The secret that `text` is or refers to; a relative path starts at `folder`.
pub(crate) fn resolve(
    text: &str,
    what: &'static str,
    folder: &Path,
) -> Result<Secret, SecretFault> {
    if let Some(name) = text.strip_prefix("env:") {
        from_environment(name, what)
    } else if let Some(path) = text.strip_prefix("file:") {
        from_file(&folder.join(path))
    } else if text.is_empty() {
        Err(SecretFault::Empty(what))
    } else {
        Ok(Secret::new(text))
    }
}

fn from_environment(name: &str, what: &'static str) -> Result<Secret, SecretFault> {
    // An empty name or one with `=` or NUL in it makes `var_os` answer nothing.
    match std::env::var_os(name) {
        None => Err(SecretFault::NotSet(name.to_owned())),
        Some(value) if value.is_empty() => Err(SecretFault::Empty(what)),
        Some(value) => {
            value.into_string().map(Secret::new).map_err(|_| SecretFault::NotText(name.to_owned()))
        }
    }
}

fn from_file(path: &Path) -> Result<Secret, SecretFault> {
    let unreadable = |error| SecretFault::Unreadable(path.to_owned(), error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if is_readable_by_all(&metadata) {
        return Err(SecretFault::ReadableByAll(path.to_owned()));
    }
    if metadata.len() > MAX_SECRET_BYTES {
        return Err(SecretFault::TooLong(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(SecretFault::EmptyFile(path.to_owned()));
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err(SecretFault::NotOneLine(path.to_owned()));
    }
    Ok(Secret::new(text))
}

/// SEC-130: files that others can read are refused.
#[cfg(unix)]
pub(crate) fn is_readable_by_all(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
pub(crate) fn is_readable_by_all(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown_by_debug() {
        let shown = format!("{:?}", Secret::new("pw-201"));
        assert!(!shown.contains("pw-201"), "{shown}");
    }

    #[test]
    fn is_taken_as_written_without_a_prefix() {
        let secret = resolve("envoy:x", "password", Path::new("")).unwrap();
        assert_eq!(secret.expose(), "envoy:x");
    }

    #[test]
    fn comes_from_the_environment() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(resolve("env:PATH", "password", Path::new("")).unwrap().expose(), path);
        let fault = resolve("env:STROWGER_NO_SUCH", "password", Path::new("")).unwrap_err();
        assert_eq!(fault.to_string(), "the environment variable STROWGER_NO_SUCH is not set");
        assert!(resolve("env:", "password", Path::new("")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn comes_from_a_private_file_beside_the_configuration() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        let mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let read = || resolve("file:pin", "password", folder.path());
        assert!(matches!(read(), Err(SecretFault::Unreadable(..))));
        std::fs::write(&path, "s3cret\r\n").unwrap();
        mode(0o600);
        assert_eq!(read().unwrap().expose(), "s3cret");
        mode(0o644);
        assert!(matches!(read(), Err(SecretFault::ReadableByAll(_))));
        mode(0o600);
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read(), Err(SecretFault::EmptyFile(_))));
        std::fs::write(&path, "a\nb\n").unwrap();
        assert!(matches!(read(), Err(SecretFault::NotOneLine(_))));
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(matches!(read(), Err(SecretFault::TooLong(_))));
    }
}
