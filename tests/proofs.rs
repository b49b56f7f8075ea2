//! Every fixture, from its ONNX file to a verified proof; the proved output is the reference executor's.

use inferproof::artefact::{self, Identity, Kind};
use inferproof::circuits::interface::Interface;
use inferproof::circuits::layers::compile;
use inferproof::circuits::network::execute;
use inferproof::circuits::program::Layout;
use inferproof::{
    Model, Optimise, Prover, QuantiseOptions, Samples, SetupOptions, Srs, WeightVisibility, import_file, load_tensor,
    quantise, setup, verify,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn srs() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(14, StdRng::seed_from_u64(1)).unwrap())
}

fn model(name: &str, options: &QuantiseOptions) -> (Model, Vec<i64>) {
    let graph = import_file(fixture(&format!("{name}.onnx"))).unwrap();
    let samples = Samples::load(fixture(&format!("{name}_samples.npz")), graph.input_shape()).unwrap();
    let (model, _) = quantise(&graph, &samples, options).unwrap();
    let input = load_tensor(fixture(&format!("{name}_input.npy")), model.input_shape()).unwrap();
    let input = model.quantise_input(&input).unwrap();
    (model, input)
}

fn prove_and_verify(name: &str, options: &QuantiseOptions, setup_options: &SetupOptions, srs: &Srs) {
    let (model, input) = model(name, options);
    let expected = execute(&model.architecture, &model.weights, &input).unwrap();
    let (key, _) = setup(&model, srs, setup_options, StdRng::seed_from_u64(2)).unwrap();
    let verifying = key.verifying_key().clone();
    let prover = Prover::new(key, srs).unwrap();
    let proof = prover.prove(&input, [3; 32], StdRng::seed_from_u64(4)).unwrap();
    verify(&verifying, &srs.verifier_part(), &proof).unwrap();
    let output = verifying.io().output.packing.decode(&proof.statement.output).unwrap();
    assert_eq!(output, expected.values[model.architecture.output], "{name}");
    assert!(proof.bytes.len() <= 4096, "{name}: a proof has at most 4 kB");
}

#[test]
fn digits_mlp() {
    for optimise in [Optimise::Prover, Optimise::Gas] {
        for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
            prove_and_verify(
                "digits_mlp",
                &QuantiseOptions::default(),
                &SetupOptions { visibility, optimise, ..SetupOptions::default() },
                srs(),
            );
        }
    }
}

/// Activations whose quotients would not fit the rows as one table.
#[test]
fn wide_activations() {
    let options = QuantiseOptions { activation_bits: 11, shift: 14, ..QuantiseOptions::default() };
    let (model, _) = model("digits_mlp", &options);
    assert!(compile(&model.architecture, Interface::default(), Layout::direct(64)).unwrap().k > 14);
    prove_and_verify("digits_mlp", &options, &SetupOptions::default(), srs());
}

#[test]
fn digits_cnn() {
    prove_and_verify("digits_cnn", &QuantiseOptions::default(), &SetupOptions::default(), srs());
}

#[test]
fn resnet8() {
    let srs = Srs::development(17, StdRng::seed_from_u64(1)).unwrap();
    prove_and_verify("resnet8", &QuantiseOptions::default(), &SetupOptions::default(), &srs);
}

#[test]
fn every_operator() {
    let options = QuantiseOptions { activation_bits: 6, shift: 7, ..QuantiseOptions::default() };
    let mut count = 0;
    for entry in std::fs::read_dir(fixture("ops")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "onnx") {
            let name = format!("ops/{}", path.file_stem().unwrap().to_string_lossy());
            for layout in [None, Some(Layout { limb: Some(3), ..Layout::direct(2) })] {
                prove_and_verify(&name, &options, &SetupOptions { layout, ..SetupOptions::default() }, srs());
            }
            count += 1;
        }
    }
    assert!(count >= 25, "{count} operator models");
}

/// An SRS larger than needed serves, and keys survive their files.
#[test]
fn files_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let (model, input) =
        model("ops/gemm", &QuantiseOptions { activation_bits: 6, shift: 7, ..QuantiseOptions::default() });
    let (key, _) = setup(&model, srs(), &SetupOptions::default(), StdRng::seed_from_u64(2)).unwrap();
    let path = |name: &str| folder.path().join(name);
    key.save(&path("proving.key")).unwrap();
    key.verifying_key().save(&path("verifying.key")).unwrap();
    srs().write(&path("dev.srs")).unwrap();
    let loaded = inferproof::ProvingKey::load(&path("proving.key")).unwrap();
    assert_eq!(loaded.verifying_key(), key.verifying_key());
    let prover = Prover::new(loaded, &Srs::read(&path("dev.srs")).unwrap()).unwrap();
    let proof = prover.prove(&input, [0; 32], StdRng::seed_from_u64(4)).unwrap();
    proof.save(&path("proof.json")).unwrap();
    let proof = inferproof::Proof::load(&path("proof.json")).unwrap();
    let verifying = inferproof::VerifyingKey::load(&path("verifying.key")).unwrap();
    verify(&verifying, &Srs::read_verifier_part(&path("dev.srs")).unwrap(), &proof).unwrap();
    assert!(verifying.insecure());
}

/// Guards: parts of a proving key that contradict each other, in a file whose digest is right.
#[test]
fn contradictions_in_a_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proving.key");
    let (model, _) = model("ops/gemm", &QuantiseOptions { activation_bits: 6, ..QuantiseOptions::default() });
    let (key, _) = setup(&model, srs(), &SetupOptions::default(), StdRng::seed_from_u64(2)).unwrap();
    key.save(&path).unwrap();
    let Identity::Artefact { version, .. } = artefact::identify(&std::fs::read(&path).unwrap()) else {
        unreachable!("an artefact")
    };
    let payload = artefact::read(&path, Kind::PROVING_KEY, version).unwrap();
    // The verifying key with its length; lanes, bits of a limb, which layers have limbs, inputs of a proof.
    let start = 8 + u64::from_le_bytes(payload[..8].try_into().unwrap()) as usize;
    let [lanes, batch] = [start, start + 9];
    assert_eq!(payload[batch..batch + 4], 1u32.to_le_bytes());
    for (field, value, named) in
        [(batch, 0, "inputs"), (batch, 5_000, "inputs"), (batch, 2, "input or output"), (lanes, 0, "lanes")]
    {
        let mut bad = payload.clone();
        bad[field..field + 4].copy_from_slice(&u32::to_le_bytes(value));
        artefact::write_atomic(&path, Kind::PROVING_KEY, version, &bad).unwrap();
        let error = inferproof::ProvingKey::load(&path).unwrap_err().to_string();
        assert!(error.contains(named), "{value}: {error}");
    }
}
