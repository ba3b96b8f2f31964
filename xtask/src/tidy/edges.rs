//! Which crate uses which: the layer table against `cargo metadata`.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;
use crate::{
    layers::{GUARDED, LAYERS},
    shell,
};

/// Names every edge that the table does not allow.
pub(crate) fn check() -> Result<Vec<Finding>> {
    let args = ["metadata", "--format-version=1", "--no-deps", "--offline"];
    let text = shell::output(&mut shell::command("cargo", &args))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    Ok(packages.iter().flat_map(check_package).collect())
}

fn check_package(package: &Value) -> Vec<Finding> {
    let name = short(package["name"].as_str().unwrap_or_default());
    let file = format!("{name}/Cargo.toml");
    if name == "xtask" {
        return Vec::new();
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
        return vec![Finding::new(
            file,
            "is not in the table of xtask/src/layers.rs",
        )];
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let edges = dependencies.filter_map(|dependency| {
        let used = dependency["name"].as_str()?;
        let is_dev = dependency["kind"].as_str() == Some("dev");
        Some((used, is_dev))
    });
    edges
        .filter_map(|(used, is_dev)| {
            let rule = broken_rule(layer.name, layer.may_use, used, is_dev)?;
            Some(Finding::new(file.clone(), rule))
        })
        .collect()
}

/// The rule that the edge from `name` to `used` breaks, if it breaks one.
fn broken_rule(name: &str, may_use: &[&str], used: &str, is_dev: bool) -> Option<String> {
    let ours = LAYERS.iter().any(|layer| layer.name == short(used));
    if ours && used.starts_with("mainstem") {
        let used = short(used);
        let allowed = may_use.contains(&used) || is_dev;
        return (!allowed).then(|| {
            format!(
                "forbidden edge {name} → {used}: the table allows {}",
                may_use.join(", ")
            )
        });
    }
    let (_, users, why) = GUARDED.iter().find(|(library, ..)| *library == used)?;
    (!users.contains(&name)).then(|| format!("forbidden library {used}: {why}"))
}

/// `mainstem-log` → `log`; the program itself is `mainstem`.
fn short(package: &str) -> &str {
    package.strip_prefix("mainstem-").unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_forbidden_edge_and_library() {
        assert!(broken_rule("log", &["kernel", "disk"], "mainstem-sql", false).is_some());
        assert!(broken_rule("log", &["kernel", "disk"], "mainstem-disk", false).is_none());
        assert!(broken_rule("log", &["kernel"], "datafusion", false).is_some());
        assert!(broken_rule("sql", &["kernel"], "datafusion", false).is_none());
    }
}
