//! From text to [`Config`]: reads every section, then checks how they fit together.
//!
//! Reading never stops at a fault: each reader notes it and goes on with a plausible value, which is
//! thrown away with the rest, so that one run shows every fault.

mod capture;
mod centre;
mod features;
mod guard;
mod lines;
mod location;
mod record;
mod rim;
mod routes;
mod section;
mod subscriptions;
pub(crate) mod tls;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use self::section::{At, Section};
use crate::Diagnosis;
use crate::check::{self, Claim, Reference, SlotClaim};
use crate::diagnose::Collector;
use crate::model::{Config, Places};
use crate::sound::Sound;

/// Largest configuration file.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Reads and checks a configuration file.
///
/// Errors: every fault of the file, in the order of its lines; a file that cannot be read is one fault
/// at line 1.
pub fn load(path: impl AsRef<Path>) -> Result<Config, Vec<Diagnosis>> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let unreadable = |reason: String| {
        vec![Diagnosis {
            file: name.clone(),
            line: 1,
            column: 1,
            found: format!("the file cannot be read: {reason}"),
            expected: "a configuration file".to_owned(),
            suggestion: None,
        }]
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(unreadable(format!("it is longer than {MAX_FILE_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &name),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let valid = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default()).into_owned();
            let collector = Collector::new(&name, &valid);
            collector.report(&(at..at), "the text is not UTF-8", "UTF-8", None);
            Err(collector.finish())
        }
    }
}

/// Checks a configuration that is at hand as text. `file` appears in the faults, and its folder is where
/// relative paths start.
///
/// Errors: every fault, in the order of the lines.
pub fn parse(text: &str, file: &str) -> Result<Config, Vec<Diagnosis>> {
    let collector = Collector::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        collector.report(&span, error.message(), "TOML", None);
    }
    let broken_lines = collector.faulty_lines();
    let context = Context {
        folder: Path::new(file).parent().unwrap_or(Path::new("")).to_owned(),
        is_partial: !errors.is_empty(),
        faults: collector,
        claims: RefCell::default(),
        slots: RefCell::default(),
        references: RefCell::default(),
        places: RefCell::default(),
        sounds: RefCell::default(),
    };
    let config = read(&context, document.get_ref());
    if context.is_partial {
        // What stands on a line with broken syntax is a consequence of that, not a fault of its own.
        context.faults.discard_consequences(errors.len(), &broken_lines);
    } else {
        check::check(&context, &config);
    }
    if context.faults.is_empty() {
        let places = context.places.into_inner().into_iter();
        let positions =
            places.map(|(name, span)| (name, context.faults.position(span.start))).collect();
        Ok(Config { places: Places { file: file.to_owned(), positions }, ..config })
    } else {
        Err(context.faults.finish())
    }
}

/// What readers share: the faults, and what is checked when everything has been read.
pub(crate) struct Context<'a> {
    pub(crate) faults: Collector<'a>,
    /// The folder where relative paths start.
    pub(crate) folder: PathBuf,
    /// The syntax is broken, so that missing things say nothing.
    pub(crate) is_partial: bool,
    pub(crate) claims: RefCell<Vec<Claim>>,
    pub(crate) slots: RefCell<Vec<SlotClaim>>,
    pub(crate) references: RefCell<Vec<Reference>>,
    places: RefCell<BTreeMap<String, Range<usize>>>,
    /// Recordings by path: each file is read once.
    pub(crate) sounds: RefCell<BTreeMap<PathBuf, Sound>>,
}

impl Context<'_> {
    /// Notes a fault.
    pub(crate) fn fault(
        &self,
        span: &Range<usize>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.faults.report(span, found, expected, None);
    }

    /// Remembers where a setting stands.
    pub(crate) fn place(&self, setting: impl Into<String>, span: &Range<usize>) {
        self.places.borrow_mut().insert(setting.into(), span.clone());
    }

    /// Where a setting stands that was there.
    pub(crate) fn span_of(&self, setting: &str) -> Range<usize> {
        self.places.borrow().get(setting).cloned().unwrap_or(0..0)
    }

    /// A number that is dialled belongs to one thing only.
    pub(crate) fn claim(&self, number: &At<String>, owner: String) {
        let claim = Claim { number: number.value.clone(), owner, span: number.span.clone() };
        self.claims.borrow_mut().push(claim);
    }

    /// The value must name something that exists.
    pub(crate) fn refer(&self, to: check::Target, value: &At<String>) {
        let reference = Reference { to, name: value.value.clone(), span: value.span.clone() };
        self.references.borrow_mut().push(reference);
    }
}

fn read(context: &Context<'_>, table: &DeTable<'_>) -> Config {
    let root = Section::root(context, table);
    let domain = rim::domain(&root);
    let sip = rim::sip(&root);
    let registration = rim::registration(&root);
    let subscriptions = subscriptions::subscriptions(&root);
    let security = guard::security(&root);
    let media = rim::media(&root, &sip);
    let api = rim::api(&root, &sip);
    let state = rim::state(&root);
    let capture = capture::capture(&root);
    let call_records = record::call_records(&root);
    let recording = record::recording(&root);
    let switch = rim::switch(&root);
    let line_defaults = lines::defaults(&root);
    let config = Config {
        domain,
        sip,
        registration,
        security,
        subscriptions,
        media,
        api,
        state,
        capture,
        call_records,
        recording,
        switch,
        lines: lines::lines(&root, &line_defaults),
        line_defaults,
        pickup_groups: features::pickup_groups(&root),
        shared_lines: lines::shared_lines(&root),
        park: features::park(&root),
        hunt_groups: features::hunt_groups(&root),
        conference: features::conference(&root),
        queues: centre::queues(&root),
        agent_groups: centre::agent_groups(&root),
        agents: centre::agents(&root),
        call_centre: centre::call_centre(&root),
        completion: features::completion(&root),
        feature_codes: features::feature_codes(&root),
        trunks: routes::trunks(&root),
        location: location::location(&root),
        routes: routes::routes(&root),
        places: Places::default(),
    };
    root.finish();
    config
}

#[cfg(test)]
mod tests;
