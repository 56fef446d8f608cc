//! `strowger init` and `strowger check`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use super::CliError;
use super::client::Client;

/// Octets of a line's password and of the token.
const PASSWORD_BYTES: usize = 12;
const TOKEN_BYTES: usize = 32;
/// The lines of a new configuration.
const LINES: [(&str, &str); 4] = [("201", "Ada"), ("202", "Ben"), ("203", "Cleo"), ("204", "Dan")];

/// Prints every fault of a configuration.
pub(super) fn check(file: &Path) -> Result<(), CliError> {
    let config = config::load(file).map_err(CliError::Configuration)?;
    let mut out = stdout().lock();
    // A running switch holds the addresses of its own file; that is no fault of the file.
    if is_running(&config) {
        writeln!(out, "{}: a switch runs with it; its addresses were not tried.", file.display())?;
    } else {
        let faults = config::check_bindable(&config);
        if !faults.is_empty() {
            return Err(CliError::Configuration(faults));
        }
    }
    let seconds = i64::try_from(crate::server::clock::unix_ms() / 1000).unwrap_or(i64::MAX);
    let faults = config::check_certificates(&config, seconds);
    if !faults.is_empty() {
        return Err(CliError::Configuration(faults));
    }
    let soon = config::certificate_warnings(&config, seconds);
    for warning in config.warnings().into_iter().chain(soon) {
        writeln!(out, "{}: warning: {warning}.", file.display())?;
    }
    for feature in config.not_yet_available() {
        writeln!(out, "{}: not yet available: {feature}.", file.display())?;
    }
    writeln!(out, "{}: no faults, {} lines.", file.display(), config.lines.len())?;
    Ok(())
}

/// Whether a switch with one of the file's tokens answers where the file says.
fn is_running(config: &config::Config) -> bool {
    Client::of_config(config).is_some_and(|client| client.rows("lines").is_ok())
}

/// Writes a configuration and says what to do with it.
pub(super) fn init(file: &Path) -> Result<(), CliError> {
    let mut secrets = Vec::new();
    for _ in LINES {
        secrets.push(secret(PASSWORD_BYTES)?);
    }
    let text = configuration(&secrets, &secret(TOKEN_BYTES)?);
    write_new(file, &text)?;
    let mut out = stdout().lock();
    let name = file.display();
    writeln!(out, "{name} is written: four lines, each with a password of its own.")?;
    writeln!(out)?;
    writeln!(out, "Start the switch:   strowger run --config {name}")?;
    writeln!(out, "Register a phone:   server 127.0.0.1:5060 (UDP or TCP), domain office.test,")?;
    writeln!(out, "                    user 201, password {}", secrets[0])?;
    writeln!(
        out,
        "With baresip:       echo '<sip:201@127.0.0.1>;auth_pass={}' >> ~/.baresip/accounts",
        secrets[0]
    )?;
    writeln!(out, "See it:             strowger registrations --config {name}")?;
    writeln!(out)?;
    writeln!(out, "Phones on other machines: put this machine's address in place of 127.0.0.1")?;
    writeln!(out, "under [sip] and [media].")?;
    Ok(())
}

/// Creates the file, readable by its owner only, and never overwrites one.
fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error| CliError::Write { path: file.to_owned(), error };
    match options.open(file) {
        Ok(mut open) => open.write_all(text.as_bytes()).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(CliError::Exists(file.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// So many random octets as hexadecimal digits.
fn secret(length: usize) -> Result<String, CliError> {
    let mut octets = vec![0; length];
    getrandom::fill(&mut octets).map_err(|_| CliError::Random)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

fn configuration(passwords: &[String], token: &str) -> String {
    let mut text = format!(
        r#"# Configuration of the Strowger switch. `strowger check FILE` finds every fault,
# `strowger reload` takes over a change without touching calls.

domain = "office.test"                       # SIP domain, digest realm

[sip]
# Where phones reach the switch. For phones on other machines, put this machine's address here.
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]

[media]
address = "127.0.0.1"                        # bound, and told to phones; `public_address` behind a NAT
ports = "16384-32767"                        # two for each party of a call

[api]
listen = "127.0.0.1:8080"                    # control interface; without TLS, so keep it on loopback

[[api.tokens]]                               # a secret may also be "env:NAME" or "file:PATH"
name = "admin"
secret = "{token}"
scopes = ["admin"]

[state]
path = "strowger.db"                         # SQLite file: registrations outlive a restart

[defaults.line]
ring_timeout = "20s"                         # no answer after this
max_calls = 4                                # calls at once on one line
"#
    );
    for ((number, name), password) in LINES.iter().zip(passwords) {
        text.push_str(&format!(
            "\n[lines.{number}]\nname = \"{name}\"\npassword = \"{password}\"\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_configuration_has_no_faults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("office.toml");
        init(&file).unwrap();
        let config = config::load(&file).unwrap();
        assert_eq!(config.lines.len(), 4);
        let passwords: std::collections::BTreeSet<_> =
            config.lines.values().map(|line| line.password.expose().to_owned()).collect();
        assert_eq!(passwords.len(), 4, "every line has a password of its own");
        assert_eq!(config.api.tokens[0].secret.expose().len(), 2 * TOKEN_BYTES);
    }

    #[test]
    fn a_file_that_exists_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("office.toml");
        std::fs::write(&file, "mine").unwrap();
        assert!(matches!(init(&file), Err(CliError::Exists(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_secrets() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("office.toml");
        init(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    }

    #[test]
    fn check_reports_every_fault_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, "domian = \"a\"\n[sip]\nlisten = [\"smoke:1\"]\n").unwrap();
        let Err(CliError::Configuration(faults)) = check(&file) else {
            panic!("the faults were not found");
        };
        assert!(faults.len() >= 2, "{faults:?}");
    }
}
