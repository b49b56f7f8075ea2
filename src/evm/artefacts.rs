//! The compiled contracts that ship with the crate.

use alloy_sol_types::private::Bytes;
use inferproof_circuits::machine::Shape;
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
pub const SOURCES: [(&str, &str); 14] = [
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
    ("PairedShape.sol", include_str!("../../contracts/PairedShape.sol")),
    ("PairedVerifier.sol", include_str!("../../contracts/PairedVerifier.sol")),
    ("artifacts/InferenceVerifier.json", VERIFIER),
    ("artifacts/PairedVerifier.json", PAIRED_VERIFIER),
];

const VERIFIER: &str = include_str!("../../contracts/artifacts/InferenceVerifier.json");

const PAIRED_VERIFIER: &str = include_str!("../../contracts/artifacts/PairedVerifier.json");

/// The verifier of a shape of the machine.
#[must_use]
pub fn verifier(shape: Shape) -> Contract {
    parse(match shape {
        Shape::Paired => PAIRED_VERIFIER,
        Shape::Single => VERIFIER,
    })
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
