//! Commitments to weights and tensors, and the proofs that tie a circuit to them.
//!
//! Spec: `docs/spec/commitment.md`, with the argument and its conditions.

mod lanes;
mod link;
mod nonce;
mod span;
mod tensor;

pub(crate) use inferproof_circuits::secret::Secret;
pub(crate) use lanes::{Opening, commit};
pub use lanes::{WeightCommitments, WeightVisibility};
pub(crate) use link::{LinkProof, LinkStatement, Mask};
pub(crate) use span::{SpanProof, SpanStatement};
pub use tensor::{TensorCommitment, TensorError, TensorOpening, tensor_header};
pub(crate) use tensor::{commit_polynomial, statement_point};
