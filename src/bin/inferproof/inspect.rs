//! `inferproof inspect`.

use crate::Outcome;
use crate::commit::tensor_json;
use crate::failure::Failure;
use crate::inputs::{InterfaceArguments, dimension};
use crate::preflight::{nodes, preflight};
use clap::Args;
use inferproof::Interface;
use inferproof::artefact::{Identity, JSON, Kind, identify, read_text};
use inferproof::commitment::{TensorCommitment, TensorOpening};
use inferproof::keys::{ProvingKey, PublicModel, VerifyingKey};
use inferproof::model::Model;
use inferproof::onnx::{self, ImportOptions};
use inferproof::proof::Proof;
use inferproof::quantise::{QuantiseOptions, Samples, quantise};
use inferproof::ranges::RangeProof;
use inferproof::srs::Srs;
use inferproof_circuits::ranges::WeightRange;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Samples that are made up where none are given.
const RANDOM_SAMPLES: usize = 4;

/// Arguments of `inspect`.
#[derive(Args)]
pub(crate) struct Inspect {
    /// Any file that inferproof writes, or an ONNX model.
    file: PathBuf,
    /// Size of a dimension that an ONNX model leaves open, for instance batch=1; may be given several times.
    #[arg(long, value_name = "NAME=SIZE", value_parser = dimension)]
    dim: Vec<(String, usize)>,
    /// For an ONNX model: calibration samples (.npz or .npy). They decide ranges, and with them tables and rows; random ones stand in for them.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// For an ONNX model: bits of every activation, 4 to 16 (8 if not given).
    #[arg(long)]
    bits: Option<u32>,
    /// For an ONNX model: layers divide by 2^SHIFT, 4 to 40 (10 if not given).
    #[arg(long)]
    shift: Option<u32>,
    /// For a model: drawing of the circuit to write (SVG), which tensor lives where.
    #[arg(long)]
    layout: Option<PathBuf>,
    #[command(flatten)]
    interface: InterfaceArguments,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut head = vec![0; 64];
        let read = {
            use std::io::Read;
            std::fs::File::open(&self.file)
                .and_then(|mut f| f.read(&mut head))
                .map_err(|e| Failure::Unusable(format!("cannot read {}: {e}", self.file.display())))?
        };
        head.truncate(read);
        let identity = identify(&head);
        self.check_options(&identity)?;
        match identity {
            Identity::Artefact { kind: Kind::NETWORK, .. } => self.model(&Model::load(&self.file)?),
            Identity::Artefact { kind: Kind::VERIFYING_KEY, .. } => {
                Ok(verifying_key("verifying key", &VerifyingKey::load(&self.file)?))
            }
            Identity::Artefact { kind: Kind::PROVING_KEY, .. } => {
                Ok(verifying_key("proving key (secret)", ProvingKey::load(&self.file)?.verifying_key()))
            }
            Identity::Artefact { kind: Kind::SRS, .. } => srs(self),
            Identity::Artefact { kind: Kind::TENSOR_COMMITMENT, .. } => {
                Ok(tensor("commitment to a tensor", &TensorCommitment::load(&self.file)?))
            }
            Identity::Artefact { kind: Kind::TENSOR_OPENING, .. } => {
                let opening = TensorOpening::load(&self.file)?;
                Ok(tensor("opening of a commitment (secret)", opening.commitment()))
            }
            Identity::Foreign(JSON) => self.text(),
            _ => self.graph(),
        }
    }

    /// Refuses options that say nothing of a file of this kind.
    fn check_options(&self, identity: &Identity) -> Result<(), Failure> {
        let (onnx, quantised) = match identity {
            Identity::Artefact { kind, .. } => (false, *kind == Kind::NETWORK),
            Identity::Foreign(what) => (*what != JSON, false),
            _ => (true, false),
        };
        let seen = self.interface.interface() != Interface::default() || self.interface.batch() != 1;
        let for_onnx = [
            ("--dim", !self.dim.is_empty()),
            ("--samples", self.samples.is_some()),
            ("--bits", self.bits.is_some()),
            ("--shift", self.shift.is_some()),
        ];
        let for_models = [("--layout", self.layout.is_some()), ("--input-as, --output-as and --batch-in-one", seen)];
        let of = |options: &[(&'static str, bool)]| options.iter().find(|(_, given)| *given).map(|(name, _)| *name);
        let refused = |name, whom| {
            Err(Failure::Unusable(format!("{}: {name} is for {whom}, which this is not", self.file.display())))
        };
        match (of(&for_onnx), of(&for_models)) {
            (Some(name), _) if !onnx => refused(name, "ONNX models"),
            (_, Some(name)) if !onnx && !quantised => refused(name, "models, quantised or ONNX"),
            _ => Ok(()),
        }
    }

    /// One of our JSON files.
    fn text(&self) -> Result<Outcome, Failure> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
        }
        let named = |message: String| Failure::Unusable(format!("{}: {message}", self.file.display()));
        let text = read_text(&self.file, MAX_TEXT)?;
        let Head { format } = serde_json::from_str(&text).map_err(|e| named(e.to_string()))?;
        match format.as_deref() {
            Some("inferproof/proof") => Ok(proof(&Proof::load(&self.file)?)),
            Some("inferproof/model.pub") => Ok(public_model(&PublicModel::load(&self.file)?)),
            Some("inferproof/range") => Ok(range(&RangeProof::load(&self.file)?)),
            Some("inferproof/model") => {
                let mut json: Value = serde_json::from_str(&text)?;
                json["kind"] = json!("description of a model's keys");
                Ok(Outcome { text: format!("description of a model's keys\n{json:#}\n"), json })
            }
            _ => Err(named("JSON text, but none that this program writes".into())),
        }
    }
}

/// Longest JSON file of ours.
const MAX_TEXT: u64 = 64 << 20;

fn range(proof: &RangeProof) -> Outcome {
    let (model, bytes) = (hex::encode(proof.model_id), proof.proofs.iter().map(Vec::len).sum::<usize>());
    let lanes = proof.proofs.len();
    let json = json!({
        "kind": "range proof", "modelId": model, "range": proof.range, "lanes": lanes, "proofBytes": bytes,
    });
    let WeightRange { weight_bits, bias_bits } = proof.range;
    let text = format!(
        "range proof of {lanes} lanes, {bytes} bytes (not verified)\nmodelId  {model}\nweights  {weight_bits} bits\nbiases   {bias_bits} bits\n"
    );
    Outcome { json, text }
}

fn srs(command: &Inspect) -> Result<Outcome, Failure> {
    let srs = Srs::read_verifier_part(&command.file)?;
    let json = json!({
        "kind": "srs", "k": srs.k(), "insecure": srs.insecure(), "origin": srs.origin(),
        "srsId": hex::encode(srs.srs_id()),
    });
    let security = if srs.insecure() { "INSECURE: for development only" } else { "imported from a ceremony" };
    let text = format!(
        "SRS\nk        {}\norigin   {} ({security})\nsrsId    {}\n",
        srs.k(),
        srs.origin(),
        hex::encode(srs.srs_id())
    );
    Ok(Outcome { json, text })
}

fn tensor(kind: &str, commitment: &TensorCommitment) -> Outcome {
    let mut json = tensor_json(commitment);
    json["kind"] = json!(kind);
    let text = format!(
        "{kind}\ntensorId {}\n{}\nSRS      {}\n",
        hex::encode(commitment.tensor_id()),
        commitment.spec(),
        hex::encode(commitment.srs_id())
    );
    Outcome { json, text }
}

fn verifying_key(kind: &str, key: &VerifyingKey) -> Outcome {
    let json = json!({
        "kind": kind, "k": key.k(), "shape": key.shape(), "insecure": key.insecure(),
        "modelId": hex::encode(key.model_id()), "programId": hex::encode(key.program_id()),
        "weightsId": hex::encode(key.weights_id()), "srsId": hex::encode(key.srs_id()),
        "weights": key.weights().visibility, "lanes": key.weights().points.len(),
        "inputShape": key.io().input.shape, "outputShape": key.io().output.shape, "seen": key.io().interface,
    });
    let text = format!(
        "{kind}\nmodelId   {}\nprogramId {}\nweightsId {}\nk         {}\nshape     {}\nlanes     {}\nSRS       {}{}\n",
        hex::encode(key.model_id()),
        hex::encode(key.program_id()),
        hex::encode(key.weights_id()),
        key.k(),
        key.shape().name(),
        key.weights().points.len(),
        hex::encode(key.srs_id()),
        if key.insecure() { " (INSECURE: for development only)" } else { "" }
    );
    Outcome { json, text }
}

fn public_model(model: &PublicModel) -> Outcome {
    let claimed = hex::encode(model.claimed);
    let json = json!({
        "kind": "published model", "claimedProgramId": claimed, "k": model.k, "layout": model.layout, "seen": model.interface,
        "inputScale": model.input_scale, "outputScale": model.output_scale, "architecture": model.architecture,
    });
    let nodes = nodes(&model.architecture);
    let text = format!(
        "published model (not audited)\nprogramId as claimed {claimed}\nk        {}\ninputs   {} a proof\n{nodes}",
        model.k, model.layout.batch
    );
    Outcome { json, text }
}

fn proof(proof: &Proof) -> Outcome {
    let s = &proof.statement;
    let json = json!({
        "kind": "proof", "modelId": hex::encode(s.model_id), "context": hex::encode(s.context),
        "inputBytes": s.input.len(), "outputBytes": s.output.len(), "proofBytes": proof.bytes.len(),
    });
    let text = format!(
        "proof of {} bytes (not verified)\nmodelId  {}\ncontext  {}\ninput    {} bytes\noutput   {} bytes\n",
        proof.bytes.len(),
        hex::encode(s.model_id),
        hex::encode(s.context),
        s.input.len(),
        s.output.len()
    );
    Outcome { json, text }
}

impl Inspect {
    fn model(&self, model: &Model) -> Result<Outcome, Failure> {
        let mut json = model.to_json(false);
        let mut text = format!("quantised model {}\n", model.name);
        text += &nodes(&model.architecture);
        let (plans, costs) =
            preflight(&model.architecture, self.interface.interface(), self.interface.batch(), self.layout.as_deref())?;
        text.push_str(&costs);
        if let Value::Object(object) = &mut json {
            object.insert("plans".into(), plans);
        }
        Ok(Outcome { json, text })
    }

    /// An ONNX model: its nodes, and what it would cost once quantised with these settings.
    fn graph(&self) -> Result<Outcome, Failure> {
        let bytes = onnx::read_file(&self.file)?;
        let options = ImportOptions { dims: self.dim.iter().cloned().collect() };
        let graph = onnx::import_with(&bytes, &options)?.graph;
        let parameters: usize = graph.nodes.iter().map(|n| n.op.parameter_count()).sum();
        let nodes: Vec<Value> = graph
            .nodes
            .iter()
            .map(|n| json!({ "name": n.name, "operator": n.op.name(), "inputs": n.inputs, "shape": n.shape }))
            .collect();
        let mut text = format!("ONNX model, {} nodes, {parameters} parameters, every node is supported\n", nodes.len());
        for (id, node) in graph.nodes.iter().enumerate() {
            let shape = format!("{:?}", node.shape);
            let _ = writeln!(text, "{id:4} {:<12} {shape:<16} {}", node.op.name(), node.name);
        }
        let (samples, origin) = match &self.samples {
            Some(path) => (Samples::load(path, graph.input_shape())?, "the given samples"),
            None => {
                (Samples::random(graph.input_shape(), RANDOM_SAMPLES)?, "random samples: give --samples for your own")
            }
        };
        let defaults = QuantiseOptions::default();
        let options = QuantiseOptions {
            activation_bits: self.bits.unwrap_or(defaults.activation_bits),
            shift: self.shift.unwrap_or(defaults.shift),
            ..defaults
        };
        let (model, _) = quantise(&graph, &samples, &options)?;
        let (plans, costs) =
            preflight(&model.architecture, self.interface.interface(), self.interface.batch(), self.layout.as_deref())?;
        let _ = write!(
            text,
            "\nquantised with {} bits and shift {} on {origin}\n{costs}",
            options.activation_bits, options.shift
        );
        let json = json!({
            "kind": "onnx", "parameters": parameters, "nodes": nodes,
            "inputShape": graph.input_shape(), "outputShape": graph.output_shape(),
            "samples": if self.samples.is_some() { "given" } else { "random" }, "plans": plans,
        });
        Ok(Outcome { json, text })
    }
}
