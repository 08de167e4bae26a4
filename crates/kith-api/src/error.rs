//! Errors with stable codes, in three parts: what happened, why, what to do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The result of every method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for programs. Codes never change their meaning; new ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message is not JSON.
    Malformed,
    /// The message is JSON, but no request.
    InvalidRequest,
    /// The parameters do not fit the method.
    InvalidParams,
    /// There is no such method.
    UnknownMethod,
    /// This caller may not do that.
    NotPermitted,
    /// The app, space, member, file, key or peer named is not known here.
    NotFound,
    /// A link or an invitation can't be read.
    BadLink,
    /// A bundle is broken or breaks a rule.
    BadBundle,
    /// A signature does not fit.
    BadSignature,
    /// An entry, a message or a file is over its limit.
    TooLarge,
    /// More calls or subscriptions than the limit.
    TooMany,
    /// Nobody who has it could be reached.
    Unreachable,
    /// The disk is full.
    DiskFull,
    /// The data directory can't be written.
    ReadOnly,
    /// Reading or writing failed in another way.
    Storage,
    /// It exists already.
    AlreadyExists,
    /// A lower version never replaces a higher one.
    OlderVersion,
    /// The page was told to stop waiting.
    Cancelled,
    /// The node is stopping.
    Stopping,
    /// The space of the page was left.
    SpaceLeft,
    /// A fault of kith itself.
    Internal,
}

impl ErrorCode {
    /// The code's number in JSON-RPC: the standard ones where they fit, else -32000 and below.
    pub fn number(self) -> i32 {
        match self {
            Self::Malformed => -32700,
            Self::InvalidRequest => -32600,
            Self::InvalidParams => -32602,
            Self::UnknownMethod => -32601,
            Self::Internal => -32603,
            Self::NotPermitted => -32001,
            Self::NotFound => -32002,
            Self::BadLink => -32003,
            Self::BadBundle => -32004,
            Self::BadSignature => -32005,
            Self::TooLarge => -32006,
            Self::TooMany => -32007,
            Self::Unreachable => -32008,
            Self::DiskFull => -32009,
            Self::ReadOnly => -32010,
            Self::Storage => -32011,
            Self::AlreadyExists => -32012,
            Self::OlderVersion => -32013,
            Self::Cancelled => -32014,
            Self::Stopping => -32015,
            Self::SpaceLeft => -32016,
        }
    }
}

/// An error as a person meets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{what}{}{why}{}{todo}", sep(.why), sep(.todo))]
pub struct Error {
    /// For programs.
    pub code: ErrorCode,
    /// What happened: one sentence.
    pub what: String,
    /// Why, where it is known; else empty.
    pub why: String,
    /// What to do, where something can be done; else empty.
    pub todo: String,
}

fn sep(part: &str) -> &'static str {
    if part.is_empty() { "" } else { " " }
}

impl Error {
    /// An error that says what happened.
    pub fn new(code: ErrorCode, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: String::new(), todo: String::new() }
    }

    /// Adds why it happened. What comes from elsewhere, without a capital or a full stop, becomes a
    /// sentence: the parts stand one after another.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = sentence(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = todo.into();
        self
    }
}

/// Our own name is the one that begins no sentence with a capital.
fn sentence(mut text: String) -> String {
    if !text.starts_with("kith")
        && let Some(first) = text.chars().next()
    {
        let capital: String = first.to_uppercase().collect();
        text.replace_range(..first.len_utf8(), &capital);
    }
    if text.ends_with(|last: char| last.is_alphanumeric() || "”\")".contains(last)) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_from_elsewhere_becomes_a_sentence() {
        let why = |text: &str| Error::new(ErrorCode::Internal, "").why(text).why;
        assert_eq!(
            why("no space left on device (os error 28)"),
            "No space left on device (os error 28)."
        );
        assert_eq!(
            why("the app's id is short: a part is missing."),
            "The app's id is short: a part is missing."
        );
        assert_eq!(why("kith has port 4848 already"), "kith has port 4848 already.");
        assert_eq!(why("“x” is no name…"), "“x” is no name…");
        assert_eq!(why(""), "");
    }
}
