//! The verifier on an EVM chain: its source, calldata, keys as data, and a chain in memory to try it on.
//!
//! Contracts: `contracts/`; guide: `docs/evm.md`.

pub mod abi;
pub mod artefacts;
pub mod chain;
mod check;
mod data;
mod expression;
pub mod generator;
mod rehearsal;

pub use check::{CheckError, Deployed, GasReport, check};
pub use data::{
    Address, UseContext, batch_calldata, chain_calldata, chain_deployment, deployment, model_data, srs_data,
    store_calldata, verify_calldata,
};
pub use rehearsal::{Rehearsal, zero_bytes};
