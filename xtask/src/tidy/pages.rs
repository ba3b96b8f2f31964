//! Rules for pages: links lead somewhere, the files that ARCHITECTURE.md names exist, and error
//! pages and codes are in pairs.

use super::{File, Finding, exists};

/// Checks every page.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(dead_links(page));
    }
    for file in files {
        match file.path.as_str() {
            "ARCHITECTURE.md" => findings.extend(missing_files(file)),
            "crates/kernel/src/fault/code.rs" => findings.extend(unpaired_codes(file, files)),
            _ => {}
        }
    }
    findings
}

/// Links of the form `](path)` that lead nowhere.
fn dead_links(page: &File) -> Vec<Finding> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let links = page
        .text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let local = links.map(|(link, _)| link).filter(|link| {
        !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
    });
    local
        .filter_map(|link| {
            let path = link.split('#').next().unwrap_or(link);
            let from_root = match path.strip_prefix('/') {
                Some(path) => path.to_owned(),
                None => format!("{folder}/{path}")
                    .trim_start_matches('/')
                    .to_owned(),
            };
            let rule = format!("links to {link}, which does not exist");
            (!exists(&from_root)).then(|| Finding::new(page.path.clone(), rule))
        })
        .collect()
}

/// Files in backticks with a folder in their name that do not exist.
fn missing_files(page: &File) -> Vec<Finding> {
    let quoted = page.text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|text| {
        let is_file = [".rs", ".toml", ".md", ".sql", ".txt"]
            .iter()
            .any(|end| text.ends_with(end));
        is_file && text.contains('/') && !text.contains(['<', '*', ' ', '{'])
    });
    paths
        .filter(|path| !exists(path))
        .map(|path| {
            Finding::new(
                page.path.clone(),
                format!("names {path}, which does not exist"),
            )
        })
        .collect()
}

/// Pages without a code, and codes that no source raises.
fn unpaired_codes(codes: &File, files: &[File]) -> Vec<Finding> {
    let pages = files.iter().filter_map(|file| {
        let code = file
            .path
            .strip_prefix("docs/errors/")?
            .strip_suffix(".md")?;
        (code != "README").then_some((file, code))
    });
    let orphans = pages
        .filter(|(_, code)| !codes.text.contains(&format!("\"{code}\"")))
        .map(|(page, _)| Finding::new(page.path.clone(), "explains a code that does not exist"));
    let unused = codes.text.lines().filter_map(|line| {
        let (name, _) = line
            .trim()
            .split_once(" = \"")
            .filter(|(name, _)| is_name(name))?;
        let raised = files.iter().any(|file| {
            file.path.ends_with(".rs")
                && file.path != codes.path
                && file.text.contains(&format!("Code::{name}"))
        });
        (!raised).then(|| Finding::new(codes.path.clone(), format!("{name} is raised nowhere")))
    });
    orphans.chain(unused).collect()
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_dead_links_and_missing_files() {
        let page = |text: &str| File {
            path: "docs/x.md".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            dead_links(&page("[a](../README.md) [b](https://x.example) [c](#d)")).len(),
            0
        );
        assert_eq!(dead_links(&page("[a](nowhere.md)")).len(), 1);
        assert_eq!(
            missing_files(&page("`xtask/src/main.rs` `crates/no/src/no.rs`")).len(),
            1
        );
    }
}
