//! A deployed verifier, models and proofs for the tests beside it.

use alloy_sol_types::{SolError, SolInterface};
use inferproof::circuits::machine::Shape;
use inferproof::circuits::plan::Cost;
use inferproof::circuits::program::{Layout, Program};
use inferproof::evm::abi::InferenceVerifier::InferenceVerifierErrors;
use inferproof::evm::chain::{Chain, Fork, Receipt};
use inferproof::evm::{Address, artefacts, deployment, store_calldata, verify_calldata};
use inferproof::prove::Source;
use inferproof::{
    Interface, Model, Optimise, Proof, Prover, QuantiseOptions, Samples, SetupOptions, Srs, VerifyingKey, Visibility,
    WeightVisibility, import_file, load_tensor, quantise, setup,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// An SRS for the small models.
pub fn srs() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(12, StdRng::seed_from_u64(1)).unwrap())
}

/// A chain with one verifier.
pub struct Story {
    pub chain: Chain,
    pub verifier: Address,
    pub deployment: Receipt,
}

impl Story {
    pub fn new(srs: &Srs) -> Self {
        Self::on(srs, Fork::Osaka)
    }

    pub fn on(srs: &Srs, fork: Fork) -> Self {
        Self::of(Shape::Single, srs, fork)
    }

    /// With the verifier that proofs under this key need.
    pub fn for_key(key: &VerifyingKey, srs: &Srs) -> Self {
        Self::of(key.shape(), srs, Fork::Osaka)
    }

    pub fn of(shape: Shape, srs: &Srs, fork: Fork) -> Self {
        let mut chain = Chain::new(fork);
        let code = deployment(&artefacts::verifier(shape).bytecode, &srs.verifier_part()).unwrap();
        let deployment = chain.create(code).unwrap();
        assert!(deployment.success, "{deployment:?}");
        Self { chain, verifier: deployment.created.unwrap(), deployment }
    }

    pub fn call(&mut self, data: Vec<u8>) -> Receipt {
        self.chain.call(self.verifier, data).unwrap()
    }

    /// Stores a key that has to be good.
    pub fn store(&mut self, key: &VerifyingKey) -> Receipt {
        let stored = self.call(store_calldata(key));
        assert!(stored.success, "{:?}", reason(&stored));
        assert_eq!(stored.output, key.model_id());
        stored
    }

    pub fn verify(&mut self, proof: &Proof) -> Receipt {
        self.call(verify_calldata(proof))
    }

    pub fn accepts(&mut self, proof: &Proof) -> bool {
        self.verify(proof).success
    }
}

/// What a revert says.
pub fn reason(receipt: &Receipt) -> InferenceVerifierErrors {
    assert!(!receipt.success);
    InferenceVerifierErrors::abi_decode(&receipt.output).unwrap_or_else(|e| panic!("{e}: {receipt:?}"))
}

pub fn is<E: SolError>(receipt: &Receipt) -> bool {
    !receipt.success && receipt.output.starts_with(&E::SELECTOR)
}

pub fn model(name: &str, options: &QuantiseOptions) -> (Model, Vec<i64>) {
    let fixture = |name: String| root().join("fixtures").join(name);
    let graph = import_file(fixture(format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixture(format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    let (model, _) = quantise(&graph, &samples, options).unwrap();
    let input = load_tensor(fixture(format!("{name}_input.npy")), model.input_shape()).unwrap();
    let input = model.quantise_input(&input).unwrap();
    (model, input)
}

/// A model with its keys, and an input.
pub struct Proved {
    pub prover: Prover,
    pub key: VerifyingKey,
    pub input: Vec<i64>,
}

impl Proved {
    pub fn new(name: &str, options: &QuantiseOptions, visibility: WeightVisibility, srs: &Srs) -> Self {
        Self::in_layout(name, options, visibility, srs, None)
    }

    pub fn in_layout(
        name: &str,
        options: &QuantiseOptions,
        visibility: WeightVisibility,
        srs: &Srs,
        layout: Option<Layout>,
    ) -> Self {
        let setup = SetupOptions { visibility, optimise: Optimise::Gas, layout, ..SetupOptions::default() };
        Self::with(name, options, &setup, srs)
    }

    pub fn with(name: &str, options: &QuantiseOptions, setup_options: &SetupOptions, srs: &Srs) -> Self {
        let (model, input) = model(name, options);
        let options = setup_options;
        let (key, _) = setup(&model, srs, options, StdRng::seed_from_u64(2)).unwrap();
        let verifying = key.verifying_key().clone();
        Self { prover: Prover::new(key, srs).unwrap(), key: verifying, input }
    }

    pub fn program(&self) -> Program {
        self.prover.program().clone()
    }

    /// What the planner says of the gas.
    pub fn planned_gas(&self) -> u64 {
        let cost = Cost::of(self.prover.program(), &self.prover.key().model().architecture);
        let secret = self.key.weights().visibility == WeightVisibility::Secret;
        if secret { cost.gas } else { cost.with_public_weights().gas }
    }

    pub fn proof(&self, seed: u64) -> Proof {
        self.prover
            .prove_committed(Source::Values(&self.input), None, [7; 32], StdRng::seed_from_u64(seed))
            .unwrap()
            .proof
    }
}

/// The small MLP of which a verifier sees what `interface` says.
pub fn shown(interface: Interface, visibility: WeightVisibility) -> Proved {
    let setup = SetupOptions { visibility, interface, optimise: Optimise::Gas, ..SetupOptions::default() };
    Proved::with("digits_mlp", &QuantiseOptions::default(), &setup, srs())
}

/// The small MLP with input and output committed.
pub fn linked(visibility: WeightVisibility) -> Proved {
    shown(Interface { input: Visibility::Committed, output: Visibility::Committed }, visibility)
}

/// Two convolutions with two activations a row.
pub fn paired(interface: Interface, visibility: WeightVisibility) -> Proved {
    let layout = Some(Layout { shape: Shape::Paired, ..Layout::direct(2) });
    let setup = SetupOptions { visibility, interface, layout, ..SetupOptions::default() };
    let options = QuantiseOptions { activation_bits: 6, shift: 7, ..QuantiseOptions::default() };
    let proved = Proved::with("ops/conv_relu_maxpool", &options, &setup, srs());
    assert!(proved.program().rows.iter().any(|row| row.earlier.is_some()));
    proved
}

/// The small MLP with its weights public or secret.
pub fn digits_mlp(visibility: WeightVisibility) -> Proved {
    Proved::new("digits_mlp", &QuantiseOptions::default(), visibility, srs())
}
