//! The HTTP client of the client commands, and where they find the switch.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use config::{Config, Scope};
use serde_json::Value;

use super::{CliError, Connection, find_config};

/// Where a switch is looked for when nothing says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The environment variable that holds a token.
const TOKEN_VARIABLE: &str = "STROWGER_TOKEN";
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running switch's control interface.
pub(super) struct Client {
    url: String,
    token: String,
}

impl Client {
    /// Finds address and token as the options, the environment and the configuration say.
    pub(super) fn find(connection: &Connection) -> Result<Self, CliError> {
        let variable = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        let is_complete =
            connection.url.is_some() && (connection.token.is_some() || variable.is_some());
        let config = match find_config(connection.config.as_ref()) {
            // A file that was not named is only a fall-back: where nothing is taken from it, its
            // faults do not matter.
            Some(path) if connection.config.is_some() || !is_complete => {
                Some(config::load(&path).map_err(CliError::Configuration)?)
            }
            _ => None,
        };
        let url = match (&connection.url, &config) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(config)) => format!("http://{}", reachable(config.api.listen)),
            (None, None) => DEFAULT_URL.to_owned(),
        };
        if !url.starts_with("http://") || url.len() == "http://".len() {
            return Err(CliError::Url(url));
        }
        let token = connection
            .token
            .clone()
            .or(variable)
            .or_else(|| config.as_ref().and_then(admin_token))
            .ok_or(CliError::NoToken)?;
        Ok(Self { url, token })
    }

    /// The switch that runs with this configuration, if it has an admin token.
    pub(super) fn of_config(config: &Config) -> Option<Self> {
        let url = format!("http://{}", reachable(config.api.listen));
        Some(Self { url, token: admin_token(config)? })
    }

    /// Where the switch is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The address of `/tapi`.
    pub(super) fn tapi_url(&self) -> String {
        format!("ws{}/tapi", self.url.trim_start_matches("http"))
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// The rows of a collection.
    pub(super) fn rows(&self, collection: &str) -> Result<Vec<Value>, CliError> {
        match self.get(collection)? {
            Value::Object(mut answer) => match answer.remove("items") {
                Some(Value::Array(rows)) => Ok(rows),
                _ => Err(self.not_understood()),
            },
            _ => Err(self.not_understood()),
        }
    }

    /// `POST` without a body.
    pub(super) fn post(&self, path: &str) -> Result<Value, CliError> {
        let request = agent(Some(PATIENCE))
            .post(format!("{}/api/v1/{path}", self.url))
            .header("authorization", self.authorization());
        self.read(request.send_empty())
    }

    /// `POST` with a JSON body.
    pub(super) fn post_json(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let request = agent(Some(PATIENCE))
            .post(format!("{}/api/v1/{path}", self.url))
            .header("authorization", self.authorization())
            .header("content-type", "application/json");
        self.read(request.send(body.to_string()))
    }

    /// `DELETE`.
    pub(super) fn delete(&self, path: &str) -> Result<Value, CliError> {
        let request = agent(Some(PATIENCE))
            .delete(format!("{}/api/v1/{path}", self.url))
            .header("authorization", self.authorization());
        self.read(request.call())
    }

    /// The body of a `GET` that does not end, as a reader.
    pub(super) fn stream(&self, path: &str) -> Result<impl Read + use<>, CliError> {
        let request = agent(None)
            .get(format!("{}/api/v1/{path}", self.url))
            .header("authorization", self.authorization())
            .header("accept", "text/event-stream");
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            Ok(response.into_body().into_reader())
        } else {
            Err(self.refusal(response))
        }
    }

    /// What `/readyz` answers while calls are taken.
    pub(super) fn ready(&self) -> Result<Value, CliError> {
        self.read(agent(Some(PATIENCE)).get(format!("{}/readyz", self.url)).call())
    }

    fn get(&self, collection: &str) -> Result<Value, CliError> {
        let request = agent(Some(PATIENCE))
            .get(format!("{}/api/v1/{collection}", self.url))
            .header("authorization", self.authorization());
        self.read(request.call())
    }

    fn read(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, CliError> {
        let mut response = response.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        serde_json::from_str(&text).map_err(|_| self.not_understood())
    }

    fn refusal(&self, mut response: ureq::http::Response<ureq::Body>) -> CliError {
        let status = response.status();
        let document: Option<Value> = response
            .body_mut()
            .read_to_string()
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok());
        let detail = document.as_ref().and_then(|document| document["detail"].as_str());
        let mut sentence = match (status.as_u16(), detail) {
            (401, _) => {
                return CliError::Refused(format!(
                    "The switch at {} does not know this token; see --token.",
                    self.url
                ));
            }
            (_, Some(detail)) => detail.to_owned(),
            (_, None) => return self.not_understood(),
        };
        let faults = document.as_ref().and_then(|document| document["faults"].as_array());
        for fault in faults.into_iter().flatten().filter_map(Value::as_str) {
            sentence.push('\n');
            sentence.push_str(fault);
        }
        CliError::Refused(sentence)
    }

    fn unreachable(&self, error: &ureq::Error) -> CliError {
        let reason = match error {
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        CliError::Unreachable { url: self.url.clone(), reason }
    }

    fn not_understood(&self) -> CliError {
        CliError::NotUnderstood(self.url.clone())
    }
}

fn agent(patience: Option<Duration>) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_global(patience)
        .build()
        .into()
}

/// The address under which a listener of this machine answers.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn admin_token(config: &Config) -> Option<String> {
    config
        .api
        .tokens
        .iter()
        .find(|token| token.scopes.contains(&Scope::Admin))
        .map(|token| token.secret.expose().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: Option<&str>, token: Option<&str>) -> Connection {
        Connection { url: url.map(str::to_owned), token: token.map(str::to_owned), config: None }
    }

    #[test]
    fn options_decide() {
        let client = Client::find(&connection(Some("http://[::1]:9/"), Some("x"))).unwrap();
        assert_eq!(client.url(), "http://[::1]:9");
        assert_eq!(client.tapi_url(), "ws://[::1]:9/tapi");
        assert_eq!(client.authorization(), "Bearer x");
    }

    #[test]
    fn another_scheme_is_wrong_usage() {
        let error = Client::find(&connection(Some("office:8080"), Some("x"))).err().unwrap();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_wildcard_listener_is_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()).to_string(), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
        assert_eq!(reachable("192.0.2.1:1".parse().unwrap()).to_string(), "192.0.2.1:1");
    }

    #[test]
    fn a_switch_that_is_not_there_is_one_sentence_with_advice() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::find(&connection(Some(&url), Some("x"))).unwrap();
        let sentence = client.rows("lines").unwrap_err().to_string();
        assert!(sentence.contains(&url) && sentence.contains("strowger run"), "{sentence}");
        assert_eq!(sentence.lines().count(), 1);
    }
}
