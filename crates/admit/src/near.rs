//! "Did you mean …?" for names of streams. It never guesses wildly.

/// The known name that is nearest to what was written, if one is near.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let reach = (written.chars().count() / 3).clamp(1, 3);
    let near = known.map(|name| (distance(&written, name), name));
    near.filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

/// Characters to insert, delete or replace to get from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_near_and_nothing_else() {
        let known = ["readings", "purchases", "orders"];
        assert_eq!(nearest("Reading", known.into_iter()), Some("readings"));
        assert_eq!(nearest("ordres", known.into_iter()), Some("orders"));
        assert_eq!(nearest("devices", known.into_iter()), None);
    }
}
