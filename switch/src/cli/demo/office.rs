//! The demonstration's switch: this program once more, as a child on free loopback ports.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{CliError, failed};
use crate::phone::Phone;
use crate::server::SystemEntropy;

/// Three lines in one pickup group, a park lot, one token, everything on loopback, nothing kept.
const CONFIGURATION: &str = r#"domain = "demo.test"
[sip]
listen = ["udp:127.0.0.1:0"]
[media]
address = "127.0.0.1"
ports = "40000-40999"
[api]
listen = "127.0.0.1:0"
[[api.tokens]]
name = "demo"
secret = "demo-token"
scopes = ["admin"]
[lines.201]
name = "Ada"
password = "pw-201"
pickup_group = "office"
[lines.202]
name = "Ben"
password = "pw-202"
pickup_group = "office"
[lines.203]
name = "Cleo"
password = "pw-203"
pickup_group = "office"
[pickup_groups.office]
id = "10"
[park.lots.main]
number = "700"
slots = "701-720"
[completion]
idle_guard = "100ms"
[feature_codes]
completion_set = "*66"
pickup_group = "*8"
pickup_directed = "**"
forward_all_set = "*72"
forward_all_cancel = "*73"
"#;

/// The bearer token of [`CONFIGURATION`].
pub(super) const TOKEN: &str = "demo-token";

/// A running switch; it ends with this value.
pub(super) struct Office {
    child: Child,
    file: PathBuf,
    sip: SocketAddr,
    /// Where its control interface listens.
    pub(super) api: SocketAddr,
}

impl Office {
    /// Starts the switch and waits for its ready line.
    pub(super) fn open() -> Result<Office, CliError> {
        let file = std::env::temp_dir().join(format!("strowger-demo-{}.toml", std::process::id()));
        std::fs::write(&file, CONFIGURATION)
            .map_err(|error| CliError::Write { path: file.clone(), error })?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["run", "--log", "error", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        let addresses = addresses(&ready);
        let unready = SocketAddr::from(([127, 0, 0, 1], 0));
        let (sip, api) = addresses.unwrap_or((unready, unready));
        let office = Office { child, file, sip, api };
        match addresses {
            Some(_) => Ok(office),
            None => Err(failed("starting the switch", "it printed no ready line")),
        }
    }

    /// A phone of one of its lines, not registered yet.
    pub(super) fn phone(&self, number: &str) -> Result<Phone, CliError> {
        let password = format!("pw-{number}");
        Ok(Phone::new(number, &password, "demo.test", self.sip, Box::new(SystemEntropy::new()?))?)
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // It is our own child and keeps nothing: there is nobody to tell when this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

fn addresses(ready: &str) -> Option<(SocketAddr, SocketAddr)> {
    let words = ready.trim().strip_prefix("strowger ready ")?;
    let value = |key: &str| words.split_whitespace().find_map(|word| word.strip_prefix(key));
    let sip = value("sip=udp:")?.split(',').next()?.parse().ok()?;
    Some((sip, value("api=")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_both_addresses() {
        let line = "strowger ready sip=udp:127.0.0.1:5060,tcp:127.0.0.1:5060 api=127.0.0.1:8080\n";
        let (sip, api) = addresses(line).unwrap();
        assert_eq!((sip.port(), api.port()), (5060, 8080));
        assert_eq!(addresses("strowger fails"), None);
    }

    #[test]
    fn the_configuration_is_valid() {
        assert!(config::parse(CONFIGURATION, "demo.toml").is_ok());
    }
}
