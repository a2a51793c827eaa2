//! Reading Rust sources as tokens, just far enough for checks on a source tree: which paths a file
//! names, which macros it calls, which functions it has, and which of that is test code.
//!
//! It is no parser: it knows comments, literals, `use` trees and `#[cfg(test)]`, and nothing of types
//! or name resolution. What it cannot see (a path put together by a macro) it does not guess.

#![allow(dead_code, reason = "each test crate that includes this module uses its own part of it")]
#![allow(clippy::panic, clippy::expect_used, reason = "only tests include this module")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One lexical token that is neither comment nor literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its spelling; `::` is one token, raw identifiers come without `r#`.
    pub text: String,
    /// Line, from one.
    pub line: usize,
    /// Inside an item under `#[cfg(test)]` or `#[test]`.
    pub test: bool,
}

/// A path as it is written, `use` trees unfolded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `["crate", "store", "Store"]`.
    pub segments: Vec<String>,
    /// Line of its first segment.
    pub line: usize,
    /// Whether test code names it.
    pub test: bool,
}

/// One source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the package root, with `/`.
    pub path: String,
    /// Number of lines.
    pub lines: usize,
    /// Whether it starts with a module head (`//!`).
    pub has_head: bool,
    tokens: Vec<Token>,
}

impl Source {
    /// Reads `text` as the file `path`.
    pub fn parse(path: &str, text: &str) -> Self {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        Self { path: path.to_owned(), lines: text.lines().count(), has_head: text.starts_with("//!"), tokens }
    }

    /// Every path of two or more segments, and every single name that is imported.
    pub fn paths(&self) -> Vec<Named> {
        let tokens = &self.tokens;
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map(|index| tokens[index].text.as_str());
            if tokens[at].text == "use" && tokens.get(at + 1).is_some_and(|token| token.text != "<") {
                at = tree(tokens, at + 1, &[], &mut found);
            } else if is_name(&tokens[at].text) && !matches!(before, Some("::" | ".")) {
                let (path, next) = plain_path(tokens, at);
                if path.segments.len() > 1 {
                    found.push(path);
                }
                at = next;
            } else {
                at += 1;
            }
        }
        found
    }

    /// Lines outside tests that spell one of `words`.
    pub fn spells<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = (&'a str, usize)> {
        let spelled = |token: &&Token| !token.test && words.contains(&token.text.as_str());
        self.tokens.iter().filter(spelled).map(|token| (token.text.as_str(), token.line))
    }

    /// Names of the macros called, with line and whether test code calls them.
    pub fn macros<'a>(&'a self) -> impl Iterator<Item = (&'a str, usize, bool)> {
        let called = |window: &&[Token]| {
            is_name(&window[0].text) && window[1].text == "!" && matches!(window[2].text.as_str(), "(" | "[" | "{")
        };
        let name = |window: &'a [Token]| (window[0].text.as_str(), window[0].line, window[0].test);
        self.tokens.windows(3).filter(called).map(name)
    }

    /// Names of the functions that are tests.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        let tokens = &self.tokens;
        let starts =
            (0..tokens.len().saturating_sub(1)).filter(|at| tokens[*at].text == "#" && tokens[at + 1].text == "[");
        starts.filter_map(|at| {
            let end = closing(tokens, at + 1);
            let attribute = tokens[at + 2..end].iter().map(|token| token.text.as_str()).collect::<Vec<_>>();
            if !matches!(&attribute[..], ["test", ..] | ["tokio", "::", "test", ..]) {
                return None;
            }
            let keyword = tokens[end..].iter().position(|token| token.text == "fn")?;
            tokens.get(end + keyword + 1).map(|token| token.text.as_str())
        })
    }

    /// Modules declared here whose code is elsewhere, and whether they are test code.
    fn declared(&self) -> impl Iterator<Item = (&str, bool)> {
        let declares = |window: &&[Token]| window[0].text == "mod" && window[2].text == ";";
        self.tokens.windows(3).filter(declares).map(|window| (window[1].text.as_str(), window[1].test))
    }

    /// Where the modules declared here live: `src/sync` for `src/sync/mod.rs`, `src/sync/plan` for
    /// `src/sync/plan.rs`.
    fn folder(&self) -> &str {
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        match name {
            "mod.rs" | "lib.rs" | "main.rs" => parent,
            _ => self.path.trim_end_matches(".rs"),
        }
    }
}

/// All Rust files under the folders `under` of the package, in order of their paths. Whole files that
/// are only compiled for tests have all their tokens marked so.
pub fn read_tree(under: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeSet::new();
    for folder in under {
        collect(&root.join(folder), &mut files);
    }
    let mut sources = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let path = file.strip_prefix(root).expect("collected below the root").to_string_lossy().replace('\\', "/");
            Source::parse(&path, &text)
        })
        .collect::<Vec<_>>();
    mark_test_files(&mut sources);
    sources
}

/// Marks files that are reached only through a `#[cfg(test)] mod name;`.
pub fn mark_test_files(sources: &mut [Source]) {
    let roots = sources
        .iter()
        .flat_map(|source| {
            source.declared().filter(|(_, test)| *test).map(|(name, _)| format!("{}/{name}", source.folder()))
        })
        .collect::<Vec<_>>();
    for source in sources {
        let below = |root: &String| {
            source.path.strip_prefix(root.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if roots.iter().any(below) {
            source.tokens.iter_mut().for_each(|token| token.test = true);
        }
    }
}

fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path);
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

/// The path that starts at `at`, and the token after it. Stops at generics and at groups.
fn plain_path(tokens: &[Token], at: usize) -> (Named, usize) {
    let mut path = Named { segments: vec![tokens[at].text.clone()], line: tokens[at].line, test: tokens[at].test };
    let mut next = at + 1;
    while let [colons, name, ..] = &tokens[next..]
        && colons.text == "::"
        && is_name(&name.text)
    {
        path.segments.push(name.text.clone());
        next += 2;
    }
    (path, next)
}

/// Unfolds one `use` tree that starts at `at` below `prefix`; returns the token after it.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        at += 1;
    }
    let Some(first) = tokens.get(at) else { return at };
    let mut segments = prefix.to_vec();
    let mut next = at;
    if is_name(&first.text) {
        let (path, after) = plain_path(tokens, at);
        segments.extend(path.segments.into_iter().filter(|name| prefix.is_empty() || name != "self"));
        next = after;
        if tokens.get(next).is_some_and(|token| token.text == "::") {
            next += 1;
        }
    }
    match tokens.get(next).map(|token| token.text.as_str()) {
        Some("{") => {
            next += 1;
            while tokens.get(next).is_some_and(|token| token.text != "}") {
                let after = tree(tokens, next, &segments, found);
                // A tree always moves on, or the text is not Rust.
                next = after.max(next + usize::from(after == next));
                if tokens.get(next).is_some_and(|token| token.text == ",") {
                    next += 1;
                }
            }
            next + 1
        }
        star => {
            next += usize::from(star == Some("*"));
            found.push(Named { segments, line: first.line, test: first.test });
            if tokens.get(next).is_some_and(|token| token.text == "as") {
                next += 2;
            }
            next
        }
    }
}

/// Cuts `text` into tokens without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars = text.chars().collect::<Vec<_>>();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&first) = chars.get(at) {
        let end = match first {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(&chars, at),
            '"' => string_end(&chars, at),
            '\'' => quote_end(&chars, at),
            _ if first == '_' || first.is_alphanumeric() => word(&chars, at, line, &mut found),
            ':' if chars.get(at + 1) == Some(&':') => {
                found.push(Token { text: "::".to_owned(), line, test: false });
                at + 2
            }
            _ => {
                if !first.is_whitespace() {
                    found.push(Token { text: first.to_string(), line, test: false });
                }
                at + 1
            }
        };
        line += chars[at..end].iter().filter(|char| **char == '\n').count();
        at = end;
    }
    found
}

/// Reads a word: a name, a number, or the prefix of a literal, which is then skipped with it.
fn word(chars: &[char], at: usize, line: usize, found: &mut Vec<Token>) -> usize {
    let mut end = at + chars[at..].iter().take_while(|char| **char == '_' || char.is_alphanumeric()).count();
    let mut text = chars[at..end].iter().collect::<String>();
    let hashes = chars[end..].iter().take_while(|char| **char == '#').count();
    match text.as_str() {
        "r" | "br" | "cr" if chars.get(end + hashes) == Some(&'"') => return raw_string_end(chars, end, hashes),
        "b" | "c" if chars.get(end) == Some(&'"') => return string_end(chars, end),
        "b" if chars.get(end) == Some(&'\'') => return quote_end(chars, end),
        "r" if hashes == 1 => {
            let name = chars[end + 1..].iter().take_while(|char| **char == '_' || char.is_alphanumeric()).count();
            text = chars[end + 1..end + 1 + name].iter().collect();
            end += 1 + name;
        }
        _ => {}
    }
    found.push(Token { text, line, test: false });
    end
}

fn line_end(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|char| **char != '\n').count()
}

fn block_comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// After the string whose opening quote is at `at`.
fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while let Some(char) = chars.get(at) {
        match char {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// After the raw string whose `hashes` signs start at `at`.
fn raw_string_end(chars: &[char], at: usize, hashes: usize) -> usize {
    let mut end = at + hashes + 1;
    while end < chars.len() {
        let closes =
            chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes;
        if closes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    end
}

/// After the character literal at `at`, or after the quote of a lifetime.
fn quote_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            at + 3 + chars[(at + 3).min(chars.len())..].iter().take_while(|char| **char != '\'').count() + 1
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
    .min(chars.len())
}

/// Marks the items under `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]` and `#[tokio::test]`.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at + 1 < tokens.len() {
        if tokens[at].text != "#" || tokens[at + 1].text != "[" {
            at += 1;
            continue;
        }
        let end = closing(tokens, at + 1);
        let attribute = tokens[at + 2..end].iter().map(|token| token.text.as_str()).collect::<Vec<_>>();
        let has = |word: &str| attribute.contains(&word);
        let is_test = match attribute.first() {
            Some(&"cfg") => has("test") && !has("not"),
            Some(&("test" | "tokio")) => has("test"),
            _ => false,
        };
        if !is_test {
            at = end + 1;
            continue;
        }
        let last = item_end(tokens, end + 1);
        tokens[at..=last].iter_mut().for_each(|token| token.test = true);
        at = last + 1;
    }
}

/// The last token of the item (or field, or expression) that starts at `at`, attributes before it included.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let last = tokens.len() - 1;
    let mut item = false;
    while at < last {
        // In an item a comma belongs to its generics; elsewhere it ends the field or expression.
        item |= matches!(
            tokens[at].text.as_str(),
            "fn" | "mod" | "impl" | "struct" | "enum" | "trait" | "use" | "const" | "static" | "type" | "macro_rules"
        );
        match tokens[at].text.as_str() {
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at) + 1,
            ";" => return at,
            "," if !item => return at,
            // The end of what the item is in: a last field without a comma.
            "}" => return at - 1,
            _ => at += 1,
        }
    }
    last
}

/// The bracket that closes the one at `at`.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len() - 1
}
