use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::model::tls::{ClientCertificates, TlsVersion};
use crate::{Config, certificate_warnings, check_certificates, parse};

const DAY: i64 = 86_400;
/// 2026-01-01 and 2027-01-01.
const BEGIN: i64 = 1_767_225_600;
const END: i64 = 1_798_761_600;

/// A folder with certificates valid in 2026.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["office", "branch"] {
        let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        write_key(&folder.path().join(format!("{name}.key")), &key.serialize_pem());
    }
    folder
}

fn write_key(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn read(folder: &Path, sections: &str) -> Result<Config, Vec<String>> {
    let text = format!("domain = \"office.test\"\n[lines.201]\npassword = \"pw\"\n{sections}");
    let file = folder.join("office.toml");
    let parsed = parse(&text, &file.display().to_string());
    let prefix = format!("{}:", file.display());
    let shorten = |fault: crate::Diagnosis| {
        let text = fault.to_string().replacen(&prefix, "", 1);
        text.replace(&format!("{}/", folder.display()), "")
    };
    parsed.map_err(|faults| faults.into_iter().map(shorten).collect())
}

const TLS: &str = "[sip]\nlisten = [\"tls:127.0.0.1:0\"]\n[sip.tls]\ncertificate = \"office.pem\"\nkey = \"office.key\"\n";

#[test]
fn certificates_are_read_and_what_is_not_said_is_sensible() {
    let folder = folder();
    let config = read(folder.path(), TLS).unwrap();
    let tls = config.sip.tls.unwrap();
    assert_eq!(tls.identity.chain.len(), 1);
    assert_eq!((tls.identity.not_before, tls.identity.not_after), (BEGIN, END));
    assert_eq!(tls.client_certificates, ClientCertificates::Off);
    assert_eq!(tls.min_version, TlsVersion::V12);
    assert_eq!(tls.trunk_ca, None);
}

#[test]
fn all_settings_are_taken() {
    let folder = folder();
    let more = "client_ca = \"branch.pem\"\ntrunk_ca = \"branch.pem\"\nmin_version = \"1.3\"\n\
                [sip.tls.domains.\"Branch.test\"]\ncertificate = \"branch.pem\"\nkey = \"branch.key\"\n\
                [sip.websocket]\norigins = [\"https://phone.test:8443\"]\n\
                [sip.connections]\nmax = 7\nmax_per_address = 3\nmax_handshakes = 2\n\
                handshake_timeout = \"1s\"\nidle_timeout = \"2m\"\n\
                [trunks.carrier]\npeer = \"sips:carrier.test\"\nidentify_by = \"certificate\"\n\
                certificate_names = [\"sbc.carrier.test\"]\n";
    let config = read(folder.path(), &format!("{TLS}{more}")).unwrap();
    let trunk = &config.trunks["carrier"];
    assert_eq!(trunk.certificate_names, ["sbc.carrier.test"]);
    assert_eq!(config.sip.origins, ["https://phone.test:8443"]);
    assert_eq!(config.sip.connections.max_per_address, 3);
    let tls = config.sip.tls.unwrap();
    assert_eq!(tls.client_certificates, ClientCertificates::Optional);
    assert_eq!(tls.client_ca, tls.trunk_ca.unwrap());
    assert!(tls.domains.contains_key("branch.test"));
}

#[test]
fn every_fault_of_a_certificate_has_its_place() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    std::fs::write(folder.path().join("text.pem"), "no certificate").unwrap();
    std::fs::copy(folder.path().join("office.key"), folder.path().join("open.key")).unwrap();
    let open = folder.path().join("open.key");
    std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let cases = [
        ("office.pem", "none.pem", "7:15: the file none.pem cannot be read: No such file"),
        ("office.key", "none.key", "8:7: the file none.key cannot be read: No such file"),
        (
            "office.key",
            "branch.key",
            "8:7: the key branch.key does not match the certificate office.pem",
        ),
        ("office.pem", "text.pem", "7:15: the file text.pem holds no certificate"),
        ("office.key", "text.pem", "8:7: the file text.pem holds no private key"),
        ("office.key", "open.key", "8:7: the key open.key can be read by everyone"),
        ("key = \"office.key\"\n", "", "6:1: sip.tls.key is missing"),
    ];
    let _ = std::fs::set_permissions(
        folder.path().join("text.pem"),
        std::fs::Permissions::from_mode(0o600),
    );
    for (from, to, expected) in cases {
        let faults = read(folder.path(), &TLS.replacen(from, to, 1)).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(expected), "{faults:?}");
    }
}

#[test]
fn what_needs_certificates_is_named() {
    let folder = folder();
    let cases = [
        (
            "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\n".to_owned(),
            "5:30: wss:127.0.0.1:0 has no certificate; expected [sip.tls]",
        ),
        (
            format!("{TLS}[trunks.a]\npeer = \"sip:a.test\"\nidentify_by = \"both\"\n"),
            "11:15: nobody is asked for a certificate; expected client_ca in [sip.tls]",
        ),
        (
            format!("{TLS}client_certificates = \"required\"\n"),
            "9:23: nothing says whose client certificates are good; expected client_ca beside it",
        ),
        (
            "[sip.websocket]\norigins = [\"phone.test\"]\n".to_owned(),
            "5:12: \"phone.test\" is no origin; expected such as \"https://phone.office.example\"",
        ),
        (
            "[trunks.a]\npeer = \"sip:a.test;transport=wss\"\n".to_owned(),
            "5:8: \"sip:a.test;transport=wss\" is no address of a peer: trunks do not speak WebSocket; \
             expected a SIP URI such as \"sip:carrier.example:5060\"",
        ),
    ];
    for (sections, expected) in cases {
        assert_eq!(read(folder.path(), &sections).unwrap_err(), [expected]);
    }
}

#[test]
fn a_trunk_under_tls_without_a_listener_is_warned_of() {
    let folder = folder();
    let trunk = "[trunks.a]\npeer = \"sips:a.test\"\n";
    let config = read(folder.path(), trunk).unwrap();
    assert_eq!(config.warnings(), ["the trunk a needs TLS, but sip.listen has no tls listener"]);
    let config = read(folder.path(), &format!("{TLS}{trunk}")).unwrap();
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn a_certificate_that_ended_is_a_fault_of_the_check_and_one_that_ends_soon_a_warning() {
    let folder = folder();
    let config = read(folder.path(), TLS).unwrap();
    let at = |time| {
        let faults = check_certificates(&config, time);
        let places = faults.iter().map(|fault| (fault.line, fault.column)).collect::<Vec<_>>();
        (places, certificate_warnings(&config, time).len())
    };
    assert_eq!(at(BEGIN + DAY), (vec![], 0));
    assert_eq!(at(END - 20 * DAY), (vec![], 1));
    assert_eq!(at(END + 3 * DAY), (vec![(7, 15)], 1));
    assert_eq!(at(BEGIN - 1), (vec![(7, 15)], 1));
    let found = &check_certificates(&config, END + 3 * DAY)[0].found;
    assert!(found.ends_with("office.pem expired 3 days ago"), "{found}");
}

#[test]
fn a_new_certificate_in_the_same_file_is_a_change_that_a_reload_applies() {
    let (folder, other) = (folder(), folder());
    let old = read(folder.path(), TLS).unwrap();
    for name in ["office.pem", "office.key"] {
        std::fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
    }
    let new = read(folder.path(), TLS).unwrap();
    assert_eq!(crate::diff(&old, &new).applied, ["sip.tls"]);
    assert_eq!(new.clone().over(&old).sip, new.sip);
    let without = read(folder.path(), "").unwrap();
    assert_eq!(without.over(&old).sip.tls, old.sip.tls);
}
