//! Commitments to the weights, and the proof that a folded column is theirs.
//!
//! Spec: `docs/spec/commitment.md`, with the argument and its conditions.

mod lanes;
mod span;

pub(crate) use lanes::{Opening, Secret, commit};
pub use lanes::{WeightCommitments, WeightVisibility};
pub(crate) use span::{SpanProof, SpanStatement};
