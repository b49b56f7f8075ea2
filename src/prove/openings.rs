//! Inputs and outputs with what opens their commitments.

use crate::commitment::TensorOpening;
use crate::proof::Proof;
use inferproof_circuits::interface::End;

/// Where a proof's input comes from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The integers themselves, row-major.
    Values(&'a [i64]),
    /// A commitment that was published before, and what opens it.
    Opening(&'a TensorOpening),
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Values(values) => write!(f, "Values({} integers, not shown)", values.len()),
            Self::Opening(opening) => write!(f, "Opening({opening:?})"),
        }
    }
}

/// What opens the commitments of a statement; `None` for a tensor that is not committed.
#[derive(Clone, Debug, Default)]
pub struct Openings {
    /// The input's.
    pub input: Option<TensorOpening>,
    /// The output's.
    pub output: Option<TensorOpening>,
}

impl Openings {
    pub(super) const fn of(&self, end: End) -> Option<&TensorOpening> {
        match end {
            End::Input => self.input.as_ref(),
            End::Output => self.output.as_ref(),
        }
    }

    pub(super) const fn of_mut(&mut self, end: End) -> &mut Option<TensorOpening> {
        match end {
            End::Input => &mut self.input,
            End::Output => &mut self.output,
        }
    }
}

/// A proof, and the secrets behind its statement.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The proof.
    pub proof: Proof,
    /// What opens its commitments.
    pub openings: Openings,
}
