//! Logs go to stderr, as text for people or as one JSON object a line.

use tracing_subscriber::EnvFilter;

use super::ServerError;
use crate::cli::LogFormat;
use crate::observe::security;

/// Starts logging for the process.
pub(super) fn start(level: &str, format: LogFormat) -> Result<(), ServerError> {
    let filter = EnvFilter::try_new(level).map_err(|_| ServerError::Log(level.to_owned()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (the demonstration, tests) keeps the first one's subscriber.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    security::use_json(format == LogFormat::Json);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused() {
        assert!(matches!(start("a=b=c", LogFormat::Text), Err(ServerError::Log(_))));
    }
}
