//! `/openapi.json` and `/docs`: the HTTP interface described for programs and for people.

use axum::Json;
use axum::response::Html;
use serde_json::{Map, Value, json};

/// What every POST may be answered because it may carry a key, by the names of the shared answers.
const ANSWERS_TO_POST: [(&str, &str); 5] = [
    ("400", "Malformed"),
    ("409", "NotNow"),
    ("422", "NotAcceptable"),
    ("429", "TooOften"),
    ("504", "OutcomeUnknown"),
];
/// Answers that no key is kept with.
const NEVER_REPLAYED: [&str; 2] = ["401", "503"];

/// `GET /openapi.json`.
pub(super) async fn description() -> Json<Value> {
    Json(document())
}

/// `GET /docs`: a page without foreign parts that shows `/openapi.json`.
pub(super) async fn page() -> Html<&'static str> {
    Html(include_str!("docs.html"))
}

/// The OpenAPI 3.1 document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Strowger",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP interface of the Strowger SIP softswitch. \
                TAPI itself is spoken over the WebSocket /tapi (subprotocol tapi.v1).",
        },
        "security": [{ "token": [] }],
        "paths": paths(),
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
            "parameters": { "IdempotencyKey": {
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "Stands for this very request of this token for a day: when it comes again with the \
                    key, the first answer is given once more and nothing is done a second time. A UUID for instance.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" },
            } },
            "headers": { "IdempotencyReplayed": {
                "description": "This answer was given before, to the first request with this Idempotency-Key.",
                "schema": { "const": "true" },
            } },
            "responses": shared_answers(),
        },
    })
}

/// What [`ANSWERS_TO_POST`] names.
fn shared_answers() -> Value {
    json!({
        "Malformed": replayed(problem_that("Refused: the body, the path or the Idempotency-Key is malformed.")),
        "NotNow": replayed(problem_that(
            "Refused: the state of what it is about does not allow it, or the first request with this \
             Idempotency-Key is still being carried out.",
        )),
        "NotAcceptable": replayed(problem_that(
            "Refused: this Idempotency-Key was used for another request; or the configuration to be loaded has faults.",
        )),
        "TooOften": problem_that("Refused: this token asks too often. Nothing was done."),
        "OutcomeUnknown": replayed(problem_that(
            "The switch took the request and has not said in time what came of it: it may have been carried out. \
             Look before you repeat it; a POST with the same Idempotency-Key gets this answer again.",
        )),
    })
}

fn paths() -> Value {
    let parts = [line_paths(), call_paths(), centre_paths(), table_paths(), service_paths()];
    let paths = parts.into_iter().filter_map(|part| match part {
        Value::Object(part) => Some(part),
        _ => None,
    });
    let mut paths: Map<String, Value> = paths.flatten().collect();
    paths.values_mut().filter_map(|path| path.get_mut("post")).for_each(take_key);
    Value::Object(paths)
}

/// Adds to a POST what comes of the key that it may carry.
fn take_key(post: &mut Value) {
    let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
    match &mut post["parameters"] {
        Value::Array(parameters) => parameters.push(key),
        none => *none = json!([key]),
    }
    let Value::Object(answers) = &mut post["responses"] else { return };
    for (status, answer) in answers.iter_mut() {
        if !NEVER_REPLAYED.contains(&status.as_str()) {
            *answer = replayed(answer.take());
        }
    }
    for (status, name) in ANSWERS_TO_POST {
        let shared = json!({ "$ref": format!("#/components/responses/{name}") });
        answers.insert(status.to_owned(), shared);
    }
}

/// An answer that may be one that was given before.
fn replayed(mut answer: Value) -> Value {
    answer["headers"] = json!({
        "Idempotency-Replayed": { "$ref": "#/components/headers/IdempotencyReplayed" },
    });
    answer
}

/// What is done with a line.
fn line_paths() -> Value {
    json!({
        "/api/v1/lines": { "get": collection("The lines: one for each SIP phone's account.") },
        "/api/v1/lines/{line}/forwarding": { "put": {
            "summary": "Replaces the line's forward list (lineForward); null or [] cancels everything.",
            "parameters": [line_parameter()],
            "requestBody": body("Forwarding"),
            "responses": answers(&[("200", "The list is in force."), ("400", ""), ("404", "")]),
        } },
        "/api/v1/lines/{line}/dnd": { "put": {
            "summary": "Switches do not disturb on or off.",
            "parameters": [line_parameter()],
            "requestBody": body("Dnd"),
            "responses": answers(&[("200", "Done."), ("400", ""), ("404", "")]),
        } },
        "/api/v1/lines/{line}/message-waiting": { "put": {
            "summary": "Says how many messages wait at the line; 0 puts its message lamp out.",
            "parameters": [line_parameter()],
            "requestBody": body("Messages"),
            "responses": answers(&[("200", "Done."), ("400", ""), ("404", "")]),
        } },
        "/api/v1/lines/{line}/messages": { "delete": {
            "summary": "What was left for the line has been read.",
            "parameters": [line_parameter()],
            "responses": answers(&[("200", "Done."), ("404", "")]),
        } },
    })
}

/// What is done with a call.
fn call_paths() -> Value {
    json!({
        "/api/v1/calls": {
            "get": collection("Every party's view of every call."),
            "post": {
                "summary": "Click to dial: rings the phone of 'from', then calls 'to'.",
                "requestBody": body("MakeCall"),
                "responses": answers(&[("201", "The call was begun."), ("400", ""), ("404", ""), ("409", "")]),
            },
        },
        "/api/v1/calls/{callId}/ladder": { "get": collection(
            "The SIP messages of a call, oldest first; it may be over. See [capture] kept_kib.",
        ) },
        "/api/v1/calls/{callId}/drop": { "post": action("Hangs up.", "Party") },
        "/api/v1/calls/{callId}/hold": { "post": action("Puts the call on hold.", "Party") },
        "/api/v1/calls/{callId}/unhold": { "post": action("Takes the call back.", "Party") },
        "/api/v1/calls/{callId}/park": { "post": action(
            "Parks the other party in 'slot', or in the first free one; answers with the slot.",
            "Park",
        ) },
        "/api/v1/calls/{callId}/record": { "post": action(
            "Records what the party at 'line' says and hears; answers with the file. 'format': wav or pcap.",
            "Record",
        ) },
        "/api/v1/calls/{callId}/stop-recording": { "post": action("Ends the recording.", "Party") },
        "/api/v1/calls/{callId}/transfer": { "post": action(
            "Sends the other party to 'to' without asking there first.",
            "Transfer",
        ) },
        "/api/v1/calls/{callId}/redirect": { "post": action(
            "Sends the call that is offered to 'line' to another number (lineRedirect).",
            "Redirect",
        ) },
    })
}

/// Queues and agents.
fn centre_paths() -> Value {
    let agent = || json!([{ "name": "agent", "in": "path", "required": true, "schema": { "type": "string" } }]);
    let done = || answers(&[("200", "Done."), ("400", ""), ("404", ""), ("409", "")]);
    json!({
        "/api/v1/queues": { "get": collection("The queues: who waits, who serves, the counters.") },
        "/api/v1/agents": { "get": collection("The agents, their states and counters.") },
        "/api/v1/agent-sessions": { "get": collection("Who serves which group where.") },
        "/api/v1/agents/{agent}/login": { "post": {
            "summary": "Logs the agent in for all its groups at a line; the sessions are ready.",
            "parameters": agent(), "requestBody": body("Party"), "responses": done(),
        } },
        "/api/v1/agents/{agent}/logout": { "post": {
            "summary": "Ends the agent's sessions, after the present call where there is one.",
            "parameters": agent(), "responses": done(),
        } },
        "/api/v1/agents/{agent}/state": { "put": {
            "summary": "Makes the agent ready or not ready (lineSetAgentStateEx).",
            "parameters": agent(), "requestBody": body("AgentState"), "responses": done(),
        } },
        "/api/v1/agents/{agent}/supervise": { "post": {
            "summary": "Rings a supervisor's phone, then joins the agent's call.",
            "parameters": agent(), "requestBody": body("Supervise"), "responses": done(),
        } },
    })
}

/// What else is to be seen.
fn table_paths() -> Value {
    json!({
        "/api/v1/registrations": { "get": collection("Where phones are registered.") },
        "/api/v1/media": { "get": collection("Media streams: ports, packets, loss.") },
        "/api/v1/media/paths": { "get": collection(
            "Packets through user space and through the kernel; where its program is attached.",
        ) },
        "/api/v1/recordings": { "get": collection("Recordings under way, and the last that ended.") },
        "/api/v1/call-records": { "get": {
            "summary": "Calls that are over, newest first: times, parties, reason, codec, quality.",
            "parameters": [
                query("line", "string", "Only those of this line."),
                query("callId", "integer", "Only those of this dwCallID."),
                query("since", "integer", "Only calls that ended from then on, ms since 1970."),
                query("before", "integer", "Only those with a lower id: the next page."),
                query("limit", "integer", "So many at most, 1 to 1000; 100 if not given."),
            ],
            "responses": collection("")["responses"].clone(),
        } },
        "/api/v1/trunks": { "get": collection("Trunks and where their peers are.") },
        "/api/v1/park": { "get": collection("Who waits in which park slot.") },
        "/api/v1/completions": { "get": collection("Who waits for whom, see lineCompleteCall.") },
        "/api/v1/completions/{completionId}": { "delete": {
            "summary": "The line that asked waits no more.",
            "parameters": [{
                "name": "completionId", "in": "path", "required": true,
                "schema": { "type": "integer" },
            }],
            "responses": answers(&[("200", "Done."), ("404", "")]),
        } },
        "/api/v1/pickup-groups": { "get": collection("Pickup groups and what rings in them.") },
        "/api/v1/subscriptions": { "get": collection("Who watches what by SUBSCRIBE.") },
        "/api/v1/events": { "get": {
            "summary": "Server-sent events: every TAPI message and registration change.",
            "parameters": [{
                "name": "after", "in": "query", "schema": { "type": "integer" },
                "description": "Resumes after the event with this number.",
            }],
            "responses": {
                "200": { "description": "The stream.", "content": { "text/event-stream": {} } },
                "401": problem(), "403": problem(),
            },
        } },
    })
}

/// The switch itself.
fn service_paths() -> Value {
    json!({
        "/api/v1/bans": {
            "get": collection("The sources that are not listened to, since when, why and for how long."),
            "post": {
                "summary": "Bans a source by hand, for 'duration' or as after failed logins.",
                "requestBody": body("Ban"),
                "responses": answers(&[("201", "It is not listened to any more."), ("400", "")]),
            },
        },
        "/api/v1/bans/{source}": { "delete": {
            "summary": "Lifts a ban.",
            "parameters": [{
                "name": "source", "in": "path", "required": true, "schema": { "type": "string" },
            }],
            "responses": answers(&[("200", "It is listened to again."), ("404", "")]),
        } },
        "/api/v1/reload": { "post": {
            "summary": "Reads the configuration again; a faulty file changes nothing.",
            "responses": answers(&[("200", "The new configuration is in use."), ("422", "")]),
        } },
        "/api/v1/drain": { "post": {
            "summary": "Refuses new calls from now on; present calls go on.",
            "responses": answers(&[("202", "New calls are refused.")]),
        } },
        "/healthz": { "get": open("Whether the process works.") },
        "/readyz": { "get": open("Whether new calls are taken; 503 while draining. `troubles` says what is wrong meanwhile.") },
        "/metrics": { "get": open("Prometheus text, prefix strowger_.") },
    })
}

fn collection(summary: &str) -> Value {
    let rows =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Items" } } });
    json!({
        "summary": summary,
        "responses": {
            "200": { "description": "The rows.", "content": rows },
            "401": problem(), "403": problem(), "503": problem(),
        },
    })
}

fn query(name: &str, kind: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": kind }, "description": description })
}

fn line_parameter() -> Value {
    json!({ "name": "line", "in": "path", "required": true, "schema": { "type": "string" } })
}

fn action(summary: &str, schema: &str) -> Value {
    json!({
        "summary": summary,
        "parameters": [{
            "name": "callId", "in": "path", "required": true, "schema": { "type": "integer" },
        }],
        "requestBody": body(schema),
        "responses": answers(&[("200", "Done."), ("400", ""), ("404", ""), ("409", "")]),
    })
}

fn open(summary: &str) -> Value {
    json!({ "summary": summary, "security": [], "responses": { "200": { "description": "Yes." } } })
}

fn body(schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({ "required": true, "content": { "application/json": { "schema": { "$ref": reference } } } })
}

/// Responses by status; an empty description stands for a problem document.
fn answers(list: &[(&str, &str)]) -> Value {
    let unknown = json!({ "$ref": "#/components/responses/OutcomeUnknown" });
    let often = json!({ "$ref": "#/components/responses/TooOften" });
    let mut responses = json!({
        "401": problem(), "403": problem(), "429": often, "503": problem(), "504": unknown,
    });
    for (status, description) in list {
        responses[*status] = match *description {
            "" => problem(),
            description => json!({ "description": description }),
        };
    }
    responses
}

fn problem() -> Value {
    problem_that("Refused (RFC 9457).")
}

fn problem_that(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
        } },
    })
}

fn schemas() -> Value {
    json!({
        "Items": {
            "type": "object", "required": ["items"],
            "properties": { "items": { "type": "array", "items": { "type": "object" } } },
        },
        "MakeCall": {
            "type": "object", "required": ["from", "to"], "additionalProperties": false,
            "properties": {
                "from": { "type": "string", "examples": ["201"] },
                "to": { "type": "string", "examples": ["202"] },
            },
        },
        "Party": {
            "type": "object", "required": ["line"], "additionalProperties": false,
            "properties": { "line": { "type": "string", "examples": ["201"] } },
        },
        "Park": {
            "type": "object", "required": ["line"], "additionalProperties": false,
            "properties": {
                "line": { "type": "string", "examples": ["201"] },
                "slot": { "type": "string", "examples": ["701"] },
            },
        },
        "Record": {
            "type": "object", "required": ["line"], "additionalProperties": false,
            "properties": {
                "line": { "type": "string", "examples": ["201"] },
                "format": { "type": "string", "enum": ["wav", "pcap"] },
            },
        },
        "Transfer": {
            "type": "object", "required": ["line", "to"], "additionalProperties": false,
            "properties": {
                "line": { "type": "string", "examples": ["201"] },
                "to": { "type": "string", "examples": ["203"] },
            },
        },
        "Redirect": {
            "type": "object", "required": ["line", "to"], "additionalProperties": false,
            "properties": {
                "line": { "type": "string", "examples": ["201"] },
                "to": { "type": "string", "examples": ["206"] },
            },
        },
        "AgentState": {
            "type": "object", "required": ["state"], "additionalProperties": false,
            "properties": { "state": { "enum": ["ready", "not-ready"] } },
        },
        "Supervise": {
            "type": "object", "required": ["line", "mode"], "additionalProperties": false,
            "properties": {
                "line": { "type": "string", "examples": ["206"] },
                "mode": { "enum": ["listen", "whisper", "barge"] },
            },
        },
        "Dnd": {
            "type": "object", "required": ["enabled"], "additionalProperties": false,
            "properties": { "enabled": { "type": "boolean" } },
        },
        "Ban": {
            "type": "object", "required": ["source"], "additionalProperties": false,
            "properties": {
                "source": { "type": "string" },
                "duration": { "type": "string", "examples": ["2h"] },
            },
        },
        "Messages": {
            "type": "object", "required": ["count"], "additionalProperties": false,
            "properties": { "count": { "type": "integer", "minimum": 0 } },
        },
        "Forwarding": forwarding_schema(),
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" },
                "status": { "type": "integer" }, "detail": { "type": "string" },
                "faults": { "type": "array", "items": { "type": "string" } },
            },
        },
    })
}

fn forwarding_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "forwardList": {
                "type": ["array", "null"],
                "items": {
                    "type": "object", "required": ["forwardMode"], "additionalProperties": false,
                    "properties": {
                        "forwardMode": {
                            "description": "A LINEFORWARDMODE_ constant.",
                            "type": ["string", "integer"],
                            "examples": ["LINEFORWARDMODE_BUSY"],
                        },
                        "callerAddress": {
                            "description": "The caller that a SPECIFIC mode is about.",
                            "type": ["string", "null"],
                        },
                        "destAddress": {
                            "description": "Where to; none is do not disturb.",
                            "type": ["string", "null"], "examples": ["206"],
                        },
                    },
                },
            },
            "numRingsNoAnswer": {
                "description": "Rings before a call counts as not answered; without it, ring_timeout.",
                "type": ["integer", "null"], "minimum": 0,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        Some(target) if name == "$ref" => found.push(target.to_owned()),
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    #[test]
    fn every_post_takes_a_key_and_says_what_comes_of_it() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let posts: Vec<_> =
            paths.iter().filter_map(|(path, at)| Some((path, at.get("post")?))).collect();
        assert!(posts.len() > 10, "{posts:?}");
        for (path, post) in posts {
            let at = |value: &Value| match value["$ref"].as_str() {
                Some(target) => document.pointer(target.trim_start_matches('#')).unwrap().clone(),
                None => value.clone(),
            };
            let parameters = post["parameters"].as_array().unwrap();
            let keys = parameters.iter().filter(|one| at(one)["name"] == "Idempotency-Key");
            assert_eq!(keys.count(), 1, "{path}");
            let answers = post["responses"].as_object().unwrap();
            for status in ["400", "409", "422", "429", "504"] {
                assert!(at(&answers[status])["description"].is_string(), "{path}: {status}");
            }
            for (status, answer) in answers {
                let may_be_kept = !["401", "429", "503"].contains(&status.as_str());
                let is_marked = at(answer)["headers"]["Idempotency-Replayed"].is_object();
                assert_eq!(is_marked, may_be_kept, "{path}: {status}");
            }
        }
    }

    #[test]
    fn every_operation_says_what_it_does() {
        let document = document();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"].is_object(), "{method} {path}");
            }
        }
    }
}
