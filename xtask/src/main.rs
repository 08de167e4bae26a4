//! kith's own chores, run as `cargo xtask CHORE`.
//!
//! - [`mod@test`]: every test there is, with what they need, and one line that counts them.
//! - [`tidy`]: the rules that no compiler checks.
//! - [`types`], [`wasm`], [`windows`], [`javascript`], [`advisories`], [`mod@bench`]: one command each.
//!
//! [`shell`] starts other programs; [`workspace`] knows where things are.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what a chore is for")]

mod advisories;
mod bench;
mod javascript;
mod shell;
mod test;
mod tidy;
mod types;
mod wasm;
mod windows;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// kith's own chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every test, and install what they need beyond Rust.
    Test(test::Options),
    /// Check the rules that no compiler checks.
    Tidy,
    /// Write sdk/kith-api.d.ts from kith-api.
    Types(types::Options),
    /// Check that the crates which a browser tab runs compile for it.
    Wasm,
    /// Check that everything compiles for Windows.
    Windows,
    /// Check the types of the JavaScript, by tsc.
    Javascript,
    /// Ask whether a dependency has a known vulnerability.
    Advisories,
    /// Measure, and write docs/benchmarks.md.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Tidy => tidy::run(),
        Chore::Types(options) => types::run(&options),
        Chore::Wasm => wasm::run(),
        Chore::Windows => windows::run(),
        Chore::Javascript => javascript::run(),
        Chore::Advisories => advisories::run(),
        Chore::Bench(options) => bench::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
