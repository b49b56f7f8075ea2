//! `inferproof verify`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::{integers, parse_word};
use crate::progress::Stages;
use clap::Args;
use inferproof::keys::{TensorSpec, VerifyingKey};
use inferproof::proof::Proof;
use inferproof::quantise::load_tensor;
use inferproof::srs::{Srs, SrsVerifier};
use inferproof::verify::verify;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `verify`.
#[derive(Args)]
pub(crate) struct Verify {
    /// Verifying key.
    #[arg(long)]
    key: PathBuf,
    /// Structured reference string; only its verifier's part is read.
    #[arg(long)]
    srs: PathBuf,
    /// Refuse any other model.
    #[arg(long, value_parser = parse_word, value_name = "ID")]
    expect_model: Option<[u8; 32]>,
    /// Refuse any other output (integers, .npy).
    #[arg(long, value_name = "Y.NPY")]
    expect_output: Option<PathBuf>,
    /// Refuse any other context (32 bytes in hex; zeros if not given).
    #[arg(long, value_parser = parse_word)]
    context: Option<[u8; 32]>,
    /// Proof (JSON).
    proof: PathBuf,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let key = VerifyingKey::load(&self.key)?;
        let srs = Srs::read_verifier_part(&self.srs)?;
        let proof = Proof::load(&self.proof)?;
        self.expectations(&key, &proof)?;
        stages.run("verify", || verify(&key, &srs, &proof)).map_err(|e| {
            if e.is_malformed() { Failure::Unusable(e.to_string()) } else { Failure::Invalid(e.to_string()) }
        })?;
        Ok(outcome(&key, &proof, &srs, &stages))
    }

    fn expectations(&self, key: &VerifyingKey, proof: &Proof) -> Result<(), Failure> {
        let statement = &proof.statement;
        let differs = |what: &str, expected: &[u8], got: &[u8]| {
            let message = format!("the {what} is {}, expected {}", hex::encode(got), hex::encode(expected));
            if expected == got { Ok(()) } else { Err(Failure::Invalid(message)) }
        };
        differs("context", &self.context.unwrap_or([0; 32]), &statement.context)?;
        if let Some(model) = &self.expect_model {
            differs("model", model, &key.model_id())?;
        }
        if let Some(path) = &self.expect_output {
            let output = &key.io().output;
            let expected = integers(path, &load_tensor(path, &output.shape)?)?;
            differs("output", &output.packing.encode(&expected), &statement.output)?;
        }
        Ok(())
    }
}

fn values(spec: &TensorSpec, bytes: &[u8]) -> (Vec<i64>, Value) {
    let values = spec.packing.decode(bytes).unwrap_or_default();
    let real: Vec<f64> = values.iter().map(|v| *v as f64 / spec.scale).collect();
    let json = json!({ "shape": spec.shape, "scale": spec.scale, "values": values, "real": real });
    (values, json)
}

fn outcome(key: &VerifyingKey, proof: &Proof, srs: &SrsVerifier, stages: &Stages) -> Outcome {
    let insecure = key.insecure() || srs.insecure();
    let statement = &proof.statement;
    let (input, input_json) = values(&key.io().input, &statement.input);
    let (output, output_json) = values(&key.io().output, &statement.output);
    let security =
        if insecure { "INSECURE SRS: this proof could be forged; for development only" } else { srs.origin() };
    let json = json!({
        "ok": true, "valid": true, "insecure": insecure, "weights": key.weights().visibility,
        "statement": {
            "modelId": hex::encode(statement.model_id), "context": hex::encode(statement.context),
            "input": input_json, "output": output_json,
        },
        "seconds": stages.to_json(),
    });
    let mut text = format!("valid: model {}\n", hex::encode(statement.model_id));
    text += &format!("maps     input of {} values, shape {:?}\n", input.len(), key.io().input.shape);
    text += &format!("to       {output:?}, scale {}\n", key.io().output.scale);
    text += &format!("context  {}\nSRS      {security}\n{}", hex::encode(statement.context), stages.to_text());
    Outcome { json, text }
}
