//! Applications of the world: TAPI functions in, notifications out.

use serde_json::{Value, json};
use switch::exchange::{ApplicationInput, Input};

use super::watch::ApplicationWatch;
use super::world::{Application, SimApplication, World};

impl World {
    /// A new application that sees every line and has called lineInitializeEx.
    pub fn application(&mut self, name: &str) -> Application {
        let application = Application(self.applications.len() as u64 + 1);
        self.applications.insert(application.0, SimApplication::default());
        self.connect(application);
        let started = self.ask(application, "lineInitializeEx", json!({"appName": name}));
        let started = started.expect("lineInitializeEx");
        let instance = started["instance"].as_str().unwrap_or_default().to_owned();
        self.sim_application(application).instance = instance;
        application
    }

    /// The connection of an application breaks.
    pub fn disconnect(&mut self, application: Application) {
        if let Some(connection) = self.sim_application(application).connection.take() {
            self.connections.remove(&connection);
            self.input(Input::Application(ApplicationInput::Disconnected { connection }));
        }
    }

    /// The application comes back within its resume window: what it missed follows.
    pub fn resume(&mut self, application: Application) -> Result<Value, Value> {
        self.connect(application);
        let sim = self.sim_application(application);
        let params = json!({"instance": sim.instance, "after": sim.watch.last_seq()});
        self.ask(application, "lineInitializeEx", params)
    }

    /// lineShutdown: the application and its handles are gone.
    pub fn shutdown(&mut self, application: Application) {
        self.ask(application, "lineShutdown", json!({})).expect("lineShutdown");
        self.forget(application);
    }

    /// The resume window of the application is over: it will get nothing any more.
    pub fn forget(&mut self, application: Application) {
        self.disconnect(application);
        self.sim_application(application).watch = ApplicationWatch::default();
    }

    /// Whether the application has a connection.
    pub fn is_connected(&self, application: Application) -> bool {
        self.applications.get(&application.0).is_some_and(|sim| sim.connection.is_some())
    }

    /// What the application has been told, and relies on.
    pub fn watch(&self, application: Application) -> &ApplicationWatch {
        &self.applications.get(&application.0).expect("an application of this world").watch
    }

    /// Opens a line with OWNER and MONITOR; its hLine.
    pub fn open(&mut self, application: Application, line: &str) -> u64 {
        let params = json!({
            "line": line,
            "privileges": ["LINECALLPRIVILEGE_OWNER", "LINECALLPRIVILEGE_MONITOR"],
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
        });
        let answer = self.ask(application, "lineOpen", params).expect("lineOpen");
        answer["hLine"].as_u64().expect("hLine")
    }

    /// One TAPI function; its result object or its error object, at once.
    pub fn ask(
        &mut self,
        application: Application,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        self.next_request += 1;
        let id = self.next_request;
        self.note(format!("    application {} {method} {params}", application.0));
        let sim = self.sim_application(application);
        sim.watch.asks(method, &params);
        let connection = sim.connection.expect("a connection");
        let text = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.input(Input::Application(ApplicationInput::Text {
            connection,
            text: text.to_string(),
        }));
        let inbox = &mut self.sim_application(application).inbox;
        let index = inbox.iter().position(|message| message["id"] == json!(id));
        let mut answer = inbox.remove(index.unwrap_or_else(|| panic!("{method} is not answered")));
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Notifications an application has got and nobody has taken.
    pub fn inbox(&mut self, application: Application) -> &mut Vec<Value> {
        &mut self.sim_application(application).inbox
    }

    /// Takes the notifications of an application as short lines: `LINE_CALLSTATE CONNECTED ACTIVE`.
    pub fn trace(&mut self, application: Application) -> Vec<String> {
        std::mem::take(self.inbox(application)).iter().map(short).collect()
    }

    /// A text of the exchange for a connection.
    pub(super) fn tell(&mut self, connection: u64, text: &str) {
        let message: Value = serde_json::from_str(text).expect("the exchange writes JSON");
        let Some(&application) = self.connections.get(&connection) else { return };
        self.note(format!("    application {application} gets {}", line(&message)));
        let sim = self.sim_application(Application(application));
        let seen = sim.watch.sees(&message);
        sim.inbox.push(message);
        self.demand(seen.map_err(|rule| format!("application {application}: {rule}")));
    }

    fn connect(&mut self, application: Application) {
        self.next_request += 1;
        let connection = self.next_request;
        self.connections.insert(connection, application.0);
        self.sim_application(application).connection = Some(connection);
        self.input(Input::Application(ApplicationInput::Connected { connection, lines: None }));
    }

    fn sim_application(&mut self, application: Application) -> &mut SimApplication {
        self.applications.get_mut(&application.0).expect("an application of this world")
    }
}

/// A message for the ladder.
fn line(message: &Value) -> String {
    match message["method"].as_str() {
        Some(_) => format!("{} call {}", short(message), message["params"]["hCall"]),
        None => message.get("error").unwrap_or(&message["result"]).to_string(),
    }
}

/// `LINE_CALLSTATE CONNECTED ACTIVE` for a notification; handles are left out.
pub fn short(message: &Value) -> String {
    let method = message["method"].as_str().unwrap_or("?");
    let params = &message["params"];
    let word = |name: &str| {
        let text = params[name].as_str()?;
        Some(text.rsplit('_').next().unwrap_or(text).to_owned())
    };
    let list = |name: &str| {
        let items = params[name].as_array()?;
        let words = items.iter().filter_map(Value::as_str);
        Some(
            words.map(|text| text.rsplit('_').next().unwrap_or(text)).collect::<Vec<_>>().join("|"),
        )
    };
    let mut text = method.to_owned();
    let fields = [
        word("callState"),
        word("mode"),
        word("privilege"),
        list("callInfoState"),
        word("result").or_else(|| params["result"].as_i64().map(|result| result.to_string())),
    ];
    for field in fields.into_iter().flatten() {
        text.push(' ');
        text.push_str(&field);
    }
    text
}
