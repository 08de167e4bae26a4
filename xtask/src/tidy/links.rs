//! Links between pages lead somewhere.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Problem;
use crate::workspace;

pub(super) fn check(files: &[PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        if path.components().any(|part| part.as_os_str() == "vendor") {
            continue;
        }
        for (line, target) in local_links(&workspace::read(path)?) {
            let folder = path.parent().unwrap_or(Path::new(""));
            if !workspace::root().join(folder).join(&target).exists() {
                problems.push(Problem::new(
                    path,
                    line,
                    format!("it links to {target}, which is not there"),
                ));
            }
        }
    }
    Ok(problems)
}

/// Links and images that lead to files, with their lines; anchors and code left out.
fn local_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // What stands between backquotes is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for after in prose.split("](").skip(1) {
            let Some((target, _)) = after.split_once(')') else { continue };
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') {
                links.push((index + 1, file.to_owned()));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_to_files_only() {
        let text = "[a](b.md#c) and [w](https://example.org) ![p](../p.svg)\n`[x](y)` [z](#q)\n```\n[n](n)\n```\n";
        assert_eq!(local_links(text), [(1, "b.md".to_owned()), (1, "../p.svg".to_owned())]);
    }
}
