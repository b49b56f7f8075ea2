//! `inferproof prove`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::{Input, parse_word};
use crate::progress::Stages;
use clap::Args;
use inferproof::keys::ProvingKey;
use inferproof::prove::Prover;
use inferproof::srs::Srs;
use rand_core::OsRng;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `prove`.
#[derive(Args)]
pub(crate) struct Prove {
    /// Folder that setup wrote.
    #[arg(long)]
    keys: PathBuf,
    /// Structured reference string.
    #[arg(long)]
    srs: PathBuf,
    #[command(flatten)]
    input: Input,
    /// 32 bytes in hex that bind the proof to a use; zeros if not given.
    #[arg(long, value_parser = parse_word)]
    context: Option<[u8; 32]>,
    /// Proof to write (JSON).
    #[arg(short, long)]
    output: PathBuf,
}

impl Prove {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let key = ProvingKey::load(&self.keys.join("proving.key"))?;
        let input = self.input.load(key.model())?;
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, key.verifying_key().k()))?;
        let prover = stages.run("load key", || Prover::new(key, &srs))?;
        let proof = stages.run("prove", || prover.prove(&input, self.context.unwrap_or([0; 32]), OsRng))?;
        proof.save(&self.output)?;
        let packing = &prover.key().verifying_key().io().output.packing;
        let output = packing.decode(&proof.statement.output).unwrap_or_default();
        let text = format!(
            "output   {output:?}\nproof    {} bytes, verified\nwritten  {}\n{}",
            proof.bytes.len(),
            self.output.display(),
            stages.to_text()
        );
        let json = json!({
            "ok": true, "modelId": hex::encode(proof.statement.model_id), "output": output,
            "proofBytes": proof.bytes.len(), "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }
}
