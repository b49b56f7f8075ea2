//! `inferproof prove-range`.

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::Stages;
use clap::Args;
use inferproof::artefact::check_writable;
use inferproof::keys::ProvingKey;
use inferproof::prove::prove_range;
use inferproof::srs::Srs;
use inferproof_circuits::ranges::WeightRange;
use rand_core::OsRng;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `prove-range`.
#[derive(Args)]
pub(crate) struct ProveRange {
    /// Folder that setup wrote.
    #[arg(long)]
    keys: PathBuf,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    /// Declare that weights are two's complement numbers of so many bits; as few as hold them if not given, which tells how many
    /// that are. Needs --bias-bits.
    #[arg(long, requires = "bias_bits", value_name = "BITS")]
    weight_bits: Option<u32>,
    /// The same for biases, each with its layer's public constant. Needs --weight-bits.
    #[arg(long, requires = "weight_bits", value_name = "BITS")]
    bias_bits: Option<u32>,
    /// Range proof to write (JSON).
    #[arg(short, long)]
    output: PathBuf,
}

impl ProveRange {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        check_writable(&self.output)?;
        let key = ProvingKey::load(&self.keys.join("proving.key"))?;
        let range = self.weight_bits.zip(self.bias_bits);
        let range = range.map(|(weight_bits, bias_bits)| WeightRange { weight_bits, bias_bits });
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, key.verifying_key().k()))?;
        let proof = stages.run_telling("prove", |say| {
            prove_range(&key, &srs, range, OsRng, &|lane, lanes| say(&format!("lane {} of {lanes}", lane + 1)))
        })?;
        proof.save(&self.output)?;
        let WeightRange { weight_bits, bias_bits } = proof.range;
        let bytes: usize = proof.proofs.iter().map(Vec::len).sum();
        let text = format!(
            "range    weights of {weight_bits} bits, biases of {bias_bits}\nproof    {} lanes, {bytes} bytes, verified\nwritten  {}\n{}",
            proof.proofs.len(),
            self.output.display(),
            stages.to_text()
        );
        let json = json!({
            "ok": true, "modelId": hex::encode(proof.model_id), "range": proof.range, "lanes": proof.proofs.len(),
            "proofBytes": bytes, "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }
}
