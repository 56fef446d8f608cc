//! JSON-RPC: any text is answered as JSON-RPC 2.0 says, and the application lives on.

use serde_json::{Value, json};
use tapi::{ConnectionId, LineFilter, LineSpec, Output, Server, ServerConfig};

const OURS: ConnectionId = ConnectionId(1);

/// What the server says; intents are let lie.
fn said(server: &mut Server) -> Vec<Value> {
    let mut texts = Vec::new();
    for output in std::mem::take(&mut server.out) {
        if let Output::Send { connection, text } = output {
            assert_eq!(connection, OURS);
            server.written(connection, 1);
            texts.push(serde_json::from_str(&text).expect("the server writes JSON"));
        }
    }
    server.observed.clear();
    texts
}

fn ask(server: &mut Server, id: u64, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    server.request(1_000, OURS, &request.to_string());
    let said = said(server);
    said.into_iter().find(|text| text["id"] == id).unwrap_or_else(|| panic!("{method}: no answer"))
}

/// A text of an application that has opened a line.
pub(crate) fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut server = Server::new(ServerConfig::default());
    for number in ["201", "202"] {
        let device = server.add_line(LineSpec::full(number, "Somebody", 100, 4));
        server.line_service(1_000, device, true);
    }
    server.connect(OURS, LineFilter::All);
    ask(&mut server, 1, "lineInitializeEx", &json!({"appName": "a"}));
    let open = json!({"line": "201", "privileges": ["LINECALLPRIVILEGE_OWNER"],
        "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
    let opened = ask(&mut server, 2, "lineOpen", &open);
    assert!(opened["result"]["hLine"].is_u64(), "{opened}");

    server.request(1_000, OURS, text);
    let answers = said(&mut server);
    for answer in &answers {
        for answer in answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice) {
            well_formed(answer);
        }
    }
    let responses = answers.iter().filter(|answer| answer.get("method").is_none()).count();
    match serde_json::from_str::<Value>(text) {
        Err(_) => assert_eq!(responses, 1, "what is no JSON is answered"),
        Ok(Value::Object(request)) => {
            assert!(responses <= 1);
            let is_notification = request.get("id").is_none();
            let is_valid = request.get("jsonrpc") == Some(&json!("2.0"))
                && request.get("method").is_some_and(Value::is_string);
            assert!(!(is_notification && is_valid && responses > 0), "a notification was answered");
        }
        Ok(Value::Array(_)) => {}
        Ok(_) => assert_eq!(responses, 1),
    }
    // Whatever it was, the server goes on; the application may have ended itself.
    let still = ask(&mut server, 3, "lineGetAddressCaps", &json!({"deviceId": 0, "addressId": 0}));
    well_formed(&still);
}

fn well_formed(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    if answer.get("method").is_some() {
        assert!(answer["params"]["seq"].is_u64(), "{answer}");
        return;
    }
    assert!(answer.get("id").is_some(), "{answer}");
    let (result, error) = (answer.get("result"), answer.get("error"));
    assert!(result.is_some() != error.is_some(), "{answer}");
    if let Some(error) = error {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
    }
}
