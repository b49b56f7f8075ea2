//! Which of a program's tensors a verifier sees.

use serde::{Deserialize, Serialize};

/// What a verifier sees of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Its bytes.
    #[default]
    Public,
    /// A hiding commitment to it.
    Committed,
    /// Nothing.
    Private,
}

/// Which end of a program a tensor is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The input.
    Input,
    /// The output.
    Output,
}

/// What a verifier sees of input and output. Part of the relation, hence of `programId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The input.
    pub input: Visibility,
    /// The output.
    pub output: Visibility,
}

impl Interface {
    /// The tensor at one end.
    #[must_use]
    pub const fn of(&self, end: End) -> Visibility {
        match end {
            End::Input => self.input,
            End::Output => self.output,
        }
    }

    /// The committed tensors, input before output. They are numbered from 1 in this order: the power of `R` that tells them apart.
    pub fn committed(&self) -> impl Iterator<Item = End> + use<> {
        let interface = *self;
        [End::Input, End::Output].into_iter().filter(move |end| interface.of(*end) == Visibility::Committed)
    }

    /// Number of a committed tensor.
    #[must_use]
    pub fn number(&self, end: End) -> Option<usize> {
        self.committed().position(|other| other == end).map(|index| index + 1)
    }

    /// Whether some tensor is committed.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.committed().next().is_some()
    }
}
