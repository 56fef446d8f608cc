//! Whether this machine can give the configuration the addresses and files it names.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::diagnose::Diagnosis;
use crate::model::Config;
use crate::model::rim::{StatePath, Transport};

/// Tries every address once and lets it go again; a fault for each that cannot be had, with its place.
///
/// A running switch with the same configuration makes its own ports appear taken: for `strowger check`
/// and before a start, not for a reload.
pub fn check_bindable(config: &Config) -> Vec<Diagnosis> {
    let mut faults = Vec::new();
    let mut fault = |setting: &str, found: String, expected: &str| {
        let (line, column) = config.places.position(setting);
        faults.push(Diagnosis {
            file: config.places.file().to_owned(),
            line,
            column,
            found,
            expected: expected.to_owned(),
            suggestion: None,
        });
    };
    // Held until the end, so that two listeners of this file compete as they would in the program.
    let mut held: Vec<Held> = Vec::new();
    for (index, listen) in config.sip.listen.iter().enumerate() {
        match bind(listen.transport == Transport::Udp, listen.address) {
            Ok(socket) => held.push(socket),
            Err(error) => fault(
                &format!("sip.listen.{index}"),
                format!("cannot listen on {listen}: {error}"),
                FREE,
            ),
        }
    }
    match bind(false, config.api.listen) {
        Ok(socket) => held.push(socket),
        Err(error) => {
            let found = format!("cannot listen on {}: {error}", config.api.listen);
            fault("api.listen", found, FREE);
        }
    }
    if let Err(error) = bind(true, SocketAddr::new(config.media.address, 0)) {
        let found = format!("cannot receive media on {}: {error}", config.media.address);
        fault("media.address", found, "an address of this machine");
    }
    if let StatePath::File(path) = &config.state.path {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let is_missing = folder.is_some_and(|folder| !folder.is_dir());
        if is_missing || path.is_dir() {
            let found = format!("no database can be kept at {}", path.display());
            fault("state.path", found, "a file in an existing folder");
        }
    }
    drop(held);
    faults
}

const FREE: &str = "a free port on an address of this machine";

enum Held {
    Udp { _socket: UdpSocket },
    Tcp { _listener: TcpListener },
}

fn bind(is_udp: bool, address: SocketAddr) -> std::io::Result<Held> {
    if is_udp {
        UdpSocket::bind(address).map(|socket| Held::Udp { _socket: socket })
    } else {
        TcpListener::bind(address).map(|listener| Held::Tcp { _listener: listener })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn names_the_place_of_a_port_that_is_taken() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "domain = \"x.test\"\n[sip]\nlisten = [\"tcp:127.0.0.1:0\",\n  \"udp:{}\"]\n\
             [api]\nlisten = \"127.0.0.1:0\"\n[media]\nports = \"1024-1030\"\n",
            taken.local_addr().unwrap()
        );
        let faults = check_bindable(&parse(&text, "x.toml").unwrap());
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].line, faults[0].column), (4, 3));
        assert!(faults[0].found.starts_with("cannot listen on udp:127.0.0.1:"), "{faults:?}");
    }

    #[test]
    fn names_an_address_of_another_machine_and_a_missing_folder() {
        let text = "domain = \"x.test\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
                    [media]\naddress = \"192.0.2.77\"\n\
                    [state]\npath = \"/nonexistent/strowger/state.db\"\n\
                    [api]\nlisten = \"127.0.0.1:0\"\n";
        let faults = check_bindable(&parse(text, "x.toml").unwrap());
        let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(places, [(5, 11), (7, 8)], "{faults:?}");
    }

    #[test]
    fn finds_nothing_wrong_with_free_ports() {
        let text = "domain = \"x.test\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
                    [api]\nlisten = \"127.0.0.1:0\"\n";
        assert_eq!(check_bindable(&parse(text, "x.toml").unwrap()), []);
    }
}
