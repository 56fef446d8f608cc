//! The command line of the load programs: options by name, one table, an exit code.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// What stands behind an option: its number, taken when the option wants one.
pub struct Value<'a> {
    name: &'a str,
    arguments: &'a mut dyn Iterator<Item = String>,
}

impl Value<'_> {
    /// A number.
    ///
    /// Errors: nothing follows, or no number of this size.
    pub fn number<T: FromStr>(&mut self) -> Result<T, Box<dyn Error>> {
        let name = self.name;
        let text = self.arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
        Ok(text.parse().map_err(|_| format!("{name}: {text} is no number"))?)
    }

    /// So many seconds.
    ///
    /// Errors: as [`Value::number`].
    pub fn seconds(&mut self) -> Result<Duration, Box<dyn Error>> {
        Ok(Duration::from_secs(self.number::<u32>()?.into()))
    }
}

/// Takes an option over by its name; `false` for one that it does not know.
pub type Set<O> = fn(&mut O, &str, &mut Value<'_>) -> Result<bool, Box<dyn Error>>;

/// A load program: its name, what `--help` says, what an option sets, how it runs, whether its report
/// tells of no failure.
pub struct LoadProgram<O, R> {
    /// Its name, which precedes what it has to complain of.
    pub name: &'static str,
    /// Printed for `--help`.
    pub help: &'static str,
    /// Takes an option over.
    pub set: Set<O>,
    /// Measures.
    pub run: fn(&O) -> Result<R, Box<dyn Error>>,
    /// Whether the report tells of no failure.
    pub is_clean: fn(&R) -> bool,
}

impl<O: Default, R: Display> LoadProgram<O, R> {
    /// Reads the command line, runs, prints the report: a program's whole `main`.
    pub fn main(&self) -> ExitCode {
        let report = self.options(std::env::args().skip(1)).and_then(|options| match options {
            Some(options) => (self.run)(&options).map(Some),
            None => Ok(None),
        });
        match report {
            Ok(None) => {
                println!("{}", self.help);
                ExitCode::SUCCESS
            }
            Ok(Some(report)) => {
                println!("\n{report}");
                if (self.is_clean)(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("{}: {error}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    /// The options of a command line; none when it asks for help.
    fn options(
        &self,
        arguments: impl Iterator<Item = String>,
    ) -> Result<Option<O>, Box<dyn Error>> {
        let mut options = O::default();
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            if matches!(name.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            let mut value = Value { name: &name, arguments: &mut arguments };
            if !(self.set)(&mut options, &name, &mut value)? {
                return Err(format!("{name} is not known; see --help").into());
            }
        }
        Ok(Some(options))
    }
}
