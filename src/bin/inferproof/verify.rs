//! `inferproof verify`.

use crate::Outcome;
use crate::commit::tensor_json;
use crate::failure::Failure;
use crate::inputs::{clipping, integers, parse_word};
use crate::progress::Stages;
use crate::segments::key_folders;
use clap::Args;
use inferproof::chain::{chain_id, verify_chain};
use inferproof::commitment::{TensorCommitment, WeightVisibility};
use inferproof::keys::VerifyingKey;
use inferproof::proof::Proof;
use inferproof::quantise::load_tensor;
use inferproof::srs::{Srs, SrsVerifier};
use inferproof::verify::committed_tensor;
use inferproof_circuits::interface::{End, Visibility};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `verify`.
#[derive(Args)]
pub(crate) struct Verify {
    /// Verifying key; for proofs of segments, the folder of the segments' keys.
    #[arg(long)]
    key: PathBuf,
    /// Structured reference string; only its verifier's part is read.
    #[arg(long)]
    srs: PathBuf,
    /// Refuse any other model; for segments, any other chain.
    #[arg(long, value_parser = parse_word, value_name = "ID")]
    expect_model: Option<[u8; 32]>,
    /// Refuse any other input (real numbers, .npy, as prove takes them).
    #[arg(long, value_name = "X.NPY", conflicts_with = "expect_input_quantised")]
    expect_input: Option<PathBuf>,
    /// Refuse any other input (integers, .npy).
    #[arg(long, value_name = "X.NPY")]
    expect_input_quantised: Option<PathBuf>,
    /// Refuse any other output (integers, .npy, as run writes them).
    #[arg(long, value_name = "Y.NPY")]
    expect_output: Option<PathBuf>,
    /// Refuse any other input than the one behind this commitment.
    #[arg(long, value_name = "X.COMMITMENT")]
    input_commitment: Option<PathBuf>,
    /// Refuse any other output than the one behind this commitment.
    #[arg(long, value_name = "Y.COMMITMENT")]
    output_commitment: Option<PathBuf>,
    /// Refuse any other context (32 bytes in hex; zeros if not given).
    #[arg(long, value_parser = parse_word)]
    context: Option<[u8; 32]>,
    /// Refuse a proof under an SRS that is for development only: whoever made that can forge proofs.
    #[arg(long)]
    refuse_insecure: bool,
    /// Proof (JSON); for segments, one for each, in order.
    #[arg(required = true)]
    proof: Vec<PathBuf>,
}

/// One model's claim, or a chain's.
struct Claim {
    keys: Vec<VerifyingKey>,
    proofs: Vec<Proof>,
    /// Whether they are of segments.
    chained: bool,
}

impl Claim {
    /// The key and the proof that an end is in.
    fn at(&self, end: End) -> (&VerifyingKey, &Proof) {
        let index = match end {
            End::Input => 0,
            End::Output => self.keys.len() - 1,
        };
        (&self.keys[index], &self.proofs[index])
    }

    /// Whether whoever made the SRS could have forged it.
    fn is_insecure(&self, srs: &SrsVerifier) -> bool {
        srs.insecure() || self.keys.iter().any(VerifyingKey::insecure)
    }

    /// What names the model or the chain.
    fn id(&self) -> [u8; 32] {
        let ids: Vec<[u8; 32]> = self.keys.iter().map(VerifyingKey::model_id).collect();
        if self.chained { chain_id(&ids) } else { ids[0] }
    }
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let chained = self.key.is_dir();
        let keys = match chained {
            true => key_folders(&self.key)?.iter().map(|folder| folder.join("verifying.key")).collect(),
            false => vec![self.key.clone()],
        };
        let keys = keys.iter().map(|path| VerifyingKey::load(path)).collect::<Result<Vec<_>, _>>()?;
        let srs = Srs::read_verifier_part(&self.srs)?;
        let proofs = self.proof.iter().map(|path| Proof::load(path)).collect::<Result<Vec<_>, _>>()?;
        if !chained && proofs.len() > 1 {
            let message =
                "one key verifies one proof at a time; for a network in segments give the folder of all their keys";
            return Err(Failure::Unusable(message.into()));
        }
        let claim = Claim { keys, proofs, chained };
        // A single model is a chain of one, but for its name.
        stages.run("verify", || verify_chain(&claim.keys, &srs, &claim.proofs)).map_err(|e| {
            let message = match (&e, chained) {
                (inferproof::chain::ChainError::Segment { source, .. }, false) => source.to_string(),
                _ => e.to_string(),
            };
            if e.is_malformed() { Failure::Unusable(message) } else { Failure::Invalid(message) }
        })?;
        if self.refuse_insecure && claim.is_insecure(&srs) {
            let message = "the SRS is for development only, so this proof could be forged";
            return Err(Failure::Invalid(message.into()));
        }
        let clipped = self.expectations(&claim)?;
        let mut outcome = outcome(&claim, &srs, &stages);
        outcome.json["clipped"] = json!(clipped);
        outcome.text += &clipping(clipped);
        Ok(outcome)
    }

    /// Compares what is proved with what is expected; returns how many real numbers of an expected input lie outside the model's domain.
    fn expectations(&self, claim: &Claim) -> Result<u64, Failure> {
        let mut clipped = 0;
        let differs = |what: &str, expected: &[u8], got: &[u8]| {
            let message = format!("the {what} is {}, expected {}", hex::encode(got), hex::encode(expected));
            if expected == got { Ok(()) } else { Err(Failure::Invalid(message)) }
        };
        differs("context", &self.context.unwrap_or([0; 32]), &claim.proofs[0].statement.context)?;
        if let Some(model) = &self.expect_model {
            differs(if claim.chained { "chain" } else { "model" }, model, &claim.id())?;
        }
        let tensors = [
            (End::Input, &self.expect_input, false),
            (End::Input, &self.expect_input_quantised, true),
            (End::Output, &self.expect_output, true),
        ];
        for (end, path, quantised) in tensors {
            let Some(path) = path else { continue };
            let (key, proof) = claim.at(end);
            let (name, got, remedy) = match end {
                End::Input => ("input", &proof.statement.input, "give real numbers with --expect-input"),
                End::Output => ("output", &proof.statement.output, "`run` writes the integers of an output"),
            };
            if key.io().interface.of(end) != Visibility::Public {
                return Err(Failure::Unusable(format!("the {name} is not public; expect its commitment instead")));
            }
            let spec = key.io().of(end);
            let tensor = load_tensor(path, &spec.shape)?;
            let expected = match quantised {
                true => integers(path, &tensor, remedy)?,
                false => {
                    clipped += spec.saturated(tensor.iter().copied());
                    spec.quantise(tensor.iter().copied())
                }
            };
            // Beyond its range an integer has the bytes of another.
            let range = spec.packing.range;
            if let Some(outside) = expected.iter().find(|value| !range.contains(**value)) {
                let message =
                    format!("the {name} has no {outside}, as is expected: it is in {} to {}", range.lo, range.hi);
                return Err(Failure::Invalid(message));
            }
            differs(name, &spec.packing.encode(&expected), got)?;
        }
        for (end, path) in [(End::Input, &self.input_commitment), (End::Output, &self.output_commitment)] {
            let Some(path) = path else { continue };
            let (key, proof) = claim.at(end);
            let expected = TensorCommitment::load(path)?;
            let name = if end == End::Input { "input" } else { "output" };
            let Some(got) = committed_tensor(key, &proof.statement, end) else {
                return Err(Failure::Invalid(format!("the {name} is not committed")));
            };
            if expected.spec() != got.spec() {
                let message = format!("the {name} is a tensor of {}, expected one of {}", got.spec(), expected.spec());
                return Err(Failure::Invalid(message));
            }
            differs(&format!("{name}'s tensorId"), &expected.tensor_id(), &got.tensor_id())?;
        }
        Ok(clipped)
    }
}

/// What a statement says of a tensor, for programs and for people.
fn shown(claim: &Claim, end: End) -> (Value, String) {
    let (key, proof) = claim.at(end);
    let spec = key.io().of(end);
    let visibility = key.io().interface.of(end);
    let (json, text) = match (visibility, committed_tensor(key, &proof.statement, end)) {
        (_, Some(commitment)) => {
            let text = format!("committed, tensorId {}", hex::encode(commitment.tensor_id()));
            (tensor_json(&commitment), text)
        }
        (Visibility::Public, None) => {
            let bytes = if end == End::Input { &proof.statement.input } else { &proof.statement.output };
            let values = spec.packing.decode(bytes).unwrap_or_default();
            let real: Vec<f64> = values.iter().map(|v| *v as f64 / spec.scale).collect();
            let text = match end {
                End::Input => format!("of {} values", values.len()),
                End::Output => format!("{values:?}"),
            };
            (json!({ "shape": spec.shape, "scale": spec.scale, "values": values, "real": real }), text)
        }
        _ => (json!({ "shape": spec.shape, "scale": spec.scale }), "private".into()),
    };
    let mut json = json;
    json["seen"] = json!(visibility);
    (json, format!("{text}, {spec}"))
}

fn outcome(claim: &Claim, srs: &SrsVerifier, stages: &Stages) -> Outcome {
    let insecure = claim.is_insecure(srs);
    let statement = &claim.proofs[0].statement;
    // Of a chain, secret if any segment's are.
    let secret = claim.keys.iter().any(|key| key.weights().visibility == WeightVisibility::Secret);
    let weights = if secret { WeightVisibility::Secret } else { WeightVisibility::Public };
    let ((input_json, input), (output_json, output)) = (shown(claim, End::Input), shown(claim, End::Output));
    let security =
        if insecure { "INSECURE SRS: this proof could be forged; for development only" } else { srs.origin() };
    let models: Vec<String> = claim.keys.iter().map(|key| hex::encode(key.model_id())).collect();
    let id = hex::encode(claim.id());
    let mut named = json!({
        "modelId": models[0], "context": hex::encode(statement.context), "input": input_json, "output": output_json,
    });
    if claim.chained {
        named["chainId"] = json!(id);
        named["segments"] = json!(models);
    }
    let json = json!({
        "ok": true, "valid": true, "insecure": insecure, "weights": weights, "statement": named,
        "seconds": stages.to_json(),
    });
    let mut text = match claim.chained {
        true => format!("valid: chain {id} of {} segments\n", models.len()),
        false => format!("valid: model {id}\n"),
    };
    text += &format!("maps     input {input}\nto       output {output}\n");
    text += &format!("context  {}\nSRS      {security}\n{}", hex::encode(statement.context), stages.to_text());
    Outcome { json, text }
}
