//! Errors of the command line and their exit codes.

use std::error::Error;
use std::fmt;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A well-formed proof that does not hold, or not what was expected of it: exit code 1.
    Invalid(String),
    /// Bad usage, or a file that cannot be used: exit code 2.
    Unusable(String),
}

impl Failure {
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Invalid(_) => 1,
            Self::Unusable(_) => 2,
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        let kind = match self {
            Self::Invalid(_) => "invalid",
            Self::Unusable(_) => "unusable",
        };
        serde_json::json!({ "ok": false, "error": { "kind": kind, "message": self.to_string() } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message) => write!(f, "invalid: {}", printable(message)),
            Self::Unusable(message) => f.write_str(&printable(message)),
        }
    }
}

/// Messages quote files: control characters must not reach a terminal.
fn printable(message: &str) -> String {
    let escape = |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    message.chars().map(escape).collect()
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Unusable(error.to_string())
    }
}
