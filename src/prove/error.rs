//! Why a proof could not be made.

use crate::commitment::TensorError;
use crate::engine::EngineError;
use crate::keys::SetupError;
use crate::ranges::RangeError;
use crate::srs::SrsError;
use inferproof_circuits::ranges::WeightRange;
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
    /// Another SRS than the key's, or the key of a range program.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The key of a range program.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A range of public weights.
    #[error("the weights of this key are public: whoever wants to know their range looks at them")]
    PublicWeights,
    /// Weights outside the range that is declared for them.
    #[error(
        "the weights take {} bits and the biases {}, {} and {} are declared; declare as many at least",
        needed.weight_bits, needed.bias_bits, declared.weight_bits, declared.bias_bits
    )]
    OutOfRange {
        /// The least range that holds them.
        needed: WeightRange,
        /// The declared one.
        declared: WeightRange,
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
    /// More memory than allowed.
    #[error(
        "a proof of 2^{k} rows takes about {needed} MiB, {limit} are allowed; allow more, or set the model up with `--optimise memory` or in segments (`split`)"
    )]
    Memory {
        /// Logarithm of the rows.
        k: u32,
        /// Predicted peak of the process.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// Whoever watched the proof ended it.
    #[error("cancelled")]
    Cancelled,
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The backend.
    #[error("the proving backend failed: {0}")]
    Backend(String),
}
