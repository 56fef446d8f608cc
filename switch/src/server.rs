//! The running switch: start order, ready line, reload, drain, stop.
//!
//! The rim of the program. Sockets, clocks, threads and signals are here and in what it starts;
//! protocol rules are not. Threads: one for the exchange, a few that receive and send SIP, one
//! for the control interface, the relay's workers and the store's writer.

mod certificates;
pub mod clock;
mod entropy;
mod error;
mod exchange_thread;
mod gate;
mod kernel_path;
mod logging;
mod memory;
mod notify;
mod privilege;
mod resolve;
mod supervisor;
mod watchdog;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use media::{MediaConfig, Relay, RelayControl, Watcher};
use sip_stack::flow::Transport;
use sip_stack::transport::{
    self, DnsLookup, Gate, Listen, Resolver, Sink, TransportCounts, Transports,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

pub use entropy::SystemEntropy;
pub use error::ServerError;
pub use exchange_thread::{MAX_MAILBOX, MAX_NEW_WORK};
pub use privilege::PrivilegeError;

use crate::api::{Api, Tokens};
use crate::cli::{self, Run};
use crate::exchange::counters::Counters;
use crate::exchange::{Exchange, ExchangeParts, Input};
use crate::observe::audit::AuditFile;
use crate::observe::hep::Hep;
use crate::observe::trace::Trace;
use crate::observe::{Family, Metrics, Sample, Source};
use crate::registry::Registry;
use crate::store::{RecordLimits, SqliteStore, Store, StoreCounts};
use certificates::Expiry;
use exchange_thread::{Capture, Ending, Inbox, Rim, Waiting};
use gate::Keeper;
use notify::Manager;
use resolve::Bound;
use supervisor::{Signals, Supervisor};
use watchdog::Watchdog;

/// Threads that receive, index and send SIP.
const FRONT_THREADS: usize = 2;
/// Connections to the control interface that wait to be accepted.
const API_BACKLOG: u32 = 1024;
/// How long the end of the program waits for the disk of the audit file.
const AUDIT_PATIENCE: Duration = Duration::from_secs(2);
/// Reloads and drains that may wait for the supervisor.
const MAX_CONTROLS: usize = 16;

/// Runs the switch until it is told to stop.
///
/// Errors: what kept it from starting, or made it fail.
pub fn run(run: &Run) -> Result<(), ServerError> {
    memory::begin();
    let file = cli::find_config(run.config.as_ref()).ok_or(ServerError::NoConfiguration)?;
    let config = config::load(&file).map_err(ServerError::Configuration)?;
    logging::start(&run.log, run.log_format)?;
    announce(&config);
    privilege::begin(&config.switch)?;
    media::begin_threads_with(privilege::shed);
    media::rest_threads_with(memory::give_back);
    let front = runtime("strowger-sip", FRONT_THREADS)?;
    let api = runtime("strowger-api", 1)?;
    let result = front.block_on(serve(file, Arc::new(config), &api));
    // Connections that do not end must not keep the process.
    api.shutdown_background();
    front.shutdown_background();
    result
}

/// Logs what an administrator should know before the first call.
fn announce(config: &Config) {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    for feature in config.not_yet_available() {
        tracing::warn!("configured but not yet available: {feature}");
    }
}

fn runtime(name: &str, threads: usize) -> Result<Runtime, ServerError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .on_thread_start(privilege::shed)
        .enable_all()
        .build()
        .map_err(ServerError::System)
}

async fn serve(file: PathBuf, config: Arc<Config>, runtime: &Runtime) -> Result<(), ServerError> {
    let signals = Signals::new()?;
    let manager = Manager::from_environment().map(Arc::new);
    let (mailbox, inputs) = mpsc::channel(MAX_MAILBOX);
    let (new_work, waiting) = mpsc::channel(MAX_NEW_WORK);
    let (gate, keeper) = gate::open(&config);
    let (relay, notices) = Relay::start(media_config(&config))?;
    let watcher = relay.watcher();
    kernel_path::announce(config.media.fast_path, &watcher.read());
    let sink = Sink::with_lanes(mailbox.clone(), new_work.clone());
    let transports = bind(&config, &gate, sink).await?;
    let queues = (mailbox.downgrade(), new_work.downgrade());
    let watchdog: Arc<Watchdog> = Arc::default();
    let listener = bind_api(&config, runtime)?;
    // Whatever is started from here on has no rights of its own.
    privilege::shed();
    let store = open_store(&config, (&gate, &keeper))?;
    let api_address = listener.local_addr().map_err(ServerError::System)?;

    let counters: Arc<Counters> = Arc::default();
    let expiry = Expiry::default();
    expiry.note(&config);
    let weak_transports = Arc::downgrade(&transports);
    let trace = Arc::new(Trace::new(config.capture.kept));
    let (control, controls) = mpsc::channel(MAX_CONTROLS);
    let api = Api::new(
        mailbox.clone(),
        control,
        Tokens::new(&config.api.tokens),
        config.api.max_queued_messages,
        metrics(&counters, &transports, &store, &expiry, watcher)
            .and(of_gate(&gate))
            .and(of_queues(queues))
            .and(of_watchdog(&watchdog)),
        (Arc::clone(&trace), Arc::clone(&store)),
    );
    api.guard(Arc::clone(&gate));
    api.audit(AuditFile::start(config.api.audit_file.clone()).map_err(ServerError::System)?);
    let local = transports.local_addresses();
    let exchange = exchange(&config, relay, counters, &local, &*store)?;
    let capture = Capture { trace, hep: collector(&config)? };
    let (ending, heed) = watch::channel(Ending::No);
    let rim = Rim {
        transports,
        api: Arc::clone(&api),
        store: Arc::clone(&store),
        capture,
        ending,
        gate: Arc::clone(&gate),
        watchdog: Arc::clone(&watchdog),
    };
    start_exchange(exchange, Inbox { urgent: inputs, new_work: waiting }, rim)?;
    forward_notices(notices, mailbox.clone())?;

    let (current, follower) = watch::channel(Arc::clone(&config));
    let bound = Bound { transports: weak_transports.clone(), gate: Arc::clone(&gate) };
    start_resolver(&local, bound, follower, mailbox.clone());
    runtime.spawn(Arc::clone(&api).serve(listener));
    if let Some(first) = local.first() {
        let hearers = (Arc::clone(&api), manager.clone());
        runtime.spawn(watchdog.run(new_work.downgrade(), first.address, hearers));
    }
    drop(new_work);
    api.set_ready(true);
    say_ready(&local, api_address, manager.as_deref());

    let supervisor = Supervisor {
        file,
        config: current,
        api: Arc::clone(&api),
        mailbox,
        control: controls,
        ending: heed,
        transports: weak_transports,
        gate,
        expiry,
        store: Arc::clone(&store),
        manager,
    };
    let result = supervisor.run(signals).await;
    store.flush();
    api.flush_audit(AUDIT_PATIENCE);
    result
}

/// The state file of the configuration.
fn open_store(
    config: &Config,
    (gate, keeper): (&Gate, &Keeper),
) -> Result<Arc<dyn Store>, ServerError> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.state.path, clock::unix_ms())?);
    limit_call_records(store.as_ref(), config);
    gate::restore(gate, keeper, &store);
    look_after_recordings(config);
    privilege::announce();
    Ok(store)
}

/// Keeps as many call records as the configuration says.
fn limit_call_records(store: &dyn Store, config: &Config) {
    let config::CallRecords { max, keep } = config.call_records;
    store.limit_call_records(RecordLimits { max, keep }, clock::unix_ms());
}

/// Says now what would be noticed with the first recording only.
fn look_after_recordings(config: &Config) {
    use std::os::unix::fs::DirBuilderExt;
    let Some(folder) = &config.recording.folder else { return };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let probe = folder.join(format!(".strowger-{}.part", std::process::id()));
    let tried = made.and_then(|()| std::fs::File::create_new(&probe));
    match tried.and_then(|_| std::fs::remove_file(&probe)) {
        Ok(()) => {}
        Err(error) => tracing::error!(
            "nothing can be recorded in {} ({error}); check its permissions and its disk; calls go on",
            folder.display()
        ),
    }
}

/// The exchange with what the previous run left.
fn exchange(
    config: &Arc<Config>,
    relay: RelayControl,
    counters: Arc<Counters>,
    local: &[Listen],
    store: &dyn Store,
) -> Result<Exchange, ServerError> {
    Ok(Exchange::new(ExchangeParts {
        config: Arc::clone(config),
        media: Box::new(relay),
        registry: Arc::new(Registry::default()),
        counters,
        entropy: Box::new(SystemEntropy::new()?),
        local: local.iter().map(|listen| (listen.transport, listen.address)).collect(),
        restored: store.take_bindings(),
        forwardings: store.take_forwardings(),
        messages: store.take_messages(),
        completions: store.take_completions(),
        dialogs: store.take_dialogs(),
        centre: store.take_centre(),
        familiar: store.take_familiar(),
        clock: clock::read(),
    }))
}

/// The collector of `[capture]`.
fn collector(config: &Config) -> Result<Option<Hep>, ServerError> {
    let collector = config.capture.hep.map(|collector| Hep::new(collector, config.capture.node));
    collector.transpose().map_err(ServerError::System)
}

/// The one line on stdout: every listener is bound.
fn say_ready(listeners: &[Listen], api: SocketAddr, manager: Option<&Manager>) {
    let sip: Vec<String> = listeners
        .iter()
        .map(|listen| format!("{}:{}", listen.transport.uri_param(), listen.address))
        .collect();
    let mut out = std::io::stdout().lock();
    // Nobody has to read it.
    let _ = writeln!(out, "strowger ready sip={} api={api}", sip.join(","));
    let _ = out.flush();
    manager.iter().for_each(|manager| manager.ready());
}

fn media_config(config: &Config) -> MediaConfig {
    MediaConfig {
        address: config.media.address,
        public_address: config.media.public_address,
        ports: config.media.ports.clone(),
        workers: config.media.workers,
        timeout: config.media.timeout,
        fast_path: kernel_path::config(&config.media),
        port_steering: kernel_path::steering(&config.media),
        shared_ports: config.media.shared_ports.clone(),
        busy_limit: config.media.busy_limit,
        ..MediaConfig::default()
    }
}

/// Binds the SIP listeners.
async fn bind(
    config: &Config,
    gate: &Arc<Gate>,
    sink: Sink,
) -> Result<Arc<Transports>, ServerError> {
    let listens: Vec<Listen> = config
        .sip
        .listen
        .iter()
        .map(|listen| Listen { transport: transport_of(listen.transport), address: listen.address })
        .collect();
    if listens.is_empty() {
        return Err(ServerError::NoListener);
    }
    let mut setup = certificates::setup(config)?;
    setup.gate = Some(Arc::clone(gate));
    Ok(Arc::new(transport::bind_with(&listens, setup, sink).await?))
}

/// The configuration's word for a transport in the stack's.
fn transport_of(transport: config::Transport) -> Transport {
    match transport {
        config::Transport::Udp => Transport::Udp,
        config::Transport::Tcp => Transport::Tcp,
        config::Transport::Tls => Transport::Tls,
        config::Transport::Ws => Transport::Ws,
        config::Transport::Wss => Transport::Wss,
    }
}

/// Binds the control interface for the runtime that will serve it, by this thread's rights.
fn bind_api(config: &Config, runtime: &Runtime) -> Result<TcpListener, ServerError> {
    let address = config.api.listen;
    let _inside = runtime.enter();
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(API_BACKLOG)
    };
    bind().map_err(|error| ServerError::ApiBind { address, error })
}

/// What `/metrics` shows besides the exchange's and the interface's own counters.
fn metrics(
    counters: &Arc<Counters>,
    transports: &Arc<Transports>,
    store: &Arc<dyn Store>,
    expiry: &Expiry,
    relay: Watcher,
) -> Metrics {
    // Weak: the listeners have to close when the exchange's thread ends.
    let transports = Arc::downgrade(transports);
    let of_transports = move || match transports.upgrade() {
        Some(transports) => transport_samples(&transports.counts()),
        None => Vec::new(),
    };
    let expiry = expiry.clone();
    let of_certificates = move || vec![expiry.sample()];
    let store = Arc::clone(store);
    let of_store = move || store_samples(store.counters());
    let of_relay = move || kernel_path::samples(&relay);
    let sources: Vec<Source> = vec![
        Box::new(of_transports),
        Box::new(of_certificates),
        Box::new(clock::samples),
        Box::new(of_store),
        Box::new(of_relay),
    ];
    Metrics::new(Arc::clone(counters), sources)
}

/// What the guard has to say.
fn of_gate(gate: &Arc<Gate>) -> Source {
    let gate = Arc::clone(gate);
    Box::new(move || gate::samples(&gate))
}

/// What the watchdog has to say.
fn of_watchdog(watchdog: &Arc<Watchdog>) -> Source {
    let watchdog = Arc::clone(watchdog);
    Box::new(move || watchdog.samples())
}

/// How full the ways into the exchange are. Weak: they close when the last one who sends is gone.
fn of_queues(queues: (mpsc::WeakSender<Input>, mpsc::WeakSender<Waiting>)) -> Source {
    fn waiting<T>(queue: &mpsc::WeakSender<T>) -> u64 {
        let queue = queue.upgrade();
        queue.map_or(0, |queue| (queue.max_capacity() - queue.capacity()) as u64)
    }
    Box::new(move || {
        let help = "Inputs that wait for the exchange.";
        vec![
            Sample::gauge("queue_length", help, waiting(&queues.0)).of("queue", "mailbox"),
            Sample::gauge("queue_length", help, waiting(&queues.1)).of("queue", "new_work"),
            Sample::gauge("queue_limit", "Inputs that may wait.", MAX_MAILBOX as u64)
                .of("queue", "mailbox"),
            Sample::gauge("queue_limit", "Inputs that may wait.", MAX_NEW_WORK as u64)
                .of("queue", "new_work"),
        ]
    })
}

fn transport_samples(counts: &TransportCounts) -> Vec<Sample> {
    let transport = Family("transport");
    vec![
        transport.counter(
            "messages_received",
            "SIP messages handed to the exchange.",
            counts.messages_in,
        ),
        transport.counter(
            "messages_sent",
            "SIP messages handed to the system.",
            counts.messages_out,
        ),
        transport.counter("keep_alives", "Keep-alives received.", counts.keep_alives),
        transport.counter("malformed", "Datagrams and streams that were no SIP.", counts.malformed),
        transport.counter("dropped", "Messages not let in because of overload.", counts.dropped),
        transport.counter("refused", "Requests answered 503 because of overload.", counts.refused),
        transport.counter(
            "not_admitted",
            "Messages of banned sources or beyond a rate limit.",
            counts.not_admitted,
        ),
        transport.counter("send_blocked", "Datagrams not sent: buffer full.", counts.send_blocked),
        transport.counter("send_failed", "Messages that could not be sent.", counts.send_failed),
        transport.counter("connections_accepted", "Stream connections accepted.", counts.accepted),
        transport.counter(
            "accept_failed",
            "Stream connections that could not be accepted: no descriptor was left.",
            counts.accept_failed,
        ),
        transport.counter("connections_opened", "Stream connections opened.", counts.connected),
        transport.counter(
            "connections_refused",
            "Stream connections refused because of a limit.",
            counts.connections_refused,
        ),
        transport.counter(
            "handshakes_failed",
            "TLS and WebSocket handshakes that failed.",
            counts.handshakes_failed,
        ),
        transport.counter(
            "handshakes_timed_out",
            "Handshakes that were too slow.",
            counts.handshakes_timed_out,
        ),
        transport.counter(
            "handshakes_refused",
            "Connections refused because too many handshakes were in progress.",
            counts.handshakes_refused,
        ),
        transport.counter(
            "origins_refused",
            "WebSockets refused because of their Origin.",
            counts.origins_refused,
        ),
        transport.counter(
            "connections_timed_out",
            "Stream connections too slow.",
            counts.timed_out,
        ),
        transport.gauge("connections", "Stream connections open now.", counts.connections_open),
    ]
}

/// Starts the exchange's thread; it ends with the last sender of its mailbox.
fn start_exchange(exchange: Exchange, inputs: Inbox, rim: Rim) -> Result<(), ServerError> {
    let runtime =
        Builder::new_current_thread().enable_time().build().map_err(ServerError::System)?;
    std::thread::Builder::new()
        .name("strowger-exchange".to_owned())
        .spawn(move || runtime.block_on(exchange_thread::run(exchange, inputs, rim)))
        .map_err(ServerError::System)?;
    Ok(())
}

/// Carries what the relay notices into the mailbox.
fn forward_notices(
    notices: std::sync::mpsc::Receiver<media::Notify>,
    mailbox: mpsc::Sender<Input>,
) -> Result<(), ServerError> {
    std::thread::Builder::new()
        .name("strowger-notices".to_owned())
        .spawn(move || {
            while let Ok(notice) = notices.recv() {
                if mailbox.blocking_send(Input::Media(notice)).is_err() {
                    return;
                }
            }
        })
        .map_err(ServerError::System)?;
    Ok(())
}

/// Looks for the trunks' peers while the switch runs.
fn start_resolver(
    local: &[Listen],
    bound: Bound,
    config: watch::Receiver<Arc<Config>>,
    mailbox: mpsc::Sender<Input>,
) {
    let lookup = match DnsLookup::from_system() {
        Ok(lookup) => lookup,
        Err(error) => {
            tracing::warn!(%error, "the system names no name server; trunks are not found");
            return;
        }
    };
    let Ok(entropy) = SystemEntropy::new() else { return };
    let mut transports: Vec<Transport> = local.iter().map(|listen| listen.transport).collect();
    // Nobody can be called back over WebSocket (RFC 7118 §5).
    transports.retain(|transport| !matches!(transport, Transport::Ws | Transport::Wss));
    transports.dedup();
    let has_ipv4 = local.iter().any(|listen| listen.address.is_ipv4());
    let has_ipv6 = local.iter().any(|listen| listen.address.is_ipv6());
    let resolver = Resolver::new(Arc::new(lookup), &transports, has_ipv4, has_ipv6);
    tokio::spawn(resolve::run(resolver, Box::new(entropy), config, bound, mailbox));
}

/// What the store has to say.
fn store_samples(counts: StoreCounts) -> Vec<Sample> {
    vec![
        Sample::counter("store_written_total", "Changes written to the database.", counts.written),
        Sample::counter(
            "store_failed_total",
            "Transactions of the database that failed.",
            counts.failed_transactions,
        ),
        Sample::counter("store_lost_total", "Changes lost: too many waited.", counts.lost),
        Sample::gauge(
            "store_waiting",
            "Changes that wait because the disk refuses them.",
            counts.waiting,
        ),
    ]
}
