//! The LINE_ messages and their JSON shapes.
//!
//! A message is made for one application: handles and modes in it are that application's.

mod outlet;

pub(crate) use outlet::NotKept;
pub use outlet::Outlet;

use serde_json::{Map, Value, json};

use crate::agent::{self, AgentNotice, AgentRequest};
use crate::constant::{
    AddressState, CallInfoState, CallPrivilege, CallState, Constant as _, DigitMode, GatherTerm,
    GenerateTerm, LineDevState, LineErr, Mask, MediaMode, ProxyRequest, ProxyStatusChange,
};
use crate::model::{AddressId, CallMode, DeviceId};

/// A message to one application.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Message {
    /// An asynchronous function is done; handles and identifiers it returns are `fields`.
    Reply {
        /// What the function answered at first.
        request_id: u32,
        /// What it returns, or why it failed.
        result: Result<Map<String, Value>, LineErr>,
    },
    /// The application has got a handle that it did not ask for.
    AppNewCall {
        /// The open line.
        h_line: u32,
        /// Where the call is.
        address: AddressId,
        /// The new handle.
        h_call: u32,
        /// OWNER or MONITOR.
        privilege: CallPrivilege,
    },
    /// State or mode of a call.
    CallState {
        /// The call.
        h_call: u32,
        /// Exactly one state.
        state: CallState,
        /// Its mode.
        mode: CallMode,
        /// The parent's handle, in CONFERENCED.
        h_conf_call: Option<u32>,
        /// Set with the first message of a handle not asked for, and after a handoff.
        privilege: Option<CallPrivilege>,
    },
    /// Items of LINECALLINFO changed.
    CallInfo {
        /// The call.
        h_call: u32,
        /// Which.
        changes: Mask<CallInfoState>,
    },
    /// The status of an address changed.
    AddressState {
        /// The open line.
        h_line: u32,
        /// The address.
        address: AddressId,
        /// What changed.
        changes: Mask<AddressState>,
    },
    /// The status of a line changed.
    LineDevState {
        /// The open line.
        h_line: u32,
        /// What changed.
        state: LineDevState,
        /// What goes with it.
        detail: LineDetail,
    },
    /// A digit was detected.
    MonitorDigits {
        /// The call.
        h_call: u32,
        /// The digit.
        digit: char,
        /// How it was signalled.
        mode: DigitMode,
    },
    /// A gathering of digits ended.
    GatherDigits {
        /// The call.
        h_call: u32,
        /// What was gathered.
        digits: String,
        /// Why it ended.
        reason: GatherTerm,
    },
    /// A generation of digits or a tone ended.
    Generate {
        /// The call.
        h_call: u32,
        /// Why it ended.
        reason: GenerateTerm,
        /// The application's own mark.
        end_to_end_id: Option<u32>,
    },
    /// A listed tone was detected.
    MonitorTone {
        /// The call.
        h_call: u32,
        /// The tag of the list's entry.
        app_specific: u32,
    },
    /// A change of media was detected.
    MonitorMedia {
        /// The call.
        h_call: u32,
        /// The media.
        media_modes: Mask<MediaMode>,
    },
    /// The call centre tells: LINE_AGENTSTATUSEX and its kin.
    Agent {
        /// The open line.
        h_line: u32,
        /// The call that it is about, where a handler says so and the receiver has it.
        h_call: Option<u32>,
        /// What it says.
        notice: AgentNotice,
    },
    /// The application is asked, as the agent handler of the line.
    ProxyRequest {
        /// The line that it serves.
        h_line: u32,
        /// To be given back with lineProxyResponse.
        proxy_request: u32,
        /// The client's name.
        client: String,
        /// The newest version that the client understands.
        client_version: u32,
        /// What is asked.
        request: Box<AgentRequest>,
    },
    /// A handler serves the line, or does no longer.
    ProxyStatus {
        /// The open line.
        h_line: u32,
        /// What changed.
        change: ProxyStatusChange,
        /// Of which type of requests, with OPEN and CLOSE.
        request: Option<ProxyRequest>,
    },
    /// The line handle and its call handles are void.
    Close {
        /// The open line.
        h_line: u32,
    },
    /// There is a new line device.
    Create {
        /// The device.
        device: DeviceId,
    },
    /// A line device is gone for good.
    Remove {
        /// The device.
        device: DeviceId,
    },
}

/// The second parameter of LINE_LINEDEVSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineDetail {
    /// Nothing.
    #[default]
    None,
    /// RINGING: ring mode, and the count of ring cycles from 0.
    Ring {
        /// 1 … dwRingModes.
        mode: u32,
        /// Rising by one with every ring cycle.
        count: u32,
    },
    /// COMPLCANCEL: the completion request.
    Completion(u32),
}

impl Message {
    /// The name of the notification.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Reply { .. } => "LINE_REPLY",
            Self::AppNewCall { .. } => "LINE_APPNEWCALL",
            Self::CallState { .. } => "LINE_CALLSTATE",
            Self::CallInfo { .. } => "LINE_CALLINFO",
            Self::AddressState { .. } => "LINE_ADDRESSSTATE",
            Self::LineDevState { .. } => "LINE_LINEDEVSTATE",
            Self::MonitorDigits { .. } => "LINE_MONITORDIGITS",
            Self::GatherDigits { .. } => "LINE_GATHERDIGITS",
            Self::Generate { .. } => "LINE_GENERATE",
            Self::MonitorTone { .. } => "LINE_MONITORTONE",
            Self::MonitorMedia { .. } => "LINE_MONITORMEDIA",
            Self::Agent { notice, .. } => match notice {
                AgentNotice::Address { .. } => "LINE_AGENTSTATUS",
                AgentNotice::Agent { .. } => "LINE_AGENTSTATUSEX",
                AgentNotice::Session { .. } => "LINE_AGENTSESSIONSTATUS",
                AgentNotice::Queue { .. } => "LINE_QUEUESTATUS",
                AgentNotice::Group { .. } => "LINE_GROUPSTATUS",
                AgentNotice::Specific { .. } => "LINE_AGENTSPECIFIC",
            },
            Self::ProxyRequest { .. } => "LINE_PROXYREQUEST",
            Self::ProxyStatus { .. } => "LINE_PROXYSTATUS",
            Self::Close { .. } => "LINE_CLOSE",
            Self::Create { .. } => "LINE_CREATE",
            Self::Remove { .. } => "LINE_REMOVE",
        }
    }

    /// The notification as it travels.
    pub fn write(&self, seq: u64) -> String {
        let mut params = self.params();
        params.insert("seq".to_owned(), seq.into());
        json!({ "jsonrpc": "2.0", "method": self.method(), "params": params }).to_string()
    }

    /// The notification's parameters, without its number.
    pub(crate) fn params(&self) -> Map<String, Value> {
        let value = match self {
            Self::Reply { request_id, result: Ok(fields) } => return reply(*request_id, fields),
            Self::Reply { request_id, result: Err(error) } => {
                json!({ "requestId": request_id, "result": error.name() })
            }
            Self::AppNewCall { h_line, address, h_call, privilege } => json!({
                "hLine": h_line,
                "addressId": address.0,
                "hCall": h_call,
                "privilege": privilege,
            }),
            Self::CallState { h_call, state, mode, h_conf_call, privilege } => {
                let mut value = json!({ "hCall": h_call, "callState": state });
                if let Some(mode) = mode.name() {
                    value["mode"] = mode.into();
                }
                if let Some(parent) = h_conf_call {
                    value["hConfCall"] = (*parent).into();
                }
                if let Some(privilege) = privilege {
                    value["privilege"] = privilege.name().into();
                }
                value
            }
            Self::CallInfo { h_call, changes } => {
                json!({ "hCall": h_call, "callInfoState": changes })
            }
            Self::AddressState { h_line, address, changes } => {
                json!({ "hLine": h_line, "addressId": address.0, "addressState": changes })
            }
            Self::LineDevState { h_line, state, detail } => {
                let mut value = json!({ "hLine": h_line, "lineDevState": state });
                match detail {
                    LineDetail::None => {}
                    LineDetail::Ring { mode, count } => {
                        value["detail"] = (*count).into();
                        value["ringMode"] = (*mode).into();
                        value["ringCount"] = (*count).into();
                    }
                    LineDetail::Completion(id) => value["completionId"] = (*id).into(),
                }
                value
            }
            Self::MonitorDigits { h_call, digit, mode } => {
                json!({ "hCall": h_call, "digit": digit.to_string(), "digitMode": mode })
            }
            Self::GatherDigits { h_call, digits, reason } => {
                json!({ "hCall": h_call, "digits": digits, "reason": reason })
            }
            Self::Generate { h_call, reason, end_to_end_id } => {
                let mut value = json!({ "hCall": h_call, "reason": reason });
                if let Some(id) = end_to_end_id {
                    value["endToEndId"] = (*id).into();
                }
                value
            }
            Self::MonitorTone { h_call, app_specific } => {
                json!({ "hCall": h_call, "appSpecific": app_specific })
            }
            Self::MonitorMedia { h_call, media_modes } => {
                json!({ "hCall": h_call, "mediaModes": media_modes })
            }
            Self::Agent { .. } | Self::ProxyRequest { .. } | Self::ProxyStatus { .. } => {
                return self.agent_params();
            }
            Self::Close { h_line } => json!({ "hLine": h_line }),
            Self::Create { device } | Self::Remove { device } => json!({ "deviceId": device.0 }),
        };
        match value {
            Value::Object(params) => params,
            _ => Map::new(),
        }
    }

    /// The parameters of a message of the call centre.
    fn agent_params(&self) -> Map<String, Value> {
        let mut params = Map::new();
        let mut put = |name: &str, value: Value| params.insert(name.to_owned(), value);
        let more = match self {
            Self::Agent { h_line, h_call, notice } => {
                put("hLine", (*h_line).into());
                if let Some(h_call) = h_call {
                    put("hCall", (*h_call).into());
                }
                agent::notice_params(notice)
            }
            Self::ProxyRequest { h_line, proxy_request, client, client_version, request } => {
                put("hLine", (*h_line).into());
                put("proxyRequest", (*proxy_request).into());
                put("requestType", request.kind().name().into());
                // Applications come by WebSocket: there is no telling which machine they run on.
                put("clientMachineName", "".into());
                put("clientUserName", client.clone().into());
                put("clientAppApiVersion", (*client_version).into());
                agent::request_arm(request)
            }
            Self::ProxyStatus { h_line, change, request } => {
                put("hLine", (*h_line).into());
                put("proxyStatus", json!(Mask::from(*change)));
                if let Some(request) = request {
                    put("requestType", request.name().into());
                }
                Map::new()
            }
            _ => Map::new(),
        };
        params.extend(more);
        params
    }
}

/// What a successful function ends with: in LINE_REPLY, or in the response of a waiting caller.
pub(crate) fn reply(request_id: u32, fields: &Map<String, Value>) -> Map<String, Value> {
    let mut params = fields.clone();
    params.insert("requestId".to_owned(), request_id.into());
    params.insert("result".to_owned(), 0.into());
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant::{ConnectedMode, DisconnectMode};

    #[test]
    fn messages_have_the_documented_fields() {
        let state = |state, mode, privilege| Message::CallState {
            h_call: 3,
            state,
            mode,
            h_conf_call: None,
            privilege,
        };
        let offered =
            state(CallState::Unknown, CallMode::None, Some(CallPrivilege::Monitor)).write(1);
        let gone =
            state(CallState::Disconnected, CallMode::Disconnected(DisconnectMode::Normal), None);
        let held = Message::LineDevState {
            h_line: 2,
            state: LineDevState::ComplCancel,
            detail: LineDetail::Completion(7),
        };
        for (text, expected) in [
            (
                offered,
                json!({"method": "LINE_CALLSTATE", "params": {"seq": 1, "hCall": 3,
                    "callState": "LINECALLSTATE_UNKNOWN",
                    "privilege": "LINECALLPRIVILEGE_MONITOR"}}),
            ),
            (
                gone.write(2),
                json!({"method": "LINE_CALLSTATE", "params": {"seq": 2, "hCall": 3,
                    "callState": "LINECALLSTATE_DISCONNECTED",
                    "mode": "LINEDISCONNECTMODE_NORMAL"}}),
            ),
            (
                held.write(3),
                json!({"method": "LINE_LINEDEVSTATE", "params": {"seq": 3, "hLine": 2,
                    "lineDevState": "LINEDEVSTATE_COMPLCANCEL", "completionId": 7}}),
            ),
            (
                Message::Reply { request_id: 9, result: Err(LineErr::InUse) }.write(4),
                json!({"method": "LINE_REPLY", "params": {"seq": 4, "requestId": 9,
                    "result": "LINEERR_INUSE"}}),
            ),
        ] {
            let mut expected = expected;
            expected["jsonrpc"] = "2.0".into();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        }
        let joined = CallMode::Connected(ConnectedMode::Active);
        assert_eq!(
            state(CallState::Connected, joined, None).params()["mode"],
            "LINECONNECTEDMODE_ACTIVE"
        );
    }
}
