//! What a verifier sees of input and output.

use serde::{Deserialize, Serialize};

/// What a verifier sees of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Its bytes.
    #[default]
    Public,
    /// A hiding commitment to it: for an input one that was published beforehand, for an output one that is made for the proof.
    Committed,
    /// Nothing.
    Private,
    /// For an output: a hiding commitment that was made beforehand, so that who reads it need not wait for the proof, and any number of proofs
    /// may be made of it. Always with a mask.
    Given,
}

impl Visibility {
    /// Whether a statement has a commitment to the tensor.
    #[must_use]
    pub const fn is_committed(self) -> bool {
        matches!(self, Self::Committed | Self::Given)
    }
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

    /// The committed tensors, input before output.
    pub fn committed(&self) -> impl Iterator<Item = End> + use<> {
        let interface = *self;
        [End::Input, End::Output].into_iter().filter(move |end| interface.of(*end).is_committed())
    }

    /// Whether a proof has a mask: a polynomial that hides what the proof shows of the tensors. Only where a fresh output is all that is committed, its
    /// own blinding cells, which no other proof uses unmasked, do that. They would not hide an input from those who get the output opened to them.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.input.is_committed() || self.output == Visibility::Given
    }

    /// Polynomials of the link. Number 0 is that of the mask, if there is one; then come those of the input and of the output.
    #[must_use]
    pub fn polynomials(&self) -> usize {
        self.committed().count() + usize::from(self.is_masked())
    }

    /// Number of a committed tensor's polynomial in the link: the power of `R` it has there. Of no meaning for other tensors.
    #[must_use]
    pub fn number(&self, end: End) -> usize {
        match end {
            End::Output if self.is_masked() => self.polynomials() - 1,
            End::Output => 0,
            End::Input => 1,
        }
    }

    /// Whether some tensor is committed.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.committed().next().is_some()
    }
}
