//! The main job on real input: LeNet-5 trained on handwritten digits, from its ONNX file to a verified proof,
//! with every stage timed.

use inferproof::{
    OsRng, Prover, QuantiseOptions, Samples, SetupOptions, Srs, import_file, load_tensor, quantise, setup, verify,
};
use std::error::Error;
use std::time::Instant;

fn stage<T>(name: &str, work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let start = Instant::now();
    eprint!("{name:<28}");
    let result = work();
    eprintln!("{:7.2} s", start.elapsed().as_secs_f64());
    result
}

fn main() -> Result<(), Box<dyn Error>> {
    let graph = stage("import digits_cnn.onnx", || Ok(import_file("fixtures/digits_cnn.onnx")?))?;
    let samples = Samples::load("fixtures/digits_cnn_samples.npz", graph.input_shape())?;
    let (model, report) = stage("quantise", || Ok(quantise(&graph, &samples, &QuantiseOptions::default())?))?;
    println!("\n{report}");
    let srs = stage("development SRS (insecure)", || Ok(Srs::development(14, OsRng)?))?;
    let (key, costs) = stage("commit and make keys", || Ok(setup(&model, &srs, &SetupOptions::default(), OsRng)?))?;
    let verifying_key = key.verifying_key().clone();
    let plan = &costs[0];
    println!("\nmodel    {}", hex::encode(verifying_key.model_id()));
    println!("plan     2^{} rows, {} weight lanes, table of {} entries\n", plan.k, plan.layout.lanes, plan.table);
    let prover = stage("load the key", || Ok(Prover::new(key, &srs)?))?;
    let input = load_tensor("fixtures/digits_cnn_input.npy", model.input_shape())?;
    let input = model.quantise_input(&input)?;
    let proof = stage("prove", || Ok(prover.prove(&input, [0; 32], OsRng)?))?;
    stage("verify", || Ok(verify(&verifying_key, &srs.verifier_part(), &proof)?))?;
    let scores = verifying_key.io().output.packing.decode(&proof.statement.output).ok_or("verified, so it decodes")?;
    let digit = scores.iter().enumerate().max_by_key(|(_, score)| **score).map(|(digit, _)| digit);
    println!("\nproof    {} bytes", proof.bytes.len());
    println!("scores   {scores:?}: the committed model says digit {}", digit.ok_or("ten scores")?);
    Ok(())
}
