//! Generated sources and compiled artefacts belong together.

use crate::story::root;
use inferproof::circuits::machine::Shape;
use inferproof::evm::abi::ChainVerifier::{ChainVerifierCalls, ChainVerifierErrors};
use inferproof::evm::abi::InferenceVerifier::{InferenceVerifierCalls, InferenceVerifierErrors};
use inferproof::evm::artefacts;
use inferproof::evm::generator::{constants_name, contract_name, shape_source, verifier_source};
use std::collections::BTreeSet;

/// After a change that is meant: `UPDATE_GOLDEN=1 cargo test --release --test contracts`, then `npm run build` in `contracts/`.
#[test]
fn generated_sources_are_current() {
    let of_shape =
        |shape| [(contract_name(shape), verifier_source(shape)), (constants_name(shape), shape_source(shape))];
    for (name, source) in Shape::ALL.into_iter().flat_map(of_shape) {
        let name = format!("{name}.sol");
        let path = root().join("contracts").join(&name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &source).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == source, "contracts/{name} is not what the generator writes");
    }
}

/// Limits of EIP-170 and EIP-3860.
#[test]
fn every_contract_can_be_deployed() {
    for entry in std::fs::read_dir(root().join("contracts/artifacts")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let contract: artefacts::Contract = serde_json::from_str(&text).unwrap();
        assert!(contract.deployed_bytecode.len() <= 24_576, "{}", contract.contract_name);
        assert!(contract.bytecode.len() + 2 * 3_000 <= 49_152, "{}", contract.contract_name);
    }
}

/// What Rust encodes is what the compiler's ABI has.
#[test]
fn interfaces_agree() {
    let [contract, paired] = Shape::ALL.map(artefacts::verifier);
    let chains = artefacts::chain_verifier();
    let of = |contract: &artefacts::Contract, kind: &str| -> BTreeSet<String> {
        let items = contract.abi.as_array().unwrap().iter().filter(|item| item["type"] == kind);
        items.map(signature).collect()
    };
    let ours = |signatures: &[&str]| -> BTreeSet<String> { signatures.iter().map(ToString::to_string).collect() };
    assert_eq!(of(&contract, "function"), ours(InferenceVerifierCalls::SIGNATURES));
    assert_eq!(of(&contract, "error"), ours(InferenceVerifierErrors::SIGNATURES));
    assert_eq!(contract.abi, paired.abi);
    assert_eq!(of(&chains, "function"), ours(ChainVerifierCalls::SIGNATURES));
    assert_eq!(of(&chains, "error"), ours(ChainVerifierErrors::SIGNATURES));
}

fn signature(item: &serde_json::Value) -> String {
    let inputs = item["inputs"].as_array().unwrap().iter().map(kind);
    format!("{}({})", item["name"].as_str().unwrap(), inputs.collect::<Vec<_>>().join(","))
}

fn kind(input: &serde_json::Value) -> String {
    let name = input["type"].as_str().unwrap();
    match input["components"].as_array() {
        None => name.to_string(),
        Some(parts) => {
            let parts: Vec<String> = parts.iter().map(kind).collect();
            name.replace("tuple", &format!("({})", parts.join(",")))
        }
    }
}
