//! `inferproof audit`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::parse_word;
use crate::preflight::nodes;
use crate::progress::Stages;
use clap::Args;
use inferproof::keys::{PublicModel, VerifyingKey};
use inferproof::ranges::{RangeProof, verify_range};
use inferproof::srs::Srs;
use inferproof_circuits::ranges::WeightRange;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `audit`.
#[derive(Args)]
pub(crate) struct Audit {
    /// Published model (model.pub).
    model: PathBuf,
    /// Structured reference string; all that the program needs of it is read and checked.
    #[arg(long)]
    srs: PathBuf,
    /// Verifying key that has to be of this program.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Range proof for the key's secret weights (prove-range writes it).
    #[arg(long, requires = "key", value_name = "RANGE.JSON")]
    range: Option<PathBuf>,
    /// Refuse a range of more bits for weights.
    #[arg(long, requires = "range", value_name = "BITS")]
    expect_weight_bits: Option<u32>,
    /// Refuse a range of more bits for biases.
    #[arg(long, requires = "range", value_name = "BITS")]
    expect_bias_bits: Option<u32>,
    /// Refuse any other program.
    #[arg(long, value_parser = parse_word, value_name = "ID")]
    expect_program: Option<[u8; 32]>,
}

impl Audit {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let model = PublicModel::load(&self.model)?;
        let key = self.key.as_deref().map(VerifyingKey::load).transpose()?;
        let srs = stages.run("read SRS", || Srs::read_up_to(&self.srs, model.k))?;
        let program = stages.run("compile", || model.program_id(&srs))?;
        let differs = |whose: &str, other: [u8; 32]| match other == program {
            true => Ok(()),
            false => Err(Failure::Invalid(format!(
                "with this SRS the network is the program {}, {whose} is {}",
                hex::encode(program),
                hex::encode(other)
            ))),
        };
        differs("what the file claims", model.claimed)?;
        if let Some(key) = &key {
            differs("the program of the key", key.program_id())?;
        }
        if let Some(expected) = self.expect_program {
            differs("what is expected", expected)?;
        }
        let range = match (&self.range, &key) {
            (Some(path), Some(key)) => {
                let proof = RangeProof::load(path)?;
                let verified = stages.run("verify range", || verify_range(&model, key, &srs, &proof));
                verified.map_err(|e| match e.is_malformed() {
                    true => Failure::from(e),
                    false => Failure::Invalid(e.to_string()),
                })?;
                self.expect_range(proof.range)?;
                Some(proof.range)
            }
            _ => None,
        };
        let insecure = if srs.insecure() { "INSECURE: the SRS is for development only\n" } else { "" };
        let matched = if key.is_some() { "the key is of this program\n" } else { "" };
        let ranged = range.map_or_else(String::new, |WeightRange { weight_bits, bias_bits }| {
            let model = key.as_ref().map(|key| hex::encode(key.model_id())).unwrap_or_default();
            format!("modelId   {model}\nthe secret weights behind it are numbers of {weight_bits} bits, its biases with their public constants of {bias_bits}\n")
        });
        let several = match model.layout.batch {
            1 => String::new(),
            batch => format!("a proof is of {batch} inputs and their outputs, one after the other\n"),
        };
        let text = format!(
            "programId {}\nsrsId     {}\n{insecure}{matched}{ranged}{several}a proof under it says that the output is this network's, with the weights that were committed to:\n{}{}",
            hex::encode(program),
            hex::encode(srs.srs_id()),
            nodes(&model.architecture),
            stages.to_text()
        );
        let json = json!({
            "ok": true, "programId": hex::encode(program), "insecure": srs.insecure(), "srsId": hex::encode(srs.srs_id()),
            "modelId": key.map(|key| hex::encode(key.model_id())), "range": range, "k": model.k, "layout": model.layout, "seen": model.interface,
            "inputScale": model.input_scale, "outputScale": model.output_scale, "architecture": model.architecture,
            "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }

    /// The declared range is the prover's choice: whether it is narrow enough is the caller's.
    fn expect_range(&self, range: WeightRange) -> Result<(), Failure> {
        let bits = [
            ("weights", range.weight_bits, self.expect_weight_bits),
            ("biases", range.bias_bits, self.expect_bias_bits),
        ];
        for (what, got, expected) in bits {
            if let Some(most) = expected.filter(|most| got > *most) {
                let message = format!("the range is proved for {what} of {got} bits, at most {most} are expected");
                return Err(Failure::Invalid(message));
            }
        }
        Ok(())
    }
}
