//! The contracts in a chain in memory: they accept what the Rust verifier accepts, and nothing else.
#![cfg(feature = "evm")]

#[path = "contracts/batch.rs"]
mod batch;
#[path = "contracts/chain.rs"]
mod chain;
#[path = "contracts/gas.rs"]
mod gas;
#[path = "contracts/keys.rs"]
mod keys;
#[path = "contracts/links.rs"]
mod links;
#[path = "contracts/mutations.rs"]
mod mutations;
#[path = "contracts/sources.rs"]
mod sources;
#[path = "contracts/story.rs"]
mod story;
#[path = "contracts/transcript.rs"]
mod transcript;
