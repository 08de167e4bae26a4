//! What a command ends with when it does not succeed.

use std::process::ExitCode;

use kith_api::{Error, ErrorCode};

/// A command's result.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command ended, in the three parts that a person is told.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A stable word for programs.
    pub(crate) code: String,
    /// What happened.
    pub(crate) what: String,
    /// Why; may be empty.
    pub(crate) why: String,
    /// What to do; may be empty.
    pub(crate) todo: String,
    usage: bool,
}

impl Failure {
    /// A failure of the command line's own, which the node knows nothing of.
    pub(crate) fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            what: what.into(),
            why: String::new(),
            todo: String::new(),
            usage: false,
        }
    }

    /// What was typed can't be meant.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new("usage", what) }
    }

    #[must_use]
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    #[must_use]
    pub(crate) fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = todo.into();
        self
    }

    /// 2 for wrong usage, 1 for all else.
    pub(crate) fn exit(&self) -> ExitCode {
        if self.usage { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error { code, what, why, todo } = error;
        Self { code: word(code), what, why, todo, usage: false }
    }
}

/// The code as it stands in JSON.
fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "internal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_errors_keep_their_parts() {
        let error = Error::new(ErrorCode::DiskFull, "a").why("b").todo("c");
        let failure = Failure::from(error);
        assert_eq!(failure.code, "disk_full");
        assert_eq!((failure.what.as_str(), failure.todo.as_str()), ("a", "c"));
    }
}
