//! Puts what was found in place of what was expected. Decisions only.

/// Rows to be put in place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Lines before the first row.
    pub(crate) before: usize,
    /// Rows that go.
    pub(crate) removed: usize,
    /// Rows that come.
    pub(crate) rows: Vec<String>,
}

/// A file with edits carried out; they do not overlap, and are in the order of their lines.
pub(crate) fn updated(text: &str, edits: &[Edit]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for edit in edits.iter().rev() {
        let start = edit.before.min(lines.len());
        let end = (start + edit.removed).min(lines.len());
        lines.splice(start..end, edit.rows.iter().map(String::as_str));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_expectations_are_replaced_and_the_rest_stays() {
        let edit = |before, removed, rows: &[&str]| Edit {
            before,
            removed,
            rows: rows.iter().map(|&row| row.to_owned()).collect(),
        };
        let text = "# top\nexpect a\n{1}\n{2}\n\nexpect b\n# end";
        let edits = [edit(2, 2, &["{3}"]), edit(6, 0, &["{4}", "{5}"])];
        let expected = "# top\nexpect a\n{3}\n\nexpect b\n{4}\n{5}\n# end\n";
        assert_eq!(updated(text, &edits), expected);
    }
}
