//! The page of settings, made from `default.toml` so that it cannot say anything else.

use crate::DEFAULT_TOML;

/// The page `docs/reference/settings.md`.
#[must_use]
pub fn settings_page() -> String {
    let mut page = String::from(
        "# Settings\n\nMade from `crates/node/src/default.toml` by `cargo xtask codegen`.\n",
    );
    let mut is_code = false;
    for line in DEFAULT_TOML.lines() {
        let wants_code = !line.is_empty() && !line.starts_with(['#', '[']);
        if let Some(section) = line.strip_prefix('[') {
            close(&mut page, &mut is_code);
            page.push_str(&format!("\n## {}\n\n", section.trim_end_matches(']')));
            continue;
        }
        if wants_code && !is_code {
            page.push_str("\n```toml\n");
            is_code = true;
        } else if !wants_code {
            close(&mut page, &mut is_code);
        }
        page.push_str(line.strip_prefix('#').map_or(line, str::trim_start));
        page.push('\n');
    }
    close(&mut page, &mut is_code);
    page
}

/// Ends a block of code, if one is open.
fn close(page: &mut String, is_code: &mut bool) {
    if std::mem::take(is_code) {
        page.push_str("```\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_page_is_current() {
        expect_test::expect_file!["../../../../docs/reference/settings.md"]
            .assert_eq(&settings_page());
    }
}
