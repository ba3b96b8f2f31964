//! Tables for people: columns aligned, numbers to the right.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Renders rows below a head; a column with `true` holds numbers.
pub(crate) fn render(head: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|(name, is_number)| cell(name, *is_number)));
    for row in rows {
        let numbers = head.iter().map(|(_, is_number)| *is_number);
        table.add_row(
            row.iter()
                .zip(numbers)
                .map(|(text, is_number)| cell(text, is_number)),
        );
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        // The first column begins at the margin.
        let left = if i == 0 { 0 } else { 2 };
        column.set_padding((left, 0));
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn cell(text: &str, is_number: bool) -> Cell {
    let alignment = if is_number {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    };
    Cell::new(printable(text)).set_alignment(alignment)
}

/// Control characters could move the cursor or ring: they are shown by their code.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_on_the_right() {
        let rows = vec![
            vec!["United Kingdom".to_owned(), "8187806.364".to_owned()],
            vec!["EIRE\u{1b}[2J".to_owned(), "7.5".to_owned()],
        ];
        let text = render(&[("country", false), ("revenue", true)], rows);
        let expected = "country             revenue
United Kingdom  8187806.364
EIRE\\u{1b}[2J           7.5";
        assert_eq!(text, expected);
    }
}
