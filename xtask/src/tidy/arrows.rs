//! Which crate may depend on which.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace;

/// Every crate with those of ours that it may depend on. To add an arrow, change docs/design first.
const ALLOWED: &[(&str, &[&str])] = &[
    ("kith-dht", &[]),
    ("kith-log", &[]),
    ("kith-app", &[]),
    ("kith-api", &["kith-app", "kith-log"]),
    ("kith-overlay", &["kith-log", "kith-app"]),
    ("kith-node", &["kith-dht", "kith-overlay", "kith-log", "kith-app", "kith-api"]),
    ("kith-sandbox", &["kith-api", "kith-app"]),
    ("kith-gateway", &["kith-api", "kith-app"]),
    ("kith-web", &["kith-overlay", "kith-api", "kith-app", "kith-log"]),
    ("kith", &["kith-node", "kith-gateway", "kith-sandbox", "kith-api", "kith-app", "kith-log"]),
    // Generates files from the contract.
    ("xtask", &["kith-api"]),
];

/// Tables of a manifest whose entries others get as well. What tests alone use is free.
const TABLES: [&str; 2] = ["dependencies", "build-dependencies"];

pub(super) fn check(files: &[PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in super::manifests::of_crates(files) {
        problems.extend(check_one(path, &workspace::read(path)?)?);
    }
    Ok(problems)
}

fn check_one(path: &Path, text: &str) -> Result<Vec<Problem>> {
    let manifest: toml::Table =
        toml::from_str(text).with_context(|| format!("reading {}", path.display()))?;
    let name = manifest["package"]["name"].as_str().context("a package has a name")?;
    let Some((_, allowed)) = ALLOWED.iter().find(|(of, _)| *of == name) else {
        return Ok(vec![Problem::new(
            path,
            0,
            format!("{name} has no line in the table of arrows"),
        )]);
    };
    let mut used = Vec::new();
    dependencies(&manifest, &mut used);
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        for target in targets.values().filter_map(toml::Value::as_table) {
            dependencies(target, &mut used);
        }
    }
    Ok(used
        .into_iter()
        .filter(|other| is_ours(other) && !allowed.contains(&other.as_str()))
        .map(|other| Problem::new(path, 0, format!("{name} may not depend on {other}")))
        .collect())
}

fn dependencies(manifest: &toml::Table, used: &mut Vec<String>) {
    for table in TABLES {
        if let Some(table) = manifest.get(table).and_then(toml::Value::as_table) {
            // A dependency may go by another name than its crate's.
            let name = |(key, value): (&String, &toml::Value)| {
                value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned()
            };
            used.extend(table.iter().map(name));
        }
    }
}

fn is_ours(name: &str) -> bool {
    ALLOWED.iter().any(|(of, _)| *of == name) || name.starts_with("kith-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_a_problem() {
        let manifest = "[package]\nname = \"kith-log\"\n[dependencies]\nserde = \"1\"\n\
                        [target.'cfg(unix)'.dependencies]\nkith-app = \"1\"\n\
                        [build-dependencies]\nother = { package = \"kith-node\", path = \"…\" }\n";
        let problems = check_one(Path::new("Cargo.toml"), manifest).unwrap();
        let texts: Vec<_> = problems.iter().map(|problem| problem.text.as_str()).collect();
        let expected =
            ["kith-log may not depend on kith-node", "kith-log may not depend on kith-app"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn no_arrow_of_the_table_leads_in_a_circle() {
        fn depth(name: &str, limit: usize) -> usize {
            assert!(limit > 0, "{name} is in a circle");
            let (_, next) = ALLOWED.iter().find(|(of, _)| *of == name).unwrap();
            1 + next.iter().map(|next| depth(next, limit - 1)).max().unwrap_or(0)
        }
        for (name, _) in ALLOWED {
            depth(name, ALLOWED.len());
        }
    }
}
