//! The Prometheus text format over plain counters.

use std::fmt::Write;
use std::sync::Arc;

use crate::exchange::counters::Counters;

/// One value at the moment of reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    name: String,
    kind: &'static str,
    help: String,
    labels: String,
    value: u64,
}

impl Sample {
    /// A value that only rises.
    pub fn counter(name: impl Into<String>, help: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), kind: "counter", help: help.into(), labels: String::new(), value }
    }

    /// A value that rises and falls.
    pub fn gauge(name: impl Into<String>, help: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), kind: "gauge", help: help.into(), labels: String::new(), value }
    }

    /// The same of one thing among several, `name="value"`.
    #[must_use]
    pub fn of(mut self, name: &str, value: &str) -> Self {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        self.labels = format!("{{{name}=\"{value}\"}}");
        self
    }
}

/// Values whose names begin with the same word.
#[derive(Clone, Copy, Debug)]
pub struct Family(pub &'static str);

impl Family {
    /// `{family}_{name}_total`, which only rises.
    pub fn counter(self, name: &str, help: &str, value: u64) -> Sample {
        Sample::counter(format!("{}_{name}_total", self.0), help, value)
    }

    /// `{family}_{name}`, which rises and falls.
    pub fn gauge(self, name: &str, help: &str, value: u64) -> Sample {
        Sample::gauge(format!("{}_{name}", self.0), help, value)
    }
}

/// Reads values that live elsewhere when somebody asks for them.
pub type Source = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Everything that `/metrics` shows.
pub struct Metrics {
    counters: Arc<Counters>,
    sources: Vec<Source>,
}

impl Metrics {
    /// The exchange's counters and whatever the sources add.
    pub fn new(counters: Arc<Counters>, sources: Vec<Source>) -> Self {
        Self { counters, sources }
    }

    /// One more source.
    #[must_use]
    pub fn and(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// The Prometheus text, every name with the prefix `strowger_`.
    pub fn text(&self, more: Vec<Sample>) -> String {
        let mut text = String::new();
        write_sample(
            &mut text,
            "build_info",
            "gauge",
            "Version of the switch; the value is always 1.",
            concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
            1,
        );
        for (name, kind, help, value) in self.counters.snapshot() {
            write_sample(&mut text, name, kind, help.trim(), "", value);
        }
        let read = self.sources.iter().flat_map(|source| source());
        let centre = self.counters.centre.load();
        let mut last = String::new();
        for sample in read.chain(more).chain(centre.iter().cloned()) {
            // What is said of several things is explained once.
            if sample.name == last {
                let _ =
                    writeln!(text, "strowger_{}{} {}", sample.name, sample.labels, sample.value);
                continue;
            }
            last.clone_from(&sample.name);
            let Sample { name, kind, help, labels, value } = sample;
            write_sample(&mut text, &name, kind, &help, &labels, value);
        }
        text
    }
}

fn write_sample(text: &mut String, name: &str, kind: &str, help: &str, labels: &str, value: u64) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP strowger_{name} {help}");
    let _ = writeln!(text, "# TYPE strowger_{name} {kind}");
    let _ = writeln!(text, "strowger_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::counters::count;

    #[test]
    fn shows_each_value_with_help_and_kind() {
        let counters = Arc::new(Counters::default());
        count(&counters.calls_answered_total);
        let metrics = Metrics::new(
            counters,
            vec![Box::new(|| vec![Sample::counter("media_packets_total", "Packets.", 7)])],
        );
        let text = metrics.text(vec![Sample::gauge("tapi_connections", "Open.", 2)]);
        assert!(text.contains("# TYPE strowger_calls_answered_total counter\n"));
        assert!(text.contains("\nstrowger_calls_answered_total 1\n"));
        assert!(text.contains("\nstrowger_media_packets_total 7\n"));
        assert!(text.contains("\nstrowger_tapi_connections 2\n"));
    }

    #[test]
    fn what_is_said_of_several_things_is_explained_once() {
        let counters = Arc::new(Counters::default());
        let waiting = |queue: &str, value| {
            Sample::gauge("queue_waiting", "Calls that wait.", value).of("queue", queue)
        };
        counters.centre.store(Arc::new(vec![waiting("support", 2), waiting("sales \"a\"", 0)]));
        let text = Metrics::new(counters, Vec::new()).text(Vec::new());
        assert!(text.contains("\nstrowger_queue_waiting{queue=\"support\"} 2\n"), "{text}");
        assert!(text.contains("\nstrowger_queue_waiting{queue=\"sales \\\"a\\\"\"} 0\n"), "{text}");
        assert_eq!(text.matches("# TYPE strowger_queue_waiting gauge").count(), 1);
    }

    #[test]
    fn every_line_is_a_comment_or_a_value_of_ours() {
        let text = Metrics::new(Arc::default(), Vec::new()).text(Vec::new());
        for line in text.lines() {
            let is_comment =
                line.starts_with("# HELP strowger_") || line.starts_with("# TYPE strowger_");
            let is_value = line.starts_with("strowger_")
                && line.rsplit(' ').next().is_some_and(|value| value.parse::<u64>().is_ok());
            assert!(is_comment || is_value, "{line}");
        }
    }
}
