//! What tests need beyond Rust, from Debian's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// A program that tests, or another chore, start.
struct Need {
    /// A program in `PATH`, or an absolute path.
    file: &'static str,
    /// Debian's package of it.
    package: &'static str,
    used_by: UsedBy,
}

/// Who needs a program.
#[derive(Clone, Copy)]
enum UsedBy {
    /// All, or building them.
    All,
    /// Rust's, in files with this prefix.
    Prefix(&'static str),
    /// The browser tests.
    Browser,
    /// No test, but `cargo xtask wasm` or `cargo xtask windows`.
    Target,
}

const NEEDS: &[Need] = &[
    Need { file: "node", package: "nodejs", used_by: UsedBy::Browser },
    Need { file: "npm", package: "npm", used_by: UsedBy::Browser },
    Need { file: "chromium", package: "chromium", used_by: UsedBy::Browser },
    Need { file: "chromedriver", package: "chromium-driver", used_by: UsedBy::Browser },
    Need { file: "clang", package: "clang", used_by: UsedBy::Target },
    Need {
        file: "x86_64-w64-mingw32-gcc",
        package: "gcc-mingw-w64-x86-64",
        used_by: UsedBy::Target,
    },
    Need { file: "go", package: "golang-go", used_by: UsedBy::Prefix("foreign_") },
    Need {
        file: "/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go",
        package: "golang-golang-x-mod-dev",
        used_by: UsedBy::Prefix("foreign_"),
    },
    Need { file: "/usr/bin/python3", package: "python3", used_by: UsedBy::Prefix("foreign_") },
    Need {
        file: "/usr/lib/python3/dist-packages/cryptography/__init__.py",
        package: "python3-cryptography",
        used_by: UsedBy::Prefix("foreign_"),
    },
    Need { file: "ip", package: "iproute2", used_by: UsedBy::Prefix("root_") },
    Need { file: "nft", package: "nftables", used_by: UsedBy::Prefix("root_") },
    Need { file: "setpriv", package: "util-linux", used_by: UsedBy::Prefix("root_") },
    Need { file: "faketime", package: "faketime", used_by: UsedBy::Prefix("clock_") },
    Need { file: "cc", package: "gcc", used_by: UsedBy::All },
];

/// A program that is not here.
pub(crate) struct Missing {
    pub(crate) file: &'static str,
    pub(crate) package: &'static str,
    used_by: UsedBy,
}

impl Missing {
    /// Whether the tests of a file need it, by the file's name without the folder.
    pub(crate) fn needed_by(&self, file: &str) -> bool {
        match self.used_by {
            UsedBy::All => true,
            UsedBy::Prefix(prefix) => file.starts_with(prefix),
            UsedBy::Browser => file.ends_with(".test.mjs"),
            UsedBy::Target => false,
        }
    }
}

/// What tests need and is not here.
pub(crate) fn missing() -> Vec<Missing> {
    missing_of(|need| !matches!(need.used_by, UsedBy::Target))
}

fn missing_of(which: impl Fn(&Need) -> bool) -> Vec<Missing> {
    NEEDS
        .iter()
        .filter(|need| which(need) && !is_here(need.file))
        .map(|need| Missing { file: need.file, package: need.package, used_by: need.used_by })
        .collect()
}

fn is_here(file: &str) -> bool {
    if file.starts_with('/') { Path::new(file).exists() } else { shell::find(file).is_some() }
}

/// Installs what is not here. Returns how tests can become root.
///
/// # Errors
/// Before anything is built or run, when this person can't become root: it names the packages and
/// the way to do without.
pub(crate) fn install() -> Result<Root> {
    let missing = missing();
    let mut packages: Vec<&str> = missing.iter().map(|missing| missing.package).collect();
    packages.dedup();
    let Some(root) = Root::find() else {
        let packages = if packages.is_empty() {
            "All packages that they need are here.".to_owned()
        } else {
            format!("Debian's packages that are still to be installed: {}.", packages.join(" "))
        };
        bail!(
            "some tests need root (namespaces, small file systems), and neither are you root nor does `sudo -n` work. \
             {packages} `cargo xtask test --without-root` runs the other tests, and says how many it left out"
        );
    };
    install_packages(root, &packages)?;
    Ok(root)
}

/// Installs those of these programs that are not here, for a chore beside the tests.
///
/// # Errors
/// When they are not here and can't be installed: it names the packages.
pub(crate) fn bring(files: &[&str]) -> Result<()> {
    let missing = missing_of(|need| files.contains(&need.file));
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|missing| missing.package).collect();
    match Root::find() {
        Some(root) => install_packages(root, &packages),
        None => bail!(
            "this needs Debian's packages {}, and neither are you root nor does `sudo -n` work",
            packages.join(" ")
        ),
    }
}

fn install_packages(root: Root, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if shell::find("apt-get").is_none() {
        bail!("programs are missing; on Debian they are in: {}", packages.join(" "));
    }
    shell::run(root.command("apt-get").args(["update", "-qq"]))
        .context("bringing the list of packages up to date")?;
    shell::run(
        root.command("apt-get")
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .with_context(|| format!("installing {}", packages.join(" ")))
}

/// How to become root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Already,
    Sudo,
}

impl Root {
    fn find() -> Option<Self> {
        let id = shell::output(shell::program("id").arg("-u")).ok()?;
        if id.trim() == "0" {
            return Some(Self::Already);
        }
        shell::find("sudo")?;
        let may = shell::program("sudo").args(["-n", "true"]).status().ok()?.success();
        may.then_some(Self::Sudo)
    }

    fn command(self, name: &str) -> Command {
        match self {
            Self::Already => shell::program(name),
            Self::Sudo => by_sudo(name),
        }
    }
}

/// A program that runs as root, in the same environment.
pub(crate) fn by_sudo(name: &str) -> Command {
    let mut sudo = shell::program("sudo");
    sudo.args(SUDO).arg(name);
    sudo
}

/// Asks nothing, keeps the environment.
pub(crate) const SUDO: [&str; 2] = ["-n", "-E"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_takes_only_its_own_tests_away() {
        let go = Missing { file: "go", package: "golang-go", used_by: UsedBy::Prefix("foreign_") };
        assert!(go.needed_by("foreign_checkpoint"));
        assert!(!go.needed_by("sync"));
        let chromium = Missing { file: "chromium", package: "chromium", used_by: UsedBy::Browser };
        assert!(chromium.needed_by("spine.test.mjs"));
        assert!(!chromium.needed_by("spine"));
    }
}
