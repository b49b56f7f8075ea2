//! From an ONNX file to a verified proof: the code of the README.

use inferproof::{
    OsRng, Prover, QuantiseOptions, Samples, SetupOptions, Srs, import_file, load_tensor, quantise, setup, verify,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = import_file("fixtures/digits_mlp.onnx")?;
    let samples = Samples::load("fixtures/digits_mlp_samples.npz", graph.input_shape())?;
    let (model, report) = quantise(&graph, &samples, &QuantiseOptions::default())?;
    println!("{report}");
    let srs = Srs::development(12, OsRng)?; // insecure; a real one comes from `Srs::from_ptau_path`
    let (key, _) = setup(&model, &srs, &SetupOptions::default(), OsRng)?;
    let verifying_key = key.verifying_key().clone();
    let prover = Prover::new(key, &srs)?;
    let input = load_tensor("fixtures/digits_mlp_input.npy", model.input_shape())?;
    let context = [0; 32]; // any 32 bytes: they bind the proof to a use
    let proof = prover.prove(&model.quantise_input(&input)?, context, OsRng)?;
    // It says that model, input, output and context belong together: compare those of `proof.statement` with what you expect.
    verify(&verifying_key, &srs.verifier_part(), &proof)?;
    println!("proved in {} bytes: {}", proof.bytes.len(), proof.statement);
    Ok(())
}
