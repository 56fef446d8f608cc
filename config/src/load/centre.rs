//! Readers of queues, agent groups, agents and the call centre's own settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Section;
use super::features::{destination, own_number, references};
use crate::check::Target;
use crate::model::centre::{
    Agent, AgentGroup, Announcements, CallCentre, Queue, QueueStrategy, WhenEmpty,
};
use crate::secret::Secret;
use crate::sound::Sound;

const SECOND: Duration = Duration::from_secs(1);
/// Most activities to choose from.
const MAX_ACTIVITIES: usize = 100;
/// Most recordings of one kind.
const MAX_SOUNDS: usize = 50;

pub(super) fn queues(root: &Section<'_>) -> BTreeMap<String, Queue> {
    let mut queues = BTreeMap::new();
    for (id, section) in root.children("queues") {
        let queue = queue(&section, &id.value);
        if queue.on_max_wait.is_some() && !section.context.is_partial && !section.has("max_wait") {
            let found = format!("{} has no effect", section.name("on_max_wait"));
            section.fault("on_max_wait", found, "max_wait beside it");
        }
        if queue.on_full.is_some() && !section.context.is_partial && !section.has("max_length") {
            let found = format!("{} has no effect", section.name("on_full"));
            section.fault("on_full", found, "max_length beside it");
        }
        section.finish();
        queues.insert(id.value, queue);
    }
    queues
}

fn queue(section: &Section<'_>, id: &str) -> Queue {
    let number = own_number(section, format!("queue \"{id}\""));
    let delay = |key, default| section.duration(key, Duration::ZERO).unwrap_or(default);
    let strategy = section.choice("strategy", &QueueStrategy::ALL);
    let when_empty = section.choice("when_empty", &WhenEmpty::ALL);
    Queue {
        id: id.to_owned(),
        name: section.label("name").unwrap_or_else(|| id.to_owned()),
        strategy: strategy.unwrap_or(QueueStrategy::LongestIdle),
        groups: references(section, "groups", Target::AgentGroup, false),
        weight: section.integer("weight", 0..=1000).unwrap_or(0),
        ring_timeout: section.duration("ring_timeout", SECOND),
        wrap_up: delay("wrap_up", Duration::ZERO),
        max_wait: section.duration("max_wait", SECOND),
        on_max_wait: destination(section, "on_max_wait", &number),
        max_length: section.integer("max_length", 1..=100_000),
        on_full: destination(section, "on_full", &number),
        when_empty: when_empty.unwrap_or(WhenEmpty::Wait),
        max_misses: section.integer("max_misses", 0..=1000).unwrap_or(3),
        retry: delay("retry", Duration::from_secs(5)),
        no_answer_delay: delay("no_answer_delay", Duration::ZERO),
        busy_delay: delay("busy_delay", Duration::from_secs(60)),
        reject_delay: delay("reject_delay", Duration::from_secs(10)),
        service_level: section.duration("service_level", SECOND).unwrap_or(20 * SECOND),
        answer_after: delay("answer_after", Duration::from_secs(5)),
        answers: section.boolean("answers").unwrap_or(true),
        music: section.sound("music"),
        record: section.boolean("record").unwrap_or(false),
        announcements: announcements(section),
        name_prefix: section.label("name_prefix"),
        alert_info: alert_info(section),
        supervisors: references(section, "supervisors", Target::Line, true),
        number,
    }
}

/// The value goes into a header field as it stands.
fn alert_info(section: &Section<'_>) -> Option<String> {
    let value = section.label("alert_info")?;
    if !value.starts_with('<') || !value.contains('>') {
        let found = format!("{} is no value of Alert-Info", section.name("alert_info"));
        section.fault("alert_info", found, "a URI in angle brackets, then parameters");
    }
    Some(value)
}

fn announcements(section: &Section<'_>) -> Announcements {
    let mut waits: Vec<(Duration, Sound)> = Vec::new();
    for wait in section.array("announce_waits") {
        let below = wait.duration("below", SECOND);
        let sound = wait.sound("sound");
        if below.is_none() && !wait.has("below") {
            wait.missing("below", "the wait for which it is played, such as \"2m\"");
        }
        if sound.is_none() && !wait.has("sound") {
            wait.missing("sound", "the path of a WAV file");
        }
        waits.extend(below.zip(sound));
        wait.finish();
    }
    waits.sort_by_key(|(below, _)| *below);
    let positions = section.sounds("announce_positions");
    if positions.len() > MAX_SOUNDS || waits.len() > MAX_SOUNDS {
        section.fault("announce_positions", "too many recordings", format!("{MAX_SOUNDS} at most"));
    }
    Announcements {
        every: section.duration("announce_every", 5 * SECOND).unwrap_or(30 * SECOND),
        general: section.sound("announcement"),
        positions,
        waits,
        has_tones: section.boolean("announce_tones").unwrap_or(false),
    }
}

pub(super) fn agent_groups(root: &Section<'_>) -> BTreeMap<String, AgentGroup> {
    let mut groups = BTreeMap::new();
    for (id, section) in root.children("agent_groups") {
        let name = section.label("name").unwrap_or_else(|| id.value.clone());
        let supervisors = references(&section, "supervisors", Target::Line, true);
        section.finish();
        groups.insert(id.value.clone(), AgentGroup { id: id.value, name, supervisors });
    }
    groups
}

pub(super) fn agents(root: &Section<'_>) -> BTreeMap<String, Agent> {
    let mut agents = BTreeMap::new();
    for (id, section) in root.children("agents") {
        section.is_number(&id);
        if id.value.contains('*') {
            let found = format!("\"{}\" cannot be told from the PIN behind it", id.value);
            section.context.fault(&id.span, found, "an identifier without \"*\"");
        }
        let line = section.string("line", "the number of a line");
        if let Some(line) = &line {
            section.context.refer(Target::Line, line);
        }
        let password = section.required_secret("password", "PIN");
        let agent = Agent {
            name: section.label("name").unwrap_or_else(|| id.value.clone()),
            password: password.map_or_else(|| Secret::new(""), |password| password.value),
            groups: references(&section, "groups", Target::AgentGroup, false),
            line: line.map(|line| line.value),
            asks_pin: section.boolean("asks_pin").unwrap_or(false),
            id: id.value.clone(),
        };
        section.finish();
        agents.insert(id.value, agent);
    }
    agents
}

pub(super) fn call_centre(root: &Section<'_>) -> CallCentre {
    let mut centre = CallCentre::default();
    let Some(section) = root.table("call_centre") else { return centre };
    let activities = section.names("activities", "a list of names", true);
    if activities.len() > MAX_ACTIVITIES {
        let found = format!("{} activities", activities.len());
        section.fault("activities", found, format!("{MAX_ACTIVITIES} at most"));
    }
    centre.activities = activities.into_iter().map(|activity| activity.value).collect();
    if let Some(time) = section.duration("keep_ended_sessions", SECOND) {
        centre.keep_ended_sessions = time;
    }
    section.finish();
    centre
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, parse};

    const BASE: &str = "domain = \"x.test\"\n[lines.201]\npassword = \"pw\"\n\
                        [agent_groups.a]\nsupervisors = [\"201\"]\n\
                        [agents.jane]\npassword = \"1\"\ngroups = [\"a\"]\nname = \"Jane\"\n";

    fn queue(settings: &str) -> Result<Config, String> {
        let text = format!("{BASE}[queues.q]\nnumber = \"600\"\ngroups = [\"a\"]\n{settings}");
        parse(&text, "x").map_err(|faults| faults[0].found.clone())
    }

    #[test]
    fn a_queue_that_says_little_has_sensible_settings() {
        let config = queue("").unwrap();
        let queue = &config.queues["q"];
        assert_eq!((queue.max_misses, queue.weight, queue.max_length), (3, 0, None));
        assert_eq!(queue.busy_delay, Duration::from_secs(60));
        assert_eq!(queue.when_empty, WhenEmpty::Wait);
        assert!(queue.answers && queue.announcements.is_silent());
        assert_eq!(config.call_centre, CallCentre::default());
        assert_eq!(config.queue_at("600").map(|queue| queue.id.as_str()), Some("q"));
        assert!(config.queue_at("q").is_none());
    }

    #[test]
    fn every_setting_of_a_queue_is_read() {
        let text = "strategy = \"ring-all\"\nweight = 5\nmax_length = 2\non_full = \"201\"\n\
            when_empty = \"leave\"\nmax_misses = 0\nretry = \"1s\"\nno_answer_delay = \"2s\"\n\
            busy_delay = \"3s\"\nreject_delay = \"4s\"\nservice_level = \"30s\"\n\
            answer_after = \"0s\"\nanswers = false\nname_prefix = \"Support: \"\n\
            alert_info = \"<http://ring>;info=queue\"\nsupervisors = [\"201\"]\n\
            announce_every = \"10s\"\nannounce_tones = true\nring_timeout = \"9s\"\n\
            [call_centre]\nactivities = [\"Lunch\"]\n";
        let config = queue(text).unwrap();
        let queue = &config.queues["q"];
        assert_eq!(queue.strategy, QueueStrategy::RingAll);
        assert_eq!((queue.weight, queue.max_length, queue.max_misses), (5, Some(2), 0));
        assert_eq!(queue.on_full.as_deref(), Some("201"));
        assert_eq!(queue.when_empty, WhenEmpty::Leave);
        let delays = [queue.retry, queue.no_answer_delay, queue.busy_delay, queue.reject_delay];
        assert_eq!(delays.map(|delay| delay.as_secs()), [1, 2, 3, 4]);
        assert!(!queue.answers && queue.announcements.has_tones);
        assert_eq!(queue.ring_timeout, Some(Duration::from_secs(9)));
        assert_eq!(config.call_centre.activities, ["Lunch"]);
    }

    #[test]
    fn what_cannot_work_is_a_fault() {
        for (settings, found) in [
            ("on_full = \"201\"\n", "queues.q.on_full has no effect"),
            ("supervisors = [\"299\"]\n", "there is no line \"299\""),
            ("alert_info = \"ring\"\n", "queues.q.alert_info is no value of Alert-Info"),
            ("max_length = 0\n", "queues.q.max_length is 0"),
        ] {
            assert_eq!(queue(settings).unwrap_err(), found, "{settings}");
        }
        let star = format!("{BASE}[agents.\"j*1\"]\npassword = \"1\"\ngroups = [\"a\"]\n");
        assert!(parse(&star, "x").unwrap_err()[0].found.contains("cannot be told from the PIN"));
    }
}
