#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod artefact;
pub mod chain;
pub mod commitment;
pub mod costs;
pub mod draw;
pub mod engine;
#[cfg(feature = "evm")]
pub mod evm;
pub mod graph;
pub mod keys;
pub mod model;
pub mod onnx;
pub mod proof;
pub mod prove;
pub mod quantise;
pub mod ranges;
pub mod srs;
pub mod statement;
pub mod tensor;
pub mod transcript;
pub mod verify;

pub use commitment::{TensorCommitment, TensorOpening, WeightVisibility};
pub use inferproof_circuits as circuits;
pub use inferproof_circuits::interface::{Interface, Visibility};
pub use inferproof_circuits::plan::Optimise;
pub use keys::{ProvingKey, SetupOptions, VerifyingKey, setup};
pub use model::Model;
pub use onnx::{import, import_file};
pub use proof::Proof;
pub use prove::Prover;
pub use quantise::{QuantiseOptions, Samples, load_tensor, quantise};
pub use rand_core::OsRng;
pub use srs::Srs;
pub use statement::Statement;
pub use verify::verify;
