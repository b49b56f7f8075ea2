//! The compiled contracts that ship with the crate.

use alloy_sol_types::private::Bytes;
use serde::Deserialize;

/// One compiled contract of `contracts/artifacts/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// Its name in the source.
    pub contract_name: String,
    /// The ABI, as the compiler writes it.
    pub abi: serde_json::Value,
    /// Creation code, without constructor arguments.
    pub bytecode: Bytes,
    /// Code on the chain, before the constructor fills in its constants.
    pub deployed_bytecode: Bytes,
    /// The compiler's version.
    pub compiler: String,
}

/// Solidity sources of the package, by path within it.
pub const SOURCES: [(&str, &str); 11] = [
    ("ChainVerifier.sol", include_str!("../../contracts/ChainVerifier.sol")),
    ("IInferenceVerifier.sol", include_str!("../../contracts/IInferenceVerifier.sol")),
    ("IModelKeys.sol", include_str!("../../contracts/IModelKeys.sol")),
    ("InferenceChain.sol", include_str!("../../contracts/InferenceChain.sol")),
    ("InferenceContext.sol", include_str!("../../contracts/InferenceContext.sol")),
    ("InferenceTensor.sol", include_str!("../../contracts/InferenceTensor.sol")),
    ("InferenceVerifier.sol", include_str!("../../contracts/InferenceVerifier.sol")),
    ("MachineShape.sol", include_str!("../../contracts/MachineShape.sol")),
    ("ModelKeys.sol", include_str!("../../contracts/ModelKeys.sol")),
    ("ModelRegistry.sol", include_str!("../../contracts/ModelRegistry.sol")),
    ("artifacts/InferenceVerifier.json", VERIFIER),
];

const VERIFIER: &str = include_str!("../../contracts/artifacts/InferenceVerifier.json");

/// The verifier of this machine and shape.
#[must_use]
pub fn verifier() -> Contract {
    parse(VERIFIER)
}

/// Verifies networks in segments by a verifier.
#[must_use]
pub fn chain_verifier() -> Contract {
    parse(include_str!("../../contracts/artifacts/ChainVerifier.json"))
}

/// The registry of models.
#[must_use]
pub fn registry() -> Contract {
    parse(include_str!("../../contracts/artifacts/ModelRegistry.json"))
}

fn parse(text: &str) -> Contract {
    serde_json::from_str(text).expect("part of this crate, and tested")
}
