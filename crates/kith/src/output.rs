//! What a command shows: text for people, or JSON for programs.
//!
//! People's text goes to stdout and may be coloured; with `--json`, stdout has one JSON object per
//! line and nothing else. Progress, questions and errors go to stderr.

mod progress;
mod table;
mod units;

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use serde::Serialize;

pub(crate) use progress::{Bar, TICK, during};
pub(crate) use table::{Align, Table};
pub(crate) use units::{Ago, Bytes, Micros, Millis};

use crate::failure::Failure;

/// Where output goes, and in what form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    /// Whether a person can be asked and sees what is printed.
    pub(crate) person: bool,
    colour: bool,
    /// Whether stderr is a terminal that may show colours.
    pub(crate) colour_on_stderr: bool,
}

/// What a text is, for its colour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Strong,
    Faint,
    Good,
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
        }
    }
}

impl Output {
    /// For this process: colour on a terminal only, and only where `NO_COLOR` is unset or empty.
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self {
            json,
            person: !json && out && std::io::stdin().is_terminal(),
            colour: wanted && out && !json,
            colour_on_stderr: wanted && err,
        }
    }

    /// A line for people on stdout; nothing with `--json`.
    pub(crate) fn line(self, text: impl Display) {
        if !self.json {
            print(format_args!("{text}\n"));
        }
    }

    /// An object for programs; nothing without `--json`.
    pub(crate) fn object(self, value: &impl Serialize) {
        if self.json {
            let text = serde_json::to_string(value).expect("replies are plain data");
            print(format_args!("{text}\n"));
        }
    }

    /// What one may want to do next, at the end of an output.
    pub(crate) fn next(self, command: impl Display, does: &str) {
        self.line(format_args!(
            "\n{}",
            self.tint(Tone::Faint, format_args!("Next: {command}  {does}"))
        ));
    }

    /// A line on stderr.
    pub(crate) fn note(self, text: impl Display) {
        note(format_args!("{text}\n"));
    }

    /// Why a command failed, in three parts.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            self.object(&serde_json::json!({ "error": {
                "code": failure.code, "what": failure.what, "why": failure.why, "todo": failure.todo,
            }}));
        }
        let error = tint(self.colour_on_stderr, Tone::Bad, "error:");
        self.note(format_args!("{error} {}", failure.what));
        for (name, part) in [("why", &failure.why), ("to do", &failure.todo)] {
            if !part.is_empty() {
                let indented = part.replace('\n', "\n         ");
                self.note(format_args!("  {name:>5}: {indented}"));
            }
        }
    }

    /// A text in its colour, where stdout shows colours.
    pub(crate) fn tint(self, tone: Tone, text: impl Display) -> String {
        tint(self.colour, tone, text)
    }

    /// Asks a person, who says yes by `y`. Without a person the answer is `otherwise`.
    pub(crate) fn ask(self, question: &str, otherwise: bool) -> bool {
        if !self.person {
            return otherwise;
        }
        note(format_args!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { json: false, person: false, colour: false, colour_on_stderr: false }
    }
}

fn tint(colour: bool, tone: Tone, text: impl Display) -> String {
    if colour { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_string() }
}

/// Who reads may hang up early, as `head` does: then nobody misses the rest.
fn print(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}

fn note(text: std::fmt::Arguments<'_>) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_fmt(text).and_then(|()| err.flush());
}
