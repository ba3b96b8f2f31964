//! Rules for Rust files: a module doc, a length, no leftovers, one word for one thing.

use super::{File, Finding};
use crate::shell;

/// Lines of a file without its tests.
const LINES_MAX: usize = 600;

/// What must not stay behind, and what to do instead.
const LEFTOVERS: &[(&str, &str)] = &[
    (
        "#[ignore",
        "an ignored test proves nothing: give it a budget or delete it",
    ),
    ("#[should_panic", "assert on the error instead"),
    ("unimplemented!(", "finish it"),
    ("todo!(", "finish it"),
    ("FIXME", "mend it, or name an issue"),
];

/// Words that another word has replaced: (word, crates that may say it, the word to use).
const WORDS: &[(&str, &[&str], &str)] = &[
    ("shard", &[], "partition"),
    // What Kafka has: those who meet it say so, and FOREIGN STREAM names one.
    (
        "topic",
        &[
            "admit", "app", "catalog", "cluster", "gateway", "mainstem", "node", "sql", "wire",
        ],
        "stream",
    ),
    ("encrypt", &["guard"], "seal"),
];

/// Checks every Rust file.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let debts = debts();
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.flat_map(|file| check_file(file, &debts)).collect()
}

fn check_file(file: &File, debts: &[String]) -> Vec<Finding> {
    // This file spells out what it forbids.
    if file.path.ends_with("tidy/sources.rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut say = |rule: String| findings.push(Finding::new(file.path.clone(), rule));
    if !file.text.starts_with("//!") && !file.path.ends_with("/tests.rs") {
        say("begins without a `//!` line that says its duty".to_owned());
    }
    let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let lines = code_lines(&file.text);
    let in_debt = debts.contains(&file.path);
    if !is_test && lines > LINES_MAX && !in_debt {
        say(format!(
            "has {lines} lines without tests, {LINES_MAX} are allowed"
        ));
    }
    if in_debt && lines <= LINES_MAX {
        say("is short enough now: take it off xtask/debt.txt".to_owned());
    }
    for (leftover, instead) in LEFTOVERS {
        if file.text.contains(leftover) {
            say(format!("holds `{leftover}`: {instead}"));
        }
    }
    if file.text.contains("TODO") && !file.text.contains("TODO(#") {
        say("holds a TODO without an issue number: TODO(#12)".to_owned());
    }
    let owner = file
        .path
        .strip_prefix("crates/")
        .and_then(|path| path.split('/').next());
    for (word, owners, instead) in WORDS {
        let allowed = owner.is_none_or(|owner| owner == "kernel" || owners.contains(&owner));
        if !allowed && has_word(&file.text, word) {
            say(format!(
                "says \"{word}\": we say \"{instead}\" (glossary in kernel/src/lib.rs)"
            ));
        }
    }
    findings
}

/// Lines above the module of tests.
fn code_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| *line != "mod tests {")
        .count()
}

/// Whether `word` stands in the text by itself, in any case, plural or not.
fn has_word(text: &str, word: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.split(|c: char| !c.is_ascii_alphabetic())
        .any(|found| found == word || found.strip_suffix('s') == Some(word))
}

/// Files that are longer than allowed, each with a reason; the list may only shrink.
fn debts() -> Vec<String> {
    let text = std::fs::read_to_string(shell::root().join("xtask/debt.txt")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        let file = File {
            path: "crates/log/src/x.rs".to_owned(),
            text: text.to_owned(),
        };
        check_file(&file, &[])
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn wants_a_module_doc_and_no_leftovers() {
        assert_eq!(rules("//! Duty.\nfn a() {}\n").len(), 0);
        assert_eq!(rules("fn a() {}\n").len(), 1);
        assert_eq!(rules("//! Duty.\n#[ignore]\nfn a() { todo!() }\n").len(), 2);
    }

    #[test]
    fn counts_lines_up_to_the_tests() {
        let long = "//! Duty.\n".to_owned() + &"x\n".repeat(LINES_MAX);
        assert_eq!(rules(&long).len(), 1);
        let tested = "//! Duty.\nmod tests {\n".to_owned() + &"x\n".repeat(LINES_MAX);
        assert_eq!(rules(&tested).len(), 0);
    }

    #[test]
    fn knows_words_from_parts_of_words() {
        assert_eq!(rules("//! A topic.\n").len(), 1);
        assert_eq!(rules("//! Topics.\n").len(), 1);
        assert_eq!(rules("//! Isotopic.\n").len(), 0);
    }
}
