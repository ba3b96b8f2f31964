//! Text in a picture: about how wide it is, where it is broken, and how it is written into XML.
//! There are no fonts here, so widths are those of common sans-serif ones, a little too large rather
//! than too small.

/// Width of a text at a font size, in the picture's units.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(of_char).sum::<f64>() * size
}

/// Of one character, as a part of the font size. Source: the widths of Helvetica and of Segoe UI,
/// the larger of both, in steps.
fn of_char(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.30,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | ' ' | '-' | '/' | '"' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.93,
        'A'..='Z' | '_' | '&' | '<' | '>' | '=' | '+' | '*' => 0.70,
        c if c.is_ascii() => 0.58,
        // Other scripts; ideographs and signs are as wide as they are high.
        '\u{2e80}'.. => 1.0,
        _ => 0.66,
    }
}

/// A text in lines of at most this width, broken at blanks and behind `_`, `.` and commas where it
/// can be, and at most so many: what is left over ends in three dots.
pub(super) fn wrap(text: &str, size: f64, most: f64, lines_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        let mut piece = piece;
        if width(&line, size) + width(piece.trim_end(), size) > most && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            piece = piece.trim_start();
        }
        for c in piece.chars() {
            if width(&line, size) + of_char(c) * size > most && !line.is_empty() && c != ' ' {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            line.push(c);
        }
    }
    lines.push(line.trim_end().to_owned());
    if lines.len() > lines_max {
        lines.truncate(lines_max);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last}…"), size, most);
        }
    }
    lines
}

/// Words with what separates them behind.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '_', '.', ','])
}

/// A text of at most this width; one that is longer ends in three dots.
pub(super) fn cut(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut kept = text.trim_end_matches('…').to_owned();
    while kept.pop().is_some() && width(&kept, size) + of_char('…') * size > most {}
    format!("{}…", kept.trim_end())
}

/// As text or a value in quotes in XML. Characters that XML cannot have are shown as U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A count in few characters: `950`, `1.2 k`, `34 M`.
pub(super) fn short(count: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let unit = units.iter().find(|(one, _)| count >= *one * 0.9995);
    let (one, unit) = unit.copied().unwrap_or((1.0, ""));
    let shown = count / one;
    let decimals = usize::from(shown < 9.95 && (shown.fract() > 0.04 && shown.fract() < 0.96));
    format!("{shown:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_broken_where_they_can_be_and_end_in_dots() {
        let lines = |text: &str, most| wrap(text, 10.0, most, 3);
        assert_eq!(lines("readings", 100.0), ["readings"]);
        assert_eq!(
            lines("minute_by_vehicle_and_model", 90.0),
            ["minute_by_", "vehicle_and_", "model"]
        );
        // The blank before a word takes room, too.
        let most = width("by device, model", 10.0) - 1.0;
        assert_eq!(lines("by device, model", most), ["by device,", "model"]);
        for text in ["x".repeat(200), "名".repeat(100), "a b ".repeat(60)] {
            let lines = lines(&text, 90.0);
            assert_eq!(lines.len(), 3);
            assert!(lines[2].ends_with('…'), "{lines:?}");
            assert!(
                lines.iter().all(|line| width(line, 10.0) <= 90.0),
                "{lines:?}"
            );
        }
        assert_eq!(cut("abc", 10.0, 100.0), "abc");
    }

    #[test]
    fn names_cannot_become_elements() {
        assert_eq!(
            escaped("<script>\"&'\u{0}\n"),
            "&lt;script&gt;&quot;&amp;&#39;\u{fffd} "
        );
    }

    #[test]
    fn counts_are_short() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (7.0, "7"),
            (999.4, "999"),
            (999.7, "1 k"),
            (1_234.0, "1.2 k"),
            (56_789.0, "57 k"),
            (3_000_000.0, "3 M"),
        ];
        for (count, expected) in cases {
            assert_eq!(short(count), expected);
        }
    }
}
