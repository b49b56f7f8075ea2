//! Why a proof could not be made.

use crate::commitment::TensorError;
use crate::srs::SrsError;
use inferproof_circuits::{CompileError, NetworkError};
use thiserror::Error;

/// A proof that cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The input, or the model inside the key.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The model inside the key does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// Another SRS than the key's.
    #[error("the key was made with SRS {expected}, this file is SRS {got}; use the file that setup was given")]
    OtherSrs {
        /// The key's.
        expected: String,
        /// The file's.
        got: String,
    },
    /// A tensor commitment.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The opening is of another tensor than the model's.
    #[error("the opening is of a tensor of {got}; the model's {tensor} has {expected}")]
    OtherTensor {
        /// Input or output.
        tensor: &'static str,
        /// The model's.
        expected: String,
        /// The opening's.
        got: String,
    },
    /// The given output is not what the model computes.
    #[error(
        "the opening given for the output is of other values than the model's output on this input; commit to that one"
    )]
    OtherOutput,
    /// An opening for a tensor that is not committed beforehand.
    #[error(
        "the keys are for an {tensor} that is not committed beforehand, so a proof would not speak of the commitment; run setup for one that is"
    )]
    NotCommitted {
        /// Input or output.
        tensor: &'static str,
    },
    /// Openings that would be lost.
    #[error("input or output are committed, and their openings have to be kept; use `prove_committed`")]
    Committed,
    /// The model inside the key is not the one it commits to.
    #[error("the proving key contradicts itself: {0}; run setup again")]
    Inconsistent(String),
    /// The backend.
    #[error("the proving backend failed: {0}")]
    Backend(String),
}
