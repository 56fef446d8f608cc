//! Reload, drain and stop: what signals and administrators ask of the process.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::Config;
use sip_stack::transport::{Gate, Transports};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::ServerError;
use super::certificates::{self, Expiry};
use super::exchange_thread::Ending;
use super::notify::Manager;
use crate::api::{Api, Control, Tokens};
use crate::exchange::Input;
use crate::observe::security;
use crate::store::Store;

/// How long a stop waits until the exchange has ended its calls.
const STOPPING: Duration = Duration::from_secs(5);
/// How long a stop waits for answers to what was said last, such as BYE or a REGISTER that takes one away:
/// each can be sent again once (RFC 3261 §17.1.2: T1 is 500 ms).
const FAREWELL: Duration = Duration::from_millis(700);

/// What the process is told from outside.
pub(super) struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; from now on no signal ends the process by itself.
    pub(super) fn new() -> Result<Self, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::System);
        Ok(Self {
            reload: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Watches over the running switch.
pub(super) struct Supervisor {
    /// The file that a reload reads.
    pub(super) file: PathBuf,
    /// The configuration in use; the resolver follows it.
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) api: Arc<Api>,
    pub(super) mailbox: mpsc::Sender<Input>,
    pub(super) control: mpsc::Receiver<Control>,
    /// Says when no call is left after a drain or stop, and when the last words have been heard.
    pub(super) ending: watch::Receiver<Ending>,
    /// Gone when the exchange's thread ends.
    pub(super) transports: Weak<Transports>,
    pub(super) gate: Arc<Gate>,
    pub(super) expiry: Expiry,
    pub(super) store: Arc<dyn Store>,
    /// Who started us, if it wants to hear of us.
    pub(super) manager: Option<Arc<Manager>>,
}

/// Why the switch comes to rest.
enum Rest {
    /// SIGTERM: when the last call has ended, at the latest at this time.
    Drain(Instant),
    /// Now.
    Stop,
}

impl Supervisor {
    /// Runs until the switch is at rest.
    ///
    /// Errors: the exchange's thread ended by itself.
    pub(super) async fn run(mut self, mut signals: Signals) -> Result<(), ServerError> {
        let rest = self.serve(&mut signals).await?;
        self.manager.iter().for_each(|manager| manager.stopping());
        let is_empty = match rest {
            Rest::Drain(deadline) => self.wait_for_calls(&mut signals, deadline).await?,
            Rest::Stop => false,
        };
        if is_empty {
            tracing::info!("no call is left; the switch stops");
        } else {
            self.end_calls().await?;
        }
        self.api.close_all().await;
        self.rest().await;
        Ok(())
    }

    /// Reloads and drains as told until the switch has to come to rest.
    async fn serve(&mut self, signals: &mut Signals) -> Result<Rest, ServerError> {
        loop {
            tokio::select! {
                _ = signals.reload.recv() => {
                    self.reload().await.ok();
                }
                _ = signals.terminate.recv() => {
                    let patience = self.config.borrow().switch.drain_timeout;
                    tracing::info!(?patience, "SIGTERM: new calls are refused, present ones go on");
                    self.drain().await;
                    return Ok(Rest::Drain(Instant::now() + patience));
                }
                _ = signals.interrupt.recv() => return Ok(Rest::Stop),
                Some(control) = self.control.recv() => self.obey(control).await,
                () = self.mailbox.closed() => return Err(ServerError::ExchangeFailed),
            }
        }
    }

    /// True when the last call has ended, false when they are to be ended now.
    async fn wait_for_calls(
        &mut self,
        signals: &mut Signals,
        deadline: Instant,
    ) -> Result<bool, ServerError> {
        let mut ending = self.ending.clone();
        loop {
            tokio::select! {
                Ok(_) = ending.wait_for(|ending| *ending >= Ending::Drained) => return Ok(true),
                () = sleep_until(deadline) => {
                    tracing::warn!("calls are ended because [switch] drain_timeout is over");
                    return Ok(false);
                }
                _ = signals.terminate.recv() => return Ok(false),
                _ = signals.interrupt.recv() => return Ok(false),
                _ = signals.reload.recv() => {
                    self.reload().await.ok();
                }
                Some(control) = self.control.recv() => self.obey(control).await,
                () = self.mailbox.closed() => return Err(ServerError::ExchangeFailed),
            }
        }
    }

    async fn end_calls(&mut self) -> Result<(), ServerError> {
        tracing::info!("present calls are ended; the switch stops");
        self.api.set_ready(false);
        if self.mailbox.send(Input::Stop).await.is_err() {
            return Err(ServerError::ExchangeFailed);
        }
        let drained = self.ending.wait_for(|ending| *ending >= Ending::Drained);
        if timeout(STOPPING, drained).await.is_err() {
            tracing::warn!("some calls could not be ended in time");
        }
        Ok(())
    }

    /// Nothing new is said; what was said last is given time to be heard.
    async fn rest(&mut self) {
        let heard = async {
            // An exchange that is gone says nothing more.
            if self.mailbox.send(Input::Rest).await.is_ok() {
                let _ = self.ending.wait_for(|ending| *ending == Ending::Rested).await;
            }
        };
        if timeout(FAREWELL, heard).await.is_err() {
            tracing::info!("somebody did not answer when the switch took its leave");
        }
    }

    async fn obey(&mut self, control: Control) {
        match control {
            Control::Reload(reply) => {
                // Whoever asked may have gone away meanwhile.
                let _ = reply.send(self.reload().await);
            }
            Control::Drain => {
                tracing::info!("drain: new calls are refused, present ones go on");
                self.drain().await;
            }
        }
    }

    async fn drain(&mut self) {
        self.api.set_ready(false);
        // A closed mailbox is noticed by whoever waits next.
        let _ = self.mailbox.send(Input::Drain).await;
    }

    /// Reads the file again; a faulty one changes nothing. The audit file is opened anew in any case.
    async fn reload(&mut self) -> Result<Vec<String>, Vec<String>> {
        let file = self.file.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
        let faults = match loaded {
            Ok(Ok(new)) => return Ok(self.take_over(new).await),
            Ok(Err(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(_) => vec!["The configuration could not be read.".to_owned()],
        };
        // A reload also tells that files were rotated, whatever else it finds.
        self.api.reopen_audit(self.config.borrow().api.audit_file.clone());
        tracing::error!(file = %self.file.display(), "reload: the file has faults; nothing changes");
        for fault in &faults {
            tracing::error!("{fault}");
        }
        Err(faults)
    }

    async fn take_over(&mut self, new: Config) -> Vec<String> {
        let old = Arc::clone(&self.config.borrow());
        let changes = config::diff(&old, &new);
        let notes = notes_of(&changes);
        // What a running switch cannot change stays, so that nobody acts on what is not in force.
        let new = Arc::new(new.over(&old));
        self.expiry.note(&new);
        self.gate.configure(super::gate::settings(&new));
        if let Some(transports) = self.transports.upgrade() {
            certificates::reconfigure(&transports, &new);
        }
        super::limit_call_records(self.store.as_ref(), &new);
        // Also where nothing has changed: a reload is what tells that files were rotated.
        self.api.reopen_audit(new.api.audit_file.clone());
        self.api.reconfigure(Tokens::new(&new.api.tokens), new.api.max_queued_messages);
        let _ = self.mailbox.send(Input::Reload(Arc::clone(&new))).await;
        self.config.send_replace(new);
        security::config_changed(&notes.join("; "));
        tracing::info!("reload: the new configuration is in use");
        for note in &notes {
            tracing::info!("reload: {note}");
        }
        notes
    }
}

fn notes_of(changes: &config::Changes) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |what: &str, names: Vec<&str>| {
        if !names.is_empty() {
            notes.push(format!("{what}: {}", names.join(", ")));
        }
    };
    let words =
        |lines: &'_ [String]| lines.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    for (what, lines) in [
        ("lines added", &changes.lines_added),
        ("lines removed", &changes.lines_removed),
        ("lines changed", &changes.lines_changed),
    ] {
        if !lines.is_empty() {
            note(what, vec![words(lines).as_str()]);
        }
    }
    note("changed", changes.applied.clone());
    note("takes effect at the next start", changes.needs_restart.clone());
    if changes.is_empty() {
        notes.push("nothing was different".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: &str = include_str!("../../../config/office.toml");

    fn parse(text: &str) -> Config {
        config::parse(text, "office.toml").unwrap()
    }

    #[test]
    fn what_needs_a_restart_is_named_apart_from_what_changed() {
        let old = parse(OFFICE);
        let new = OFFICE.replace("udp:127.0.0.1:5060", "udp:127.0.0.1:5070").replace("Ada", "Ida");
        let notes = notes_of(&config::diff(&old, &parse(&new)));
        assert_eq!(notes, ["lines changed: 201", "takes effect at the next start: sip.listen"]);
    }

    #[test]
    fn a_reload_of_the_same_file_says_so() {
        let config = parse(OFFICE);
        assert_eq!(notes_of(&config::diff(&config, &config)), ["nothing was different"]);
    }
}
