//! Where a proof is, for whoever waits for it or wants to stop it.

use super::ProveError;
use std::fmt;
use std::ops::ControlFlow;

/// The steps of a proof, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Runs the model and fills the columns.
    Witness,
    /// Commits to the columns of phase 0.
    PhaseZero,
    /// Fills and commits to the columns of phase 1.
    PhaseOne,
    /// The product of the copy argument.
    Copies,
    /// The quotient of the constraints.
    Quotient,
    /// Values at a random point.
    Values,
    /// Opens them.
    Openings,
    /// Verifies the proof.
    Verify,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Witness => "witness",
            Self::PhaseZero => "columns",
            Self::PhaseOne => "chains",
            Self::Copies => "copies",
            Self::Quotient => "quotient",
            Self::Values => "values",
            Self::Openings => "openings",
            Self::Verify => "verify",
        })
    }
}

/// Is told of each step as it begins. [`ControlFlow::Break`] ends the proof with [`ProveError::Cancelled`].
pub type Observer<'a> = &'a dyn Fn(Step) -> ControlFlow<()>;

/// Nobody watches.
pub(super) const UNWATCHED: Observer<'static> = &|_| ControlFlow::Continue(());

pub(super) fn begin(observer: Observer<'_>, step: Step) -> Result<(), ProveError> {
    match observer(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ProveError::Cancelled),
    }
}
