//! The commands of `strowger`: arguments, tables, exit codes.
//!
//! Client commands know nothing of the switch's inside; they talk to the running switch through
//! its control interface. Exit codes: 0 done, 1 refused or failed, 2 usage.

mod client;
mod demo;
mod error;
mod events;
mod init;
mod ladder;
mod records;
mod shell;
mod table;
mod tables;
mod tapi;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use error::CliError;

use crate::server;

/// A SIP softswitch with TAPI semantics.
#[derive(Debug, Parser)]
#[command(name = "strowger", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the switch in the foreground; SIGHUP reloads, SIGTERM drains and stops
    Run(Run),
    /// Validate a configuration and print every fault
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Write a commented configuration with four lines and random secrets
    Init {
        /// The file to write; it must not exist
        #[arg(default_value = "office.toml")]
        file: PathBuf,
    },
    /// Start a switch on free ports with three built-in phones: calls, transfer, park, pickup
    Demo,
    /// Show the lines
    Lines(List),
    /// Show where phones are registered
    Registrations(List),
    /// Show every party's view of every call
    Calls {
        /// Show the SIP messages of this call as a ladder; the call may be over
        #[arg(long, value_name = "CALLID", conflicts_with = "watch")]
        ladder: Option<u32>,
        #[command(flatten)]
        list: List,
    },
    /// Show the media streams, or how packets are forwarded
    Media {
        #[command(flatten)]
        list: List,
        /// Show packets through user space and through the kernel
        #[arg(long)]
        paths: bool,
    },
    /// Show calls that are over: who, when, why it ended, how well it was heard
    CallRecords(Records),
    /// Show the recordings under way and the last that ended
    Recordings(List),
    /// Record what a party of a call says and hears
    Record {
        /// The call
        call: u32,
        /// The party's line
        line: String,
        /// "wav" or "pcap" [default: as the configuration says]
        #[arg(long)]
        format: Option<String>,
        /// End the recording
        #[arg(long, conflicts_with = "format")]
        stop: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show the trunks
    Trunks(List),
    /// Show who waits in which park slot
    Park(List),
    /// Show the pickup groups and what rings in them
    PickupGroups(List),
    /// Show who watches what: busy lamps, message lamps, rooms
    Subscriptions(List),
    /// Show the queues of the call centre
    Queues(List),
    /// Show the agents of the call centre
    Agents(List),
    /// Show which agents serve which groups where
    AgentSessions(List),
    /// Show which sources are banned; lift or impose a ban
    Bans {
        /// Listen to this source again
        #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["watch", "ban"])]
        lift: Option<String>,
        /// Listen to this source no more
        #[arg(long, value_name = "ADDRESS", conflicts_with = "watch")]
        ban: Option<String>,
        /// For how long, such as 2h [default: as after failed logins]
        #[arg(long, value_name = "DURATION", requires = "ban")]
        duration: Option<String>,
        #[command(flatten)]
        list: List,
    },
    /// Follow every TAPI message and registration change, one line each
    Events(Events),
    /// Carry out one TAPI operation and wait for its LINE_REPLY
    Tapi(Tapi),
    /// Say whether the switch takes calls, and what is wrong with it
    Status(Connection),
    /// Let the running switch read its configuration again
    Reload(Connection),
    /// Refuse new calls and wait for the present ones
    Drain(Connection),
    /// Show who waits for whom; with the name of a shell, print its completion script
    Completions {
        /// The shell whose completion script is printed
        shell: Option<Shell>,
        #[command(flatten)]
        list: List,
    },
    /// Print the manual page
    Man,
}

/// `strowger run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// The configuration file [default: office.toml or config/office.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or directives such as info,sip_stack=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How a client command finds the running switch.
#[derive(Clone, Debug, Args)]
struct Connection {
    /// The switch's control interface [default: api.listen of the configuration, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The bearer token [default: STROWGER_TOKEN, else the first admin token of the configuration]
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,
    /// The configuration to take address and token from [default: office.toml or config/office.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Print again whenever something changed, until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Debug, Args)]
struct Records {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Only those of this line
    #[arg(long, value_name = "NUMBER")]
    line: Option<String>,
    /// Only those of this call
    #[arg(long, value_name = "CALLID")]
    call: Option<u32>,
    /// Only calls that ended within so long, such as 90m or 1d
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    since: Option<std::time::Duration>,
    /// So many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Clone, Debug, Args)]
struct Events {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Resume after the event with this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
}

#[derive(Clone, Debug, Args)]
struct Tapi {
    #[command(flatten)]
    connection: Connection,
    /// The TAPI function, such as lineMakeCall
    method: String,
    /// Its parameters as a JSON object; "line" opens that line first, "callId" finds the call on it
    params: Option<String>,
}

/// Parses the arguments and carries the command out.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.use_stderr() => {
            eprintln!("{}", usage::sentence(&wrong));
            return ExitCode::from(usage::EXIT_CODE);
        }
        Err(help) => help.exit(),
    };
    match carry_out(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough; that is no failure.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn carry_out(command: Command) -> Result<(), CliError> {
    match command {
        Command::Run(run) => Ok(server::run(&run)?),
        Command::Check { file } => init::check(&file),
        Command::Init { file } => init::init(&file),
        Command::Demo => demo::run(),
        Command::Lines(list) => tables::show(&tables::LINES, &list),
        Command::Registrations(list) => tables::show(&tables::REGISTRATIONS, &list),
        Command::Calls { ladder: Some(call_id), list } => ladder::show(call_id, &list),
        Command::Calls { ladder: None, list } => tables::show(&tables::CALLS, &list),
        Command::Media { list, paths } => {
            tables::show(if paths { &tables::MEDIA_PATHS } else { &tables::MEDIA }, &list)
        }
        Command::CallRecords(wanted) => records::show(&wanted),
        Command::Recordings(list) => tables::show(&tables::RECORDINGS, &list),
        Command::Record { call, line, format, stop, connection } => {
            records::record(&connection, call, &line, format.as_deref(), stop)
        }
        Command::Trunks(list) => tables::show(&tables::TRUNKS, &list),
        Command::Park(list) => tables::show(&tables::PARK, &list),
        Command::PickupGroups(list) => tables::show(&tables::PICKUP_GROUPS, &list),
        Command::Subscriptions(list) => tables::show(&tables::SUBSCRIPTIONS, &list),
        Command::Queues(list) => tables::show(&tables::QUEUES, &list),
        Command::Agents(list) => tables::show(&tables::AGENTS, &list),
        Command::AgentSessions(list) => tables::show(&tables::AGENT_SESSIONS, &list),
        Command::Bans { lift: Some(source), list, .. } => tables::lift(&source, &list.connection),
        Command::Bans { ban: Some(source), duration, list, .. } => {
            tables::ban(&source, duration.as_deref(), &list.connection)
        }
        Command::Bans { list, .. } => tables::show(&tables::BANS, &list),
        Command::Events(events) => events::follow(&events),
        Command::Tapi(tapi) => tapi::carry_out(&tapi),
        Command::Status(connection) => tables::status(&connection),
        Command::Reload(connection) => tables::reload(&connection),
        Command::Drain(connection) => tables::drain(&connection),
        Command::Completions { shell: Some(shell), .. } => shell::completions(shell),
        Command::Completions { shell: None, list } => tables::show(&tables::COMPLETIONS, &list),
        Command::Man => shell::manual(),
    }
}

/// The configuration file that was named, or the one that lies where it is expected.
pub(crate) fn find_config(named: Option<&PathBuf>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.clone()),
        None => ["office.toml", "config/office.toml"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_interface_is_understood() {
        for line in [
            "run --config office.toml --log-format json --log debug",
            "check office.toml",
            "init",
            "demo",
            "lines --json",
            "registrations --watch",
            "calls --url http://127.0.0.1:1 --token x",
            "calls --ladder 7",
            "media",
            "call-records --line 201 --since 1d --limit 7 --json",
            "call-records --call 9",
            "recordings --watch",
            "record 7 201 --format pcap",
            "record 7 201 --stop",
            "trunks",
            "park --watch",
            "pickup-groups --json",
            "subscriptions --watch",
            "queues --watch",
            "agents --json",
            "agent-sessions",
            "bans --json",
            "bans --lift 192.0.2.7",
            "bans --ban 192.0.2.7 --duration 2h",
            "events --json --after 7",
            "tapi lineGetDevCaps {\"deviceId\":0}",
            "status",
            "reload",
            "drain",
            "completions bash",
            "completions",
            "completions --json --watch",
            "man",
        ] {
            let words = std::iter::once("strowger").chain(line.split(' '));
            assert!(Arguments::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_told_apart_from_refusal() {
        let error = Arguments::try_parse_from(["strowger", "dance"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
