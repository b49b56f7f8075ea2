//! The contracts: generated sources are current, and they agree with the Rust verifier in every case.
#![cfg(feature = "evm")]

use inferproof::circuits::machine::Shape;
use inferproof::evm::chain::{Chain, Fork, Receipt};
use inferproof::evm::generator::{shape_source, verifier_source};
use inferproof::evm::{Address, artefacts, deployment, store_calldata, verify_calldata};
use inferproof::{
    Model, Optimise, Options, Proof, Prover, Samples, SetupOptions, Srs, VerifyingKey, WeightVisibility, import_file,
    load_tensor, quantise, setup,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts")
}

/// After a change that is meant: `UPDATE_GOLDEN=1 cargo test --release --test contracts`, then `npm run build` in `contracts/`.
#[test]
fn generated_sources_are_current() {
    for (name, source) in [
        ("InferenceVerifier.sol", verifier_source(Shape::default())),
        ("MachineShape.sol", shape_source(Shape::default())),
    ] {
        let path = contracts().join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &source).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == source, "contracts/{name} is not what the generator writes");
    }
}

struct Story {
    chain: Chain,
    verifier: Address,
    srs: Srs,
}

impl Story {
    fn new(k: u32) -> Self {
        let srs = Srs::development(k, StdRng::seed_from_u64(1)).unwrap();
        let mut chain = Chain::new(Fork::Osaka);
        let code = deployment(&artefacts::verifier().bytecode, &srs.verifier_part()).unwrap();
        let receipt = chain.create(code).unwrap();
        assert!(receipt.success, "{receipt:?}");
        eprintln!("deployment: {} gas", receipt.gas);
        Self { chain, verifier: receipt.created.unwrap(), srs }
    }

    fn call(&mut self, data: Vec<u8>) -> Receipt {
        self.chain.call(self.verifier, data).unwrap()
    }
}

fn model(name: &str, options: &Options) -> (Model, Vec<i64>) {
    let fixture = |name: String| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let graph = import_file(fixture(format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixture(format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    let (model, _) = quantise(&graph, &samples, options).unwrap();
    let input = load_tensor(fixture(format!("{name}_input.npy")), model.input_shape()).unwrap();
    let input = model.quantise_input(&input).unwrap();
    (model, input)
}

fn prove(story: &Story, name: &str, visibility: WeightVisibility) -> (VerifyingKey, Proof) {
    let (model, input) = model(name, &Options::default());
    let options = SetupOptions { visibility, optimise: Optimise::Gas, layout: None };
    let (key, _) = setup(&model, &story.srs, &options, StdRng::seed_from_u64(2)).unwrap();
    let verifying = key.verifying_key().clone();
    let prover = Prover::new(key, &story.srs).unwrap();
    (verifying, prover.prove(&input, [7; 32], StdRng::seed_from_u64(3)).unwrap())
}

#[test]
fn digits_mlp() {
    let mut story = Story::new(12);
    for visibility in [WeightVisibility::Public, WeightVisibility::Secret] {
        let (key, proof) = prove(&story, "digits_mlp", visibility);
        let stored = story.call(store_calldata(&key));
        assert!(stored.success, "{}", hex::encode(&stored.output));
        assert_eq!(stored.output, key.model_id());
        let verified = story.call(verify_calldata(&proof));
        eprintln!("{visibility:?}: W {} store {} verify {} {}", key.weights().points.len(), stored.gas, verified.gas, hex::encode(&verified.output));
        assert!(verified.success);
    }
}
