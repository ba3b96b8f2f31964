//! "Did you mean …?": the nearest of the names that exist. It never guesses wildly.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The name that is nearest to what was written, if one is near.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let reach = (written.chars().count() / 3).min(3);
    let scored = known.into_iter().map(|name| {
        let lower = name.to_lowercase();
        let distance = levenshtein(&written, &lower);
        let contains = written.len() >= 4 && lower.contains(&written);
        (
            if contains {
                distance.min(reach)
            } else {
                distance
            },
            name,
        )
    });
    scored
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

/// A hint that names the nearest, or else says what there is.
pub(crate) fn did_you_mean<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = nearest(written, known.clone()) {
        return Some(format!("did you mean \"{name}\"?"));
    }
    let mut names: Vec<&str> = known.into_iter().collect();
    let more = names.len().saturating_sub(NAMES_LISTED_MAX);
    names.truncate(NAMES_LISTED_MAX);
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("there are: {}", names.join(", "))),
        (false, more) => Some(format!("there are: {} and {more} more", names.join(", "))),
    }
}

/// Names that a hint lists at most.
const NAMES_LISTED_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_near_and_nothing_else() {
        let known = ["customer_id", "country", "quantity"];
        assert_eq!(nearest("contry", known), Some("country"));
        assert_eq!(nearest("customer", known), Some("customer_id"));
        assert_eq!(nearest("QUANTITTY", known), Some("quantity"));
        assert_eq!(nearest("price", known), None);
        assert_eq!(
            did_you_mean("price", known).as_deref(),
            Some("there are: customer_id, country, quantity")
        );
    }
}
