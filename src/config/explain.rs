//! Turns what the TOML reader says into one sentence with a line number and a hint.

use std::path::Path;

use crate::error::Error;

pub(super) fn toml_error(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    let place = match line {
        Some(line) => format!("{}, line {line}", path.display()),
        None => path.display().to_string(),
    };
    let message = error.message().lines().next().unwrap_or("not valid TOML");
    match unknown_key(message) {
        Some((key, known)) => {
            let hint = match nearest(key, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "remove it".to_owned(),
                None => format!("known here: {}", known.join(", ")),
            };
            let what = if message.starts_with("unknown variant") { "value" } else { "key" };
            Error::config(format!("{place}: unknown {what} `{key}`")).hint(hint)
        }
        None => Error::config(format!("{place}: {message}"))
            .hint("the annotated example docs/tandem.example.toml shows every key"),
    }
}

/// Takes serde's "unknown field `a`, expected one of `b`, `c`" apart. If serde ever words it
/// otherwise the plain message is shown, and a test fails.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    Some((key, quoted.collect()))
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(key, name), *name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .min()
        .map(|(_, name)| name)
}
