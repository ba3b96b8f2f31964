//! `explain-error`: the page of an error code.

use mainstem_kernel::Code;

use crate::{args::ExplainError, errors::CliError, failure::Outcome, screen};

/// Prints the page of a code, or the list of all.
pub(crate) fn explain(options: &ExplainError) -> Outcome {
    let text = match &options.code {
        Some(text) => {
            let code: Code = text
                .parse()
                .map_err(|_source| CliError::NoSuchCode { code: text.clone() })?;
            code.page().to_owned()
        }
        None => list(),
    };
    Ok(screen::print(text.as_bytes())?)
}

/// The first line of every page.
fn list() -> String {
    let mut text = String::new();
    for code in Code::ALL {
        let title = code.page().lines().next().unwrap_or_default();
        text.push_str(title.trim_start_matches(['#', ' ']));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_begins_with_it() {
        for code in Code::ALL {
            let title = code.page().lines().next().unwrap_or_default();
            assert!(title.starts_with(&format!("# {code}")), "{code}: {title}");
        }
        assert_eq!(list().lines().count(), Code::ALL.len());
    }
}
