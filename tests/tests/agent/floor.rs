//! A call centre with two queues, two groups and two agents, and an application that runs it: it asks,
//! and reads what the call centre says, written short.

use std::collections::HashMap;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::program::{Application, LivePhone, Program, office};
use tests::row::{Row, hear_each_other};

/// The lines that the application has open. Its requests go by that of jane unless they say another.
const LINES: [&str; 3] = ["201", "204", "205"];

/// The office: support (600) is served by helpdesk, orders (601) by sales and then helpdesk; jane (204)
/// is of both groups, omar (205) of helpdesk only.
pub fn centre(text: &str, settings: &str) -> String {
    let rest = "wrap_up = \"10s\"\nmax_wait = \"300s\"\non_max_wait = \"206\"\n";
    let text = text
        .replace(rest, "")
        .replace("[queues.support]\n", &format!("[queues.support]\n{settings}\n"))
        .replace("[\"helpdesk\"]\nline = \"204\"", "[\"helpdesk\", \"sales\"]\nline = \"204\"");
    let text = match settings.contains("strategy") {
        true => text.replace("strategy = \"longest-idle\"\n", ""),
        false => text,
    };
    let more = "[queues.orders]\nnumber = \"601\"\ngroups = [\"sales\", \"helpdesk\"]\n\
                [agent_groups.sales]\nname = \"Sales\"\n\
                [call_centre]\nactivities = [\"Mail\", \"Lunch\"]\n";
    format!("{text}\n{more}")
}

/// The call centre and who looks at it.
pub struct Floor {
    pub row: Row,
    pub app: Application,
    lines: HashMap<String, u64>,
    agents: HashMap<u64, String>,
    sessions: HashMap<u64, String>,
    queues: HashMap<u64, String>,
    /// Whether the older view of addresses is read too.
    pub hears_addresses: bool,
}

impl Floor {
    /// The office with other settings of queue 600; `row` follows the calls of these lines.
    pub fn with(settings: &str, lines: &[&str]) -> Floor {
        Floor::of(Row::with(Program::with(office(|text| centre(&text, settings))), lines))
    }

    /// Of an office that runs.
    pub fn of(mut row: Row) -> Floor {
        row.app.ignore_agents();
        let mut app = row.program.application("floor");
        let open = |line: &str| (line.to_owned(), app.open_for(line, &["NONE"]));
        let lines = LINES.into_iter().map(open).collect();
        let (agents, sessions, queues) = Default::default();
        let mut floor = Floor { row, app, lines, agents, sessions, queues, hears_addresses: false };
        for group in ["Help desk", "Sales"] {
            for queue in floor.queues_of(group) {
                let id = queue["queueId"].as_u64().unwrap();
                floor.queues.insert(id, queue["name"].as_str().unwrap().to_owned());
            }
        }
        floor
    }

    /// With three phones and jane logged in for helpdesk, READY; told so far was what that says.
    pub fn at_work(settings: &str, lines: &[&str]) -> (Floor, [LivePhone; 3], u64, u64) {
        let mut floor = Floor::with(settings, lines);
        let phones = floor.row.phones(["201", "204", "205"]);
        let (jane, session) = floor.jane();
        floor.set(session, "READY");
        floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
        (floor, phones, jane, session)
    }

    pub fn line(&self, line: &str) -> u64 {
        self.lines[line]
    }

    fn complete(&self, mut params: Value) -> Value {
        if params.get("deviceId").is_none() && params.get("hLine").is_none() {
            params["hLine"] = self.line("204").into();
        }
        params["wait"] = true.into();
        params
    }

    /// A function that must succeed; what it answers.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let params = self.complete(params);
        let answer = self.app.call(method, params.clone());
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"));
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("requestId");
            if let Some(result) = fields.remove("result") {
                assert_eq!(result, 0, "{method}");
            }
        }
        answer
    }

    /// A function that must fail; with which LINEERR_.
    pub fn refused(&mut self, method: &str, params: Value) -> String {
        let params = self.complete(params);
        self.app.refusal(method, params)
    }

    /// lineCreateAgent at an agent's own line.
    pub fn agent(&mut self, name: &str, pin: &str, line: &str) -> u64 {
        let h_line = self.line(line);
        let wish = json!({"hLine": h_line, "agentId": name, "agentPin": pin});
        let agent = self.ask("lineCreateAgent", wish)["hAgent"].as_u64().unwrap();
        self.agents.insert(agent, name.to_owned());
        agent
    }

    /// lineCreateAgentSession; what the session is called from now on.
    pub fn session(&mut self, agent: u64, group: &str, line: &str, name: &str) -> u64 {
        let (h_line, group) = (self.line(line), self.group(group));
        let wish = json!({"hLine": h_line, "hAgent": agent, "agentPin": null,
            "workingAddressId": 0, "groupId": group});
        let session = self.ask("lineCreateAgentSession", wish)["hAgentSession"].as_u64().unwrap();
        self.sessions.insert(session, name.to_owned());
        session
    }

    /// Jane at 204 with a session for helpdesk, NOTREADY.
    pub fn jane(&mut self) -> (u64, u64) {
        let jane = self.agent("jane", "4711", "204");
        let session = self.session(jane, "Help desk", "204", "jane");
        self.said(&["AGENT jane NEWAGENT", "SESSION jane NEWSESSION"]);
        (jane, session)
    }

    /// The same where the older view is read too.
    pub fn jane_with_address(&mut self) -> (u64, u64) {
        let jane = self.agent("jane", "4711", "204");
        let session = self.session(jane, "Help desk", "204", "jane");
        self.said(&[
            "AGENT jane NEWAGENT",
            "SESSION jane NEWSESSION",
            "ADDRESS 204 GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY",
        ]);
        (jane, session)
    }

    /// Omar at 205 with a session for helpdesk, NOTREADY.
    pub fn omar(&mut self) -> (u64, u64) {
        let omar = self.agent("omar", "4712", "205");
        let session = self.session(omar, "Help desk", "205", "omar");
        self.said(&["AGENT omar NEWAGENT", "SESSION omar NEWSESSION"]);
        (omar, session)
    }

    /// The GUID of a group by its name.
    pub fn group(&mut self, name: &str) -> String {
        let groups = self.ask("lineGetGroupList", json!({}))["groups"].clone();
        let group = groups.as_array().unwrap().iter().find(|group| group["name"] == name);
        group.unwrap_or_else(|| panic!("{name} in {groups}"))["groupId"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// lineGetQueueList of a group by its name.
    pub fn queues_of(&mut self, group: &str) -> Vec<Value> {
        let group = self.group(group);
        let list = self.ask("lineGetQueueList", json!({"groupId": group}));
        list["queues"].as_array().unwrap().clone()
    }

    /// The identifier of a queue by its name.
    pub fn queue(&self, name: &str) -> u64 {
        let found = self.queues.iter().find(|(_, known)| *known == name);
        *found.unwrap_or_else(|| panic!("{name} in {:?}", self.queues)).0
    }

    /// lineGetQueueInfo.
    pub fn queue_info(&mut self, name: &str) -> Value {
        let queue = self.queue(name);
        self.ask("lineGetQueueInfo", json!({"queueId": queue}))
    }

    /// lineGetAgentInfo.
    pub fn agent_info(&mut self, agent: u64) -> Value {
        self.ask("lineGetAgentInfo", json!({"hAgent": agent}))
    }

    /// lineGetAgentSessionInfo.
    pub fn session_info(&mut self, session: u64) -> Value {
        self.ask("lineGetAgentSessionInfo", json!({"hAgentSession": session}))
    }

    /// State and next state of a session: `READY`, `BUSYONCALL then ENDED`.
    pub fn state(&mut self, session: u64) -> String {
        let info = self.session_info(session);
        written(&info["agentSessionState"], &info["nextAgentSessionState"])
    }

    /// State and next state of an agent.
    pub fn agent_state(&mut self, agent: u64) -> String {
        let info = self.agent_info(agent);
        written(&info["agentState"], &info["nextAgentState"])
    }

    /// State and next state of an address.
    pub fn address_state(&mut self, line: &str) -> String {
        let h_line = self.line(line);
        let status = self.ask("lineGetAgentStatus", json!({"hLine": h_line, "addressId": 0}));
        written(&status["state"], &status["nextState"])
    }

    /// lineSetAgentSessionState.
    pub fn set(&mut self, session: u64, state: &str) {
        let wish = session_wish(session, state, "");
        assert_eq!(self.ask("lineSetAgentSessionState", wish), json!({}));
    }

    /// lineSetAgentSessionState of the next state only.
    pub fn set_next(&mut self, session: u64, next: &str) {
        let wish = session_wish(session, "", next);
        assert_eq!(self.ask("lineSetAgentSessionState", wish), json!({}));
    }

    /// lineSetAgentSessionState that is refused.
    pub fn set_refused(&mut self, session: u64, state: &str) -> String {
        self.refused("lineSetAgentSessionState", session_wish(session, state, ""))
    }

    /// lineSetAgentStateEx.
    pub fn set_agent(&mut self, agent: u64, state: &str, next: &str) {
        let wish = agent_wish(agent, state, next);
        assert_eq!(self.ask("lineSetAgentStateEx", wish), json!({}));
    }

    /// lineSetAgentState.
    pub fn set_address(&mut self, line: &str, state: &str, next: &str) {
        let wish = self.address_wish(line, state, next);
        assert_eq!(self.ask("lineSetAgentState", wish), json!({}));
    }

    /// The parameters of lineSetAgentState.
    pub fn address_wish(&self, line: &str, state: &str, next: &str) -> Value {
        let name = |word: &str| name("LINEAGENTSTATE", word);
        json!({"hLine": self.line(line), "addressId": 0, "agentState": name(state),
            "nextAgentState": name(next)})
    }

    /// The next messages of the call centre are these. That books changed (UPDATEINFO alone) comes at
    /// most once a second, so it may come anywhere; it is read only where it is waited for.
    pub fn said(&mut self, wanted: &[&str]) {
        let mut said: Vec<String> = Vec::new();
        for one in wanted {
            loop {
                let message = self.app.next(&format!("{one} of {wanted:?} after {said:?}"));
                let Some(short) = self.brief(&message) else { continue };
                if short != *one && short.ends_with(" UPDATEINFO") {
                    continue;
                }
                said.push(short.clone());
                assert_eq!(&short, one, "of {wanted:#?} said was {said:#?}");
                break;
            }
        }
    }

    /// Nothing was said, but for books, until now.
    pub fn said_nothing(&mut self) {
        let h_line = self.line("204");
        let request = self.app.call("lineGetGroupList", json!({"hLine": h_line})).unwrap();
        loop {
            let message = self.app.next("the reply");
            if message["method"] == "LINE_REPLY" {
                assert_eq!(message["params"]["requestId"], request["requestId"]);
                return;
            }
            let short = self.brief(&message).filter(|short| !short.ends_with(" UPDATEINFO"));
            assert_eq!(short, None);
        }
    }

    /// Waits until that is said.
    pub fn hears(&mut self, wanted: &str) {
        loop {
            let message = self.app.next(wanted);
            if self.brief(&message).as_deref() == Some(wanted) {
                return;
            }
        }
    }

    fn brief(&self, message: &Value) -> Option<String> {
        let params = &message["params"];
        let called = |names: &HashMap<u64, String>, field: &str| {
            let handle = params[field].as_u64().unwrap_or_else(|| panic!("{field} in {message}"));
            names.get(&handle).cloned().unwrap_or_else(|| handle.to_string())
        };
        let (what, changed) = match message["method"].as_str()? {
            "LINE_AGENTSESSIONSTATUS" => (
                format!("SESSION {}", called(&self.sessions, "hAgentSession")),
                "agentSessionStatus",
            ),
            "LINE_AGENTSTATUSEX" => {
                (format!("AGENT {}", called(&self.agents, "hAgent")), "agentStatus")
            }
            "LINE_AGENTSTATUS" if self.hears_addresses => {
                assert_eq!(params["addressId"], 0);
                let h_line = params["hLine"].as_u64()?;
                let line = self.lines.iter().find(|(_, handle)| **handle == h_line)?.0;
                (format!("ADDRESS {line}"), "agentStatus")
            }
            "LINE_QUEUESTATUS" => {
                (format!("QUEUE {}", called(&self.queues, "queueId")), "queueStatus")
            }
            "LINE_GROUPSTATUS" => ("GROUP".to_owned(), "groupStatus"),
            _ => return None,
        };
        let state = ["agentState", "agentSessionState"].map(|field| short(&params[field])).concat();
        let has_state = params[changed].as_array()?.iter().any(|bit| short(bit) == "STATE");
        assert_eq!(has_state, !state.is_empty(), "{message}");
        Some(format!("{what} {} {state}", short(&params[changed])).trim_end().to_owned())
    }

    /// A phone calls queue 600 and jane answers; all that is said of it.
    pub fn serve(&mut self, a: &LivePhone, jane: &LivePhone) -> (LegId, LegId) {
        let near = a.call("600");
        let far = jane.incoming();
        jane.answer(far);
        a.connected(near);
        jane.connected(far);
        self.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
        hear_each_other(a, jane);
        (near, far)
    }

    /// The files of the program with another configuration, from now on.
    pub fn reload(&mut self, edit: impl FnOnce(String) -> String) {
        let program = &self.row.program;
        let text = std::fs::read_to_string(&program.config).expect("the configuration");
        std::fs::write(&program.config, edit(text)).expect("the configuration is written");
        let (status, answer) = program.post("/api/v1/reload", &json!({}));
        assert_eq!((status, &answer["reloaded"]), (200, &json!(true)), "{answer}");
    }
}

/// The parameters of lineSetAgentSessionState.
pub fn session_wish(session: u64, state: &str, next: &str) -> Value {
    let name = |word: &str| name("LINEAGENTSESSIONSTATE", word);
    json!({"hAgentSession": session, "agentSessionState": name(state),
        "nextAgentSessionState": name(next)})
}

/// The parameters of lineSetAgentStateEx.
pub fn agent_wish(agent: u64, state: &str, next: &str) -> Value {
    let name = |word: &str| name("LINEAGENTSTATEEX", word);
    json!({"hAgent": agent, "agentState": name(state), "nextAgentState": name(next)})
}

/// The name of a constant, or 0 for none.
fn name(family: &str, word: &str) -> Value {
    match word {
        "" => json!(0),
        word => json!(format!("{family}_{word}")),
    }
}

/// The field names of a structure, sorted.
pub fn fields(structure: &Value) -> String {
    let mut names: Vec<&str> = structure.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

fn written(state: &Value, next: &Value) -> String {
    match next == &json!(0) {
        true => short(state),
        false => format!("{} then {}", short(state), short(next)),
    }
}

/// `LINEAGENTSTATE_READY` as `READY`, sets with `|`.
pub fn short(value: &Value) -> String {
    match value {
        Value::String(text) => {
            text.split_once('_').map_or(text.as_str(), |(_, word)| word).to_owned()
        }
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join("|"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
