//! Keys and identities.
//!
//! `programId` names the relation, `weightsId` the weights, `modelId` both. Spec: `docs/spec/commitment.md`.

mod proving;
mod public;
mod setup;
mod verifying;

pub use crate::tensor::TensorSpec;
pub use proving::ProvingKey;
pub use public::{PublicModel, PublicModelError};
pub(crate) use setup::program_key;
pub use setup::{SetupError, SetupOptions, planned, recommit, setup};
pub use verifying::{IoSpec, KeyError, VerifyingKey, proof_tag};

/// Greatest `k` a key may have.
pub const MAX_KEY_K: u32 = 24;
