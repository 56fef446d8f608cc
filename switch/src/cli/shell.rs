//! `strowger completions SHELL` and `strowger man`.

use std::io::{Write, stdout};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, CliError};

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "strowger", &mut script);
    stdout().write_all(&script)?;
    Ok(())
}

/// Prints the manual page, one section for each command.
pub(super) fn manual() -> Result<(), CliError> {
    stdout().write_all(&manual_page()?)?;
    Ok(())
}

fn manual_page() -> Result<Vec<u8>, CliError> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let manual = clap_mangen::Man::new(command.clone());
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    for subcommand in command.get_subcommands() {
        let mut subcommand = subcommand.clone();
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        let usage = subcommand.render_usage().to_string();
        writeln!(page, ".SS {}", usage.trim_start_matches("Usage: ").replace('-', "\\-"))?;
        writeln!(page, "{}.", about.replace('-', "\\-"))?;
        for argument in subcommand.get_arguments().filter(|argument| argument.get_id() != "help") {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let name = match argument.get_long() {
                Some(long) => format!("--{long}"),
                None => argument.get_id().as_str().to_uppercase(),
            };
            writeln!(page, ".TP\n\\fB{}\\fR", name.replace('-', "\\-"))?;
            writeln!(page, "{}", help.replace('-', "\\-"))?;
        }
    }
    writeln!(page, ".SH EXIT STATUS\n0 done, 1 refused or failed, 2 wrong usage.")?;
    writeln!(page, ".SH ENVIRONMENT\n.TP\nSTROWGER_TOKEN\nBearer token of client commands.")?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_command() {
        let page = String::from_utf8(manual_page().unwrap()).unwrap();
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!(".SS strowger {name}")), "{name}");
        }
    }

    #[test]
    fn the_completion_script_knows_the_commands() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), "strowger", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("registrations"));
    }
}
