//! A proof on an EVM chain, here one in memory: deploy the verifier, store the model's key, verify a true proof,
//! see a forged one fail, and what each step costs.

use inferproof::evm::chain::Fork;
use inferproof::evm::{Deployed, UseContext};
use inferproof::{
    Optimise, OsRng, Prover, QuantiseOptions, Samples, SetupOptions, Srs, import_file, load_tensor, quantise, setup,
};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let graph = import_file("fixtures/digits_cnn.onnx")?;
    let samples = Samples::load("fixtures/digits_cnn_samples.npz", graph.input_shape())?;
    let (model, _) = quantise(&graph, &samples, &QuantiseOptions::default())?;
    let srs = Srs::development(15, OsRng)?; // insecure; a real one comes from `Srs::from_ptau_path`
    let options = SetupOptions { optimise: Optimise::Gas, ..SetupOptions::default() };
    let (key, _) = setup(&model, &srs, &options, OsRng)?;
    let verifying_key = key.verifying_key().clone();
    println!("model      {}", hex::encode(verifying_key.model_id()));

    let mut chain = Deployed::new(verifying_key.shape(), &srs.verifier_part(), Fork::Osaka)?;
    println!("deploy     {:9} gas, once for all models", chain.deployment_gas());
    println!("store key  {:9} gas, once for this model", chain.store(&verifying_key)?);

    // Bound to a use: this contract on this chain, this request, this beneficiary.
    let usage = UseContext {
        chain_id: 1,
        consumer: [0xc0; 20],
        request: [7; 32],
        beneficiary: [0xbe; 20],
        expiry: 1_893_456_000,
    };
    let prover = Prover::new(key, &srs)?;
    let input = load_tensor("fixtures/digits_cnn_input.npy", model.input_shape())?;
    let proof = prover.prove(&model.quantise_input(&input)?, usage.digest(), OsRng)?;
    println!("verify     {:9} gas, a proof of {} bytes", chain.verify(&proof)?, proof.bytes.len());

    let mut forged = proof.clone();
    forged.statement.output[0] ^= 1;
    match chain.verify(&forged) {
        Err(refusal) => println!("forged     {refusal}"),
        Ok(_) => return Err("a forged output was accepted".into()),
    }
    let gas = chain.verify_batch(&[proof.clone(), proof])?;
    println!("batch of 2 {gas:9} gas");
    Ok(())
}
