//! Wrong usage as one plain sentence.

use clap::error::ErrorKind;

/// The exit code of wrong usage.
pub(super) const EXIT_CODE: u8 = 2;

/// What is wrong with the arguments, what would be right where that is known, and where to read on.
pub(super) fn sentence(wrong: &clap::Error) -> String {
    const READ_ON: &str = "see 'strowger --help'.";
    if wrong.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return format!("A command is missing; {READ_ON}");
    }
    let text = wrong.render().to_string();
    let mut parts: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(reason) = words.strip_prefix("error: ") {
            parts.push(reason.trim_end_matches('.').to_owned());
        } else if let Some(tip) = words.strip_prefix("tip: ") {
            parts.push(tip.to_owned());
        } else if let Some(usage) = words.strip_prefix("Usage: ") {
            parts.push(format!("it is used so: {usage}"));
        }
    }
    parts.push(READ_ON.to_owned());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Arguments;
    use super::sentence;

    fn told(line: &str) -> String {
        sentence(&Arguments::try_parse_from(line.split(' ')).unwrap_err())
    }

    #[test]
    fn wrong_usage_is_one_line_that_names_what_is_wrong_and_what_to_do() {
        for (line, words) in [
            ("strowger", &["command is missing"][..]),
            ("strowger dance", &["'dance'"]),
            ("strowger line", &["'line'", "'lines'"]),
            ("strowger check", &["<FILE>", "strowger check <FILE>"]),
            ("strowger lines --colour", &["'--colour'", "strowger lines"]),
            ("strowger events --after x", &["'x'", "--after <NUMBER>"]),
            ("strowger completions klingon", &["'klingon'", "bash"]),
        ] {
            let told = told(line);
            assert!(!told.contains('\n') && told.ends_with("see 'strowger --help'."), "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
    }
}
