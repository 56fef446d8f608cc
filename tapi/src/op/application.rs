//! Start, end and standing of an application.

use serde_json::{Value, json};

use crate::constant::{LineErr, MediaMode};
use crate::model::{API_1_3, API_2_2};
use crate::server::{Fault, Server};

use super::{Asked, Caller, Outcome, Params};

/// Characters of an application's name.
const MAX_NAME: usize = 256;

/// lineInitializeEx: begins an application, or with `instance` takes one up again.
pub(super) fn initialize(
    server: &mut Server,
    caller: Caller,
    params: &Params<'_>,
) -> Result<Outcome, Fault> {
    if caller.application.is_some() {
        let detail = "This connection has an application already.";
        return Err(Fault::line(LineErr::OperationFailed, detail));
    }
    let version = params.opt_version("apiVersion")?;
    let (asked_version, is_text) = version.unwrap_or((API_2_2, false));
    let id = match params.opt_text("instance", LineErr::InvalAppHandle)? {
        Some(instance) => {
            let after = match params.get("after") {
                None => 0,
                Some(Value::Number(number)) => number.as_u64().ok_or_else(|| {
                    Fault::line(LineErr::InvalParam, "Parameter after is no sequence number.")
                })?,
                Some(_) => {
                    return Err(Fault::Params("Parameter after must be a number.".to_owned()));
                }
            };
            server.resume_application(caller.connection, instance, after)?
        }
        None => {
            let name = params.opt_text("appName", LineErr::InvalAppName)?.unwrap_or_default();
            if name.is_empty() || name.chars().count() > MAX_NAME {
                let detail = "An application has a name of 1 to 256 characters.";
                return Err(Fault::line(LineErr::InvalAppName, detail));
            }
            let friendly = params.opt_text("friendlyAppName", LineErr::InvalAppName)?;
            let version = negotiated(API_1_3, asked_version)?;
            let friendly = friendly.map(str::to_owned);
            server.start_application(caller.connection, name.to_owned(), friendly, version)?
        }
    };
    let app = server.applications.get(&id);
    let version = app.map_or(API_2_2, |app| app.api_version);
    let window = server.config.resume_window;
    let seconds: Value = if window.subsec_nanos() == 0 {
        window.as_secs().into()
    } else {
        window.as_secs_f64().into()
    };
    Ok(Outcome::object(json!({
        "numDevs": server.lines.len(),
        "apiVersion": shown_version(version, is_text),
        "instance": app.map_or("", |app| &app.instance),
        "resumeWindow": seconds,
    })))
}

/// lineShutdown: ends the application; the connection may begin another.
pub(super) fn shutdown(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.end_application(asked.application);
    Ok(Outcome::nothing())
}

/// lineNegotiateAPIVersion: the highest version that both sides speak.
pub(super) fn negotiate(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.device(asked)?;
    let low = asked.params.opt_version("apiLowVersion")?;
    let high = asked.params.opt_version("apiHighVersion")?;
    let (Some((low, is_text)), Some((high, _))) = (low, high) else {
        let detail = "Parameters apiLowVersion and apiHighVersion are needed.".to_owned();
        return Err(Fault::Params(detail));
    };
    let version = negotiated(low, high)?;
    Ok(Outcome::object(json!({ "apiVersion": shown_version(version, is_text) })))
}

/// lineSetAppPriority: priority 1 makes the application first for a media mode, 0 takes it out
/// of the list.
pub(super) fn set_app_priority(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (name, mode) = listed(asked)?;
    let priority = asked.params.number("priority", LineErr::InvalParam)?;
    if priority > 1 {
        let detail = "The priority is 1 for the highest or 0 for none.";
        return Err(Fault::line(LineErr::InvalParam, detail));
    }
    server.priorities.set(mode, name, priority == 1);
    Ok(Outcome::nothing())
}

/// lineGetAppPriority: the place of an application from 1, or 0.
pub(super) fn app_priority(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (name, mode) = listed(asked)?;
    Ok(Outcome::object(json!({ "priority": server.priorities.place(mode, name) })))
}

fn listed<'a>(asked: Asked<'a>) -> Result<(&'a str, MediaMode), Fault> {
    let name = asked.params.opt_text("appName", LineErr::InvalAppName)?.unwrap_or_default();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        let detail = "An application has a name of 1 to 256 characters.";
        return Err(Fault::line(LineErr::InvalAppName, detail));
    }
    let mode = asked.params.constant::<MediaMode>("mediaMode", LineErr::InvalMediaMode)?;
    Ok((name, mode))
}

/// The highest version between two that is spoken here.
pub(super) fn negotiated(low: u32, high: u32) -> Result<u32, Fault> {
    let version = high.min(API_2_2);
    if low > API_2_2 || version < API_1_3 || version < low {
        let detail = "API versions 1.3 to 2.2 are spoken.";
        return Err(Fault::line(LineErr::IncompatibleApiVersion, detail));
    }
    Ok(version)
}

/// A version in the form in which it was asked.
fn shown_version(version: u32, is_text: bool) -> Value {
    if is_text { format!("{}.{}", version >> 16, version & 0xFFFF).into() } else { version.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        assert_eq!(negotiated(API_1_3, 0x0003_0001), Ok(API_2_2));
        assert_eq!(negotiated(API_1_3, 0x0002_0000), Ok(0x0002_0000));
        assert!(negotiated(0x0003_0000, 0x0003_0001).is_err());
        assert!(negotiated(0x0001_0000, 0x0001_0002).is_err());
        assert!(negotiated(0x0002_0001, 0x0002_0000).is_err());
    }
}
